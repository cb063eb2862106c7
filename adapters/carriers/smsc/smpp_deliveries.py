"""What one bind was sent and has not answered yet."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from adapters.carriers.smsc.smpp_messages import delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.carriers.smpp.message_bodies import DeliverSm
    from adapters.carriers.smsc.messages import Item
    from adapters.carriers.smsc.outbox import Outbox

UNANSWERED = 100  #: PDUs sent and not yet answered
ANSWER_WITHIN_S = 10.0  #: then the item is sent again


class _Sent(NamedTuple):
    item: Item
    at_s: float
    sequences: tuple[int, ...]  #: of all the PDUs of the item


class Deliveries:
    """Sends the items of an outbox over one bind, and tells the outbox which were taken."""

    def __init__(self, outbox: Outbox, sequences: Iterator[int], write: Callable[[DeliverSm, int], None]) -> None:
        self._outbox = outbox
        self._sequences = sequences
        self._write = write
        self._sent: dict[int, _Sent] = {}

    @property
    def room(self) -> bool:
        """Whether one more may be sent before there are answers."""
        return len(self._sent) < UNANSWERED

    def send(self, item: Item, receipt_in: str, now_s: float) -> None:
        """Send an item."""
        bodies = delivery(item, receipt_in)
        sequences = tuple(itertools.islice(self._sequences, len(bodies)))
        sent = _Sent(item, now_s, sequences)
        for sequence, body in zip(sequences, bodies, strict=True):
            self._sent[sequence] = sent
            self._write(body, sequence)

    def settle(self, sequence: int, status: int) -> None:
        """A PDU was answered."""
        sent = self._sent.pop(sequence, None)
        if sent is None:
            return
        if status:
            self._send_again(sent)
        elif not any(other in self._sent for other in sent.sequences):
            self._outbox.taken()

    def look(self, now_s: float) -> None:
        """Have sent again what was not answered in time."""
        late = (sent for sent in self._sent.values() if now_s - sent.at_s > ANSWER_WITHIN_S)
        for sent in {sent.sequences: sent for sent in late}.values():
            self._send_again(sent)

    def untaken(self) -> list[Item]:
        """What was sent and not taken, in its order."""
        return list({sent.sequences: sent.item for sent in self._sent.values()}.values())

    def _send_again(self, sent: _Sent) -> None:
        for sequence in sent.sequences:
            self._sent.pop(sequence, None)
        self._outbox.not_taken(sent.item)
