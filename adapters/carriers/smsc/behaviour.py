"""What a carrier on the wire can do wrong besides what a `Behaviour` draws, and how it is read from TOML or JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from adapters.carriers.behaviour import Behaviour
from adapters.carriers.smsc.ids import Notation  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from collections.abc import Mapping

SHARES = ("jitter", "refused", "fault", "throttled", "silent", "undelivered")
MORE_SHARES = ("receipt_twice", "receipt_early", "receipt_late", "receipt_never", "intermediate", "reply")
LONGEST_S = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class WireBehaviour(Behaviour):
    """How the carrier behaves; shares are from 0 to 1 and drawn per message."""

    state: Literal["up", "down", "mute"] = "up"  #: down: connections are refused; mute: nothing is answered or sent
    rate: float = 0.0  #: segments of an account in any second, 0: any; what is more is throttled
    window: int = 0  #: unanswered submits of one bind, 0: any; what is more finds the queue full
    intermediate: float = 0.0  #: are first reported as ENROUTE, half-way to their final receipt
    undelivered_as: str = "UNDELIV"  #: the final status of what is not delivered
    id_notation: Notation = "decimal"  #: in the answer to a submit
    receipt_id_notation: Notation = "decimal"
    receipt_in: Literal["text", "tlv", "both"] = "both"  #: where an SMPP receipt says what it says
    disconnect_after: int = 0  #: submits of one bind, 0: never
    disconnect_every_s: float = 0.0  #: each bind, counted from its begin, 0: never
    disconnect_by: Literal["close", "unbind", "mid_pdu"] = "close"
    reply: float = 0.0  #: recipients that write back
    reply_text: str = "TD"

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)  # super() knows nothing of a class with slots
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not 0 <= value < float("inf"):
                raise ValueError(f"{field.name} is negative or has no end")
            if field.name in (*SHARES, *MORE_SHARES) and value > 1:
                raise ValueError(f"{field.name} is a share: from 0 to 1")
            if field.name.endswith("_s") and value > LONGEST_S:
                raise ValueError(f"{field.name} is more than a week")
        if not (self.undelivered_as.isalnum() and len(self.undelivered_as) <= 7):
            raise ValueError("undelivered_as is a word of up to 7 letters")


def read_behaviour(told: Mapping[str, Any], base: WireBehaviour) -> WireBehaviour:
    """`base` with what is told changed.

    Raises:
        ValueError: a name is unknown, or a value is impossible; the text says which and why.
    """
    known = {field.name for field in fields(WireBehaviour)}
    if unknown := sorted(set(told) - known):
        raise ValueError(f"{unknown[0]} is no behaviour of a carrier; there are {', '.join(sorted(known))}")
    return msgspec.convert({**asdict(base), **told}, WireBehaviour)  # its ValidationError is a ValueError
