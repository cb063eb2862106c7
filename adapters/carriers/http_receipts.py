"""Which delivery receipts stand in a body that a carrier posted to us?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.carriers.http_posted import Posted, items
from adapters.carriers.json_values import at, code, message_id, normalised, sentence, word
from engine.receipts import DeliveryReceipt, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_STATES = (State.DELIVERED, State.UNDELIVERED, State.SUBMITTED)


@dataclass(frozen=True, slots=True)
class ReceiptFormat:
    """Where a posted receipt says what (dotted paths), and what the carrier's status words mean."""

    states: Mapping[str, State]  #: delivered, undelivered, or submitted for "on its way"
    id_path: str = "id"
    status_path: str = "status"
    code_path: str | None = None
    list_path: str | None = None  #: where the receipts stand; None: the body is one receipt or a list of them
    posted: Posted = Posted.JSON

    def __post_init__(self) -> None:
        if wrong := sorted(state for state in self.states.values() if state not in _STATES):
            raise ValueError(f"a carrier's status cannot mean {wrong[0]}; only {', '.join(_STATES)}")


def read_receipts(receipt: ReceiptFormat, body: bytes, channel: str, received_at: datetime) -> list[DeliveryReceipt]:
    """The delivery receipts in a body; an unknown status word counts as intermediate, for it settles nothing.

    Raises:
        ValueError: it is not what the description says; the message says where, without quoting it.
    """
    found = items(body, receipt.posted, receipt.list_path)
    return [_read(receipt, item, position, channel, received_at) for position, item in enumerate(found)]


def _read(receipt: ReceiptFormat, item: object, position: int, channel: str, received_at: datetime) -> DeliveryReceipt:
    carrier_id = message_id(at(item, receipt.id_path))
    if carrier_id is None:
        raise ValueError(f"receipt {position} has no message id at {receipt.id_path}")
    status = word(at(item, receipt.status_path))
    if status is None:
        raise ValueError(f"receipt {position} has no status at {receipt.status_path}")
    state = receipt.states.get(status, State.SUBMITTED)
    stated = code(at(item, receipt.code_path)) if receipt.code_path else None
    if stated is None and state is State.UNDELIVERED:
        stated = code(status)
    return DeliveryReceipt(channel, carrier_id, state, received_at, normalised(stated), sentence(status))
