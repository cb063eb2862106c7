"""What a carrier hands to us, told as what it is: word of a message of ours, or a message from a phone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from adapters.carriers.smpp.assembly import Assembly, Key, Part
from adapters.carriers.smpp.receipts import STATUS_UNRECOGNISED, is_receipt, read_receipt
from adapters.carriers.smpp.user_data import user_data
from engine.inbound import InboundMessage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from adapters.carriers.smpp.dialect import Dialect
    from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm
    from engine.ports import Clock
    from engine.receipts import DeliveryReceipt

MAX_PART = 254  #: octets; what is longer is no part of anything
MAX_UNKNOWN_WORDS = 100  #: told of; a hostile sender must not fill the log

_log = logging.getLogger(__name__)


class Incoming:
    """Takes what comes over all binds of a channel."""

    def __init__(
        self,
        channel: str,
        dialect: Dialect,
        clock: Clock,
        tell: Callable[[DeliveryReceipt | InboundMessage], Awaitable[None]],
    ) -> None:
        self._channel = channel
        self._dialect = dialect
        self._clock = clock
        self._tell = tell
        self._assembly = Assembly()
        self._unknown_words: set[str] = set()

    async def take(self, body: DeliverSm | DataSm) -> None:
        """Tell what came; returns once it is safe, and raises whatever keeps it from being so."""
        if is_receipt(body):
            return await self._take_receipt(body)
        data = user_data(body)
        part = Part(data.octets, body.data_coding)
        sender, to = _number(body.source_addr, body.source_addr_ton), body.destination_addr

        async def tell(parts: Sequence[Part]) -> None:
            text = self._dialect.read(parts)
            await self._tell(InboundMessage(self._channel, sender, to, text, self._clock.now()))

        if data.fragment is None or len(data.octets) > MAX_PART:
            return await tell([part])
        key = Key(sender, to, data.fragment.marked_by, data.fragment.reference, data.fragment.total)
        await self._assembly.take(key, data.fragment, part, tell)

    async def _take_receipt(self, body: DeliverSm | DataSm) -> None:
        dlr = read_receipt(body, self._channel, self._clock.now(), self._dialect.zone)
        if dlr is None:  # to have it sent again would not make it name its message
            _log.warning("channel %s reports on a message without saying on which", self._channel)
            return
        if dlr.code == STATUS_UNRECOGNISED:
            self._tell_unknown(dlr.status)
        await self._tell(dlr)

    def _tell_unknown(self, status: str) -> None:
        if status not in self._unknown_words and len(self._unknown_words) < MAX_UNKNOWN_WORDS:
            self._unknown_words.add(status)
            _log.warning("channel %s reports a status that is not known: %r", self._channel, status)


def _number(address: str, ton: int) -> str:
    """An address; of an international number its plus sign too, which SMPP does without."""
    return f"+{address}" if ton == 1 and address.isascii() and address.isdigit() else address
