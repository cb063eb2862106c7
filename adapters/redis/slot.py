"""What is kept of a number, and under which keys: all in one slot, by the hash tag `{NUMBER}`."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from struct import pack
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

    from engine.limits import Charge


class Slot(NamedTuple):
    """The keys of one number."""

    prefix: str
    recipient: str

    def record(self, job: UUID) -> str:
        """A job's record (`record.lua`)."""
        return f"{self.prefix}:{{{self.recipient}}}:j:{job}"

    @property
    def logs(self) -> str:
        """When which jobs were accepted (`logs.lua`)."""
        return f"{self.prefix}:{{{self.recipient}}}:l"

    @property
    def restored(self) -> str:
        """The epoch in which the number's history was restored (`recall.py`)."""
        return f"{self.prefix}:{{{self.recipient}}}:r"

    @property
    def opt_outs(self) -> str:
        """Since when the number wants no promotions, by account (`opt_outs.lua`)."""
        return f"{self.prefix}:{{{self.recipient}}}:o"

    @property
    def held(self) -> str:
        """Inbound messages that may opt out and are not settled; meanwhile no promotion of the number is granted."""
        return f"{self.prefix}:{{{self.recipient}}}:h"


@lru_cache(maxsize=4096)
def logs(charges: tuple[Charge, ...]) -> bytes:
    """The logs of a number that its charges go to, as `logs.lua` takes them."""
    return b"".join([_log(charge) for charge in charges if charge.per_recipient])


def entry(job: UUID, at_us: int) -> bytes:
    """An entry of a log."""
    return at_us.to_bytes(7) + job.bytes


def _log(charge: Charge) -> bytes:
    name, longest_s = blake2b(charge.scope.encode(errors="surrogatepass"), digest_size=8).digest(), 0
    packed = b""
    for window in charge.rule.windows:
        packed += pack(">II", window.limit, window.seconds)
        longest_s = max(longest_s, window.seconds)
    return pack(">8sIH", name, longest_s, len(packed)) + packed
