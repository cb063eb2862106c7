"""What is kept of a number, and under which keys: all in one slot, by the hash tag `{NUMBER}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from adapters.redis.scripts import digest
from adapters.wire_receipts import encode_receipt

if TYPE_CHECKING:
    from uuid import UUID

    from engine.limits import Charge
    from engine.receipts import Receipt


class Slot(NamedTuple):
    """The keys of one number."""

    prefix: str
    recipient: str

    def record(self, job: UUID) -> str:
        """A job's record (`record.lua`)."""
        return f"{self.prefix}:{{{self.recipient}}}:j:{job}"

    def log(self, charge: Charge) -> str:
        """The log of one charge (`windows.lua`)."""
        return f"{self.prefix}:{{{self.recipient}}}:l:{digest(charge.scope)}"

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


def facts(receipt: Receipt) -> tuple[int, int, int, bytes]:
    """A receipt as `merge.lua` takes it."""
    return receipt.rank, int(receipt.taken), int(receipt.final), encode_receipt(receipt)
