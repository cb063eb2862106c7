"""What a carrier can be asked about the messages it took: the newest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from adapters.carriers.smsc.messages import Submit

REMEMBERED = 100_000  #: newest messages that can be asked for


class Known(NamedTuple):
    """What became of a message so far."""

    carrier_id: str  #: as answers write it
    status: str
    final_at_s: float | None  #: Unix time


class KnownMessages:
    """Accepted messages by the carrier's id and by the sender's own reference."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._ids: dict[str, str] = {}

    def add(self, carrier_id: str, submit: Submit) -> None:
        """A message was accepted; the oldest is forgotten if there are many."""
        self._known[carrier_id] = Known(carrier_id, "ENROUTE", None)
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        if submit.reference:
            self._ids[submit.reference] = carrier_id
            if len(self._ids) > REMEMBERED:
                del self._ids[next(iter(self._ids))]

    def conclude(self, carrier_id: str, status: str, at_s: float) -> None:
        """Its final status is this."""
        if carrier_id in self._known:
            self._known[carrier_id] = Known(carrier_id, status, at_s)

    def ask(self, carrier_id: str) -> Known | None:
        """What became of a message, by the id it was answered with."""
        return self._known.get(carrier_id)

    def ask_by_reference(self, reference: str) -> Known | None:
        """What became of a message, by its sender's own reference."""
        return self._known.get(self._ids.get(reference, ""))
