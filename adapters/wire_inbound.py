"""The JSON of inbound messages: as they wait to be assigned, and as the business services get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID  # noqa: TC003  (msgspec resolves it)

import msgspec

from adapters.wire import BadBodyError, Instant, rfc3339
from engine.inbound import InboundMessage, holdable
from engine.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable


class _InboundBody(msgspec.Struct, frozen=True):
    channel: str
    sender: str
    to: str
    text: str
    at: Instant
    carrier_id: str | None = None


class _ReplyBody(msgspec.Struct, frozen=True):
    v: int
    id: UUID
    account: str
    sender: str = msgspec.field(name="from")
    to: str
    text: str
    channel: str
    at: Instant
    carrier_id: str | None = None
    extend: str | None = None
    job: UUID | None = None
    ref: str | None = None


_inbound = msgspec.json.Decoder(list[_InboundBody])
_replies = msgspec.json.Decoder(list[_ReplyBody])
_encode = msgspec.json.Encoder().encode


def encode_inbound(messages: Iterable[InboundMessage]) -> bytes:
    """The body that stands for inbound messages on their way to be assigned."""
    return _encode(
        [_InboundBody(each.channel, each.sender, each.to, each.text, each.at, each.carrier_id) for each in messages]
    )


def decode_inbound(body: bytes) -> list[InboundMessage]:
    """What `encode_inbound` encoded; whoever else wrote it, they can be kept and passed on.

    Raises:
        BadBodyError: it is no array of inbound messages.
    """
    return [holdable(InboundMessage(**_fields(item))) for item in _decode(_inbound, body)]


def encode_replies(replies: Iterable[Reply]) -> bytes:
    """The body that stands for replies, always an array."""
    return _encode([reply_fields(reply) for reply in replies])


def encode_reply(reply: Reply) -> bytes:
    """One reply on its own, for people to look at."""
    return _encode(reply_fields(reply))


def decode_replies(body: bytes) -> list[Reply]:
    """The replies of a body.

    Raises:
        BadBodyError: it is no array of replies.
    """
    found = (_fields(item) for item in _decode(_replies, body))
    return [Reply(**{name: value for name, value in fields.items() if name != "v"}) for fields in found]


def reply_fields(reply: Reply) -> dict[str, Any]:
    """A reply field by field."""
    return {
        "v": 1,
        "id": reply.id,
        "account": reply.account,
        "from": reply.sender,
        "to": reply.to,
        "extend": reply.extend,
        "text": reply.text,
        "channel": reply.channel,
        "carrier_id": reply.carrier_id,
        "job": reply.job,
        "ref": reply.ref,
        "at": rfc3339(reply.at),
    }


def _fields(item: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__struct_fields__}


def _decode(decoder: msgspec.json.Decoder[list[Any]], body: bytes) -> list[Any]:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBodyError(
            str(error) if isinstance(error, msgspec.MsgspecError) else "the body is no JSON in UTF-8"
        ) from None
