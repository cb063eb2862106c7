"""What a carrier's HTTP answer says when it is asked for a message by our reference. In doubt it says nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from adapters.carriers.http_template import names
from adapters.carriers.json_values import at, code, message_id, normalised, sentence, word
from engine.receipts import DeliveryReceipt, NotSent, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Set
    from datetime import datetime
    from uuid import UUID

_STATES = (State.DELIVERED, State.UNDELIVERED, State.SUBMITTED)


@dataclass(frozen=True, slots=True)
class QueryFormat:
    """Where a carrier is asked, where its JSON answer says what (dotted paths), and what its words mean."""

    url: str = field(repr=False)  #: with `http_variables.QUESTION` and the carrier's own constants
    states: Mapping[str, State | NotSent]  #: any other word says nothing
    id_path: str | None = "id"  #: None: the answer names none; then only a final state says anything
    status_path: str = "status"
    code_path: str | None = None
    list_path: str | None = None  #: where a list of messages stands; the one that has our reference is read
    ref_path: str | None = None  #: where each of them has it
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  #: in addition to the channel's, or instead
    utc_offset_h: float = 0.0  #: of the carrier's dates
    not_sent_statuses: Set[int] = frozenset()  #: HTTP statuses of a carrier that never had the message
    settles_after_s: float = 60.0  #: since the submit; before that, that it is not known says nothing

    def __post_init__(self) -> None:
        if (self.list_path is None) != (self.ref_path is None):
            raise ValueError("a query has both a list path and a reference path, or neither")
        if self.ref_path is None and "job" not in names(self.url):
            raise ValueError("the query's url must contain ${job}")
        words = {state for state in self.states.values() if isinstance(state, State)}
        if wrong := sorted(words - set(_STATES)):
            raise ValueError(f"a carrier's status cannot mean {wrong[0]}; only {', '.join(_STATES)} or not_sent")


def read_query(
    query: QueryFormat, job: UUID, status: int, body: bytes, channel: str, asked_at: datetime, age_s: float
) -> DeliveryReceipt | NotSent | None:
    """What the answer says of a message that was submitted for a job `age_s` seconds ago."""
    if status in query.not_sent_statuses:
        return _settled(query, age_s)
    if not 200 <= status < 300:
        return None
    try:
        document: object = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if query.list_path and query.ref_path:
        document = _referring(at(document, query.list_path), query.ref_path, str(job))
    said = word(at(document, query.status_path))
    state = query.states.get(said) if said is not None else None
    if isinstance(state, NotSent):
        return _settled(query, age_s)
    carrier_id = message_id(at(document, query.id_path)) if query.id_path else None
    # Without an id no delivery receipt could follow: better ask again until the state is final.
    if state is None or (carrier_id is None and (query.id_path or state is State.SUBMITTED)):
        return None
    stated = code(at(document, query.code_path)) if query.code_path else None
    if stated is None and state is State.UNDELIVERED:
        stated = code(said)
    return DeliveryReceipt(channel, carrier_id or "", state, asked_at, normalised(stated), sentence(said))


def _referring(listed: object, ref_path: str, job: str) -> object | None:
    entries = listed if isinstance(listed, list) else []
    return next((entry for entry in entries if word(at(entry, ref_path)) == job), None)


def _settled(query: QueryFormat, age_s: float) -> NotSent | None:
    return NotSent() if age_s >= query.settles_after_s else None
