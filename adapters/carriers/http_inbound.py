"""Which inbound messages stand in a body that a carrier posted to us?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.carriers.http_posted import Posted, items
from adapters.carriers.json_values import at, message_id, text, word
from engine.inbound import InboundMessage

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class InboundFormat:
    """Where a posted message says what (dotted paths)."""

    sender_path: str
    to_path: str
    text_path: str
    id_path: str | None = None
    list_path: str | None = None  #: where the messages stand; None: the body is one message or a list of them
    posted: Posted = Posted.JSON


def read_inbound(inbound: InboundFormat, body: bytes, channel: str, received_at: datetime) -> list[InboundMessage]:
    """The messages in a body.

    Raises:
        ValueError: it is not what the description says; the message says where, without quoting it.
    """
    found = items(body, inbound.posted, inbound.list_path)
    return [_read(inbound, item, position, channel, received_at) for position, item in enumerate(found)]


def _read(inbound: InboundFormat, item: object, position: int, channel: str, received_at: datetime) -> InboundMessage:
    sender, to = (message_id(at(item, path)) for path in (inbound.sender_path, inbound.to_path))
    if sender is None:
        raise ValueError(f"message {position} has no sender at {inbound.sender_path}")
    if to is None:
        raise ValueError(f"message {position} has no recipient at {inbound.to_path}")
    content = at(item, inbound.text_path)
    if not isinstance(content, str) and word(content) is None:
        raise ValueError(f"message {position} has no text at {inbound.text_path}")
    carrier_id = message_id(at(item, inbound.id_path)) if inbound.id_path else None
    return InboundMessage(channel, sender, to, text(content), received_at, carrier_id)
