"""A channel brought an inbound message: make it safe, so that the carrier may be answered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engine.inbound import holdable
from engine.opt_out import Wish

if TYPE_CHECKING:
    from engine import inbound_ports, ports
    from engine.inbound import InboundMessage
    from engine.opt_out import Keywords


@dataclass(frozen=True, slots=True)
class TakeInbound:
    """Put it where it waits to be assigned; from then on no promotion goes to whom it may have opted out."""

    intake: inbound_ports.InboundIntake
    opt_outs: inbound_ports.OptOuts
    numbers: ports.NumberReader
    keywords: Keywords

    async def __call__(self, message: InboundMessage) -> None:
        """Returns once it is safe and, if it opts out, takes effect."""
        message = holdable(message)
        recipient = self.numbers.read(message.sender)
        if recipient is not None and self.keywords.wish(message.text) is Wish.OUT:
            return await self.opt_outs.hold(recipient.number, message.id, partial(self.intake.put, message))
        await self.intake.put(message)
