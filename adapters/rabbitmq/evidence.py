"""How do delivery receipts that became no receipt of ours get to the recorder? (the port `EvidenceLog`)

They are in the queue, confirmed, before the carrier is answered; a database that is slow or away hinders nobody.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID  # noqa: TC003  (msgspec resolves it)

import msgspec

from adapters.coalesce import Coalescer
from adapters.rabbitmq import headers
from adapters.rabbitmq.packing import pack
from adapters.rabbitmq.topology import Names
from adapters.wire import MAX_JOBS, BadBodyError
from engine.carrier_ids import Rule, bounded
from engine.evidence import Evidence
from engine.receipts import DeliveryReceipt, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.rabbitmq.publisher import Publisher

BODIES_AT_ONCE = 8
MAX_TEXT = 255  #: characters of what a carrier wrote, in each field

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class _Item(msgspec.Struct, frozen=True, omit_defaults=True):
    channel: str
    carrier_id: str
    state: State
    at: _Instant
    received_at: _Instant
    code: str | None = None
    status: str = ""
    to: str | None = None
    job: UUID | None = None
    rule: Rule | None = None
    part: int | None = None


_items = msgspec.json.Decoder(list[_Item])
_encode = msgspec.json.Encoder().encode


class RabbitEvidenceLog:
    """Publishes the delivery receipts of one moment together."""

    def __init__(self, publisher: Publisher, prefix: str) -> None:
        self._publisher = publisher
        self._queue = Names(prefix).dlr
        self._together: Coalescer[Evidence, None] = Coalescer(
            self._publish, max_batch=MAX_JOBS, max_batches=BODIES_AT_ONCE
        )

    async def put(self, evidence: Evidence) -> None:
        """Returns once the broker has confirmed it, however long that takes."""
        await self._together.ask(evidence)

    async def _publish(self, evidence: Sequence[Evidence]) -> Sequence[None]:
        await asyncio.gather(
            *(
                self._publisher.publish("", self._queue, body, headers.of_receipts())
                for _, body in pack((each, _encode(_item(each))) for each in evidence)
            )
        )
        return [None] * len(evidence)


def decode_evidence(body: bytes) -> list[Evidence]:
    """The delivery receipts of a body.

    Raises:
        BadBodyError: it is no array of them.
    """
    try:
        return [_evidence(item) for item in _items.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBodyError(str(error)) from None


def _item(evidence: Evidence) -> _Item:
    dlr = evidence.dlr
    return _Item(
        channel=dlr.channel,
        carrier_id=_clean(bounded(dlr.carrier_id)),
        state=dlr.state,
        at=dlr.at,
        received_at=evidence.received_at,
        code=None if dlr.code is None else _clean(dlr.code),
        status=_clean(dlr.status),
        to=None if dlr.to is None else _clean(dlr.to),
        job=evidence.job,
        rule=evidence.rule,
        part=evidence.part,
    )


def _evidence(item: _Item) -> Evidence:
    dlr = DeliveryReceipt(item.channel, item.carrier_id, item.state, item.at, item.code, item.status, item.to)
    return Evidence(dlr, item.received_at, item.job, item.rule, item.part)


def _clean(text: str) -> str:
    """What a carrier wrote, with that escaped which neither JSON nor a database takes."""
    return text[:MAX_TEXT].encode(errors="backslashreplace").decode().replace("\x00", "\\x00")
