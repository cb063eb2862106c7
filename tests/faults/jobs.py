"""The jobs of the fault tests, and the settings they are sent under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from adapters.rabbitmq.producer import JobFields, uuid7

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

VISIBILITY_S = 4.0
TIMEOUT_S = 1.5  #: of a submit
GRACE_S = 2.0  #: of an unknown outcome
SIGNATURE = "Acme"
TEMPLATES = {"otp": "SMS_1001", "notification": "SMS_2001", "promotion": "SMS_3001"}
PARAMS = {"otp": {"code": "4711"}, "notification": {"order": "1", "day": "Monday"}, "promotion": {}}


@dataclass(frozen=True)
class Limit:
    """A rule, for the settings and for the recount."""

    name: str
    key: tuple[str, ...]
    windows: tuple[str, ...]
    categories: tuple[str, ...] | None = None

    def toml(self) -> str:
        lines = [f"name = {self.name!r}", f"key = {list(self.key)}", f"windows = {list(self.windows)}"]
        if self.categories:
            lines.append(f"categories = {list(self.categories)}")
        return "\n".join(["[[limits]]", *lines, ""])


#: the service's own, with fewer per hour, so that a test of seconds runs into them
LIMITS = (
    Limit("otp per number and signature", ("to", "signature"), ("1/1m", "5/1h", "10/24h"), ("otp",)),
    Limit("per number", ("to",), ("40/24h",)),
    Limit("notification", ("to", "signature", "template"), ("3/1h",), ("notification",)),
    Limit("promotion", ("to", "signature", "template"), ("3/1h",), ("promotion",)),
    Limit("account", ("account",), ("5000000/24h",)),
)


@dataclass(frozen=True)
class Job:
    """What was sent, and is expected back."""

    id: UUID
    to: str
    category: str

    def fields(self) -> JobFields:
        return JobFields(
            id=self.id, to=self.to, category=self.category, signature=SIGNATURE,
            template=TEMPLATES[self.category], params=PARAMS[self.category],
        )  # fmt: skip


def job(to: str, category: str = "notification") -> Job:
    """A new job."""
    return Job(uuid7(), to, category)


def number(position: int) -> str:
    """One of a hundred million mobile numbers."""
    return f"+86138{position:08}"


def some_jobs(count: int, rng: Random, *, categories: Mapping[str, float] | None = None, numbers: int = 0) -> list[Job]:
    """Jobs of all categories; `numbers` get them in turn, else so few that every tenth job or so is beyond a limit."""
    weights = categories or {"otp": 1, "notification": 3, "promotion": 1}
    start = rng.randrange(90_000_000)
    drawn = rng.choices(list(weights), list(weights.values()), k=count)
    few = max(1, count // 4)
    positions = [nth % numbers if numbers else rng.randrange(few) for nth in range(count)]
    return [job(number(start + position), category) for position, category in zip(positions, drawn, strict=True)]


def settings_toml(alpha_port: int, beta_port: int, *, concurrency: int = 50, more: str = "") -> str:
    """Two channels to the simulated carrier, and times so short that a fault is over in seconds."""
    each = "\n".join(f"{category} = {{}}" for category in TEMPLATES)
    channels = "".join(_channel(name, port) for name, port in (("alpha", alpha_port), ("beta", beta_port)))
    return f"""
drain_timeout_s = 10
retry_delays_s = [1, 1, 2]
{more}
[visibility_timeout_s]
{each.replace("{}", str(VISIBILITY_S))}
[unknown_grace_s]
{each.replace("{}", str(GRACE_S))}
[concurrency]
{each.replace("{}", str(concurrency))}
{"".join(limit.toml() for limit in LIMITS)}
{channels}
"""


def _channel(name: str, port: int) -> str:
    return f"""
[[channels]]
name = "{name}"
kind = "http"
url = "http://127.0.0.1:{port}/{name}/messages"
timeout_s = {TIMEOUT_S}
window = 200
[channels.body]
job = "${{job}}"
to = "${{to}}"
signature = "${{signature}}"
template = "${{template}}"
category = "${{category}}"
account = "${{account}}"
[channels.answer]
code_path = "code"
[channels.receipts]
states = {{ DELIVRD = "delivered", UNDELIV = "undelivered" }}
"""
