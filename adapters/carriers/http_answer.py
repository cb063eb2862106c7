"""What a carrier's HTTP answer to a submit means. Unless it surely refuses, the message may have been sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from adapters.carriers.json_values import at, code, meaning, message_id, sentence, word
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled, Unanswered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from engine.outcomes import Outcome

RETRY_AFTER_S = 1.0  #: after a throttle that names no time
MAX_RETRY_AFTER_S = 300.0


class Verdict(StrEnum):
    """How an operator says what a status, word or code of a carrier means: the five outcomes."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAULT = "fault"
    FATAL = "fatal"  #: a fault that stays until somebody acts
    THROTTLED = "throttled"
    UNANSWERED = "unanswered"


#: what HTTP statuses mean unless configured; 2xx is read from the body, other 4xx refuse, everything else says nothing
STATUSES: Mapping[int, Verdict] = {
    301: Verdict.FAULT,  # the service is somewhere else: not acted on (RFC 9110), and we follow nowhere
    307: Verdict.FAULT,
    308: Verdict.FAULT,
    401: Verdict.FATAL,
    402: Verdict.FATAL,  # the balance is used up
    403: Verdict.FAULT,
    408: Verdict.UNANSWERED,
    429: Verdict.THROTTLED,
    503: Verdict.FAULT,
}


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """Where a carrier's JSON answer says what (dotted paths), and what its words mean.

    In words, `*` stands for any characters; the word itself comes first, then the patterns in their order.
    """

    id_path: str = "id"
    status_path: str | None = None
    values: Mapping[str, Verdict] = field(default_factory=dict)  #: of the status in a 2xx; any other word refuses
    code_path: str | None = None
    codes: Mapping[str, Verdict] = field(default_factory=dict)  #: of the code; whatever the HTTP status, these hold
    reason_path: str | None = None
    statuses: Mapping[int, Verdict] = field(default_factory=dict)  #: HTTP statuses that mean something else than usual

    def __post_init__(self) -> None:
        if self.status_path is not None and Verdict.ACCEPTED not in self.values.values():
            raise ValueError("a status path needs at least one value that means accepted")
        if Verdict.ACCEPTED in self.statuses.values():
            raise ValueError("an HTTP status alone cannot mean accepted: the answer's id is needed")
        if Verdict.ACCEPTED in self.codes.values():
            raise ValueError("a code cannot mean accepted: that is for a status path and its values to say")
        if self.codes and self.code_path is None:
            raise ValueError("codes are of no use without a code path")


def read_answer(answer: AnswerFormat, status: int, retry_after: str | None, body: bytes, now: datetime) -> Outcome:
    """The outcome of a submit that was answered with an HTTP status and a body; `retry_after` is that header."""
    try:
        document: object = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        document = None
    retry_after_s = seconds(retry_after, now)
    if answer.codes and (told := _code(answer, document)) and (coded := meaning(answer.codes, told)):
        return _outcome(coded, answer, told, retry_after_s, document)
    verdict = answer.statuses.get(status) or STATUSES.get(status)
    if verdict is None and 200 <= status < 300:
        return _read_success(answer, status, retry_after_s, document)
    if verdict is None:
        verdict = Verdict.REFUSED if 400 <= status < 500 else Verdict.UNANSWERED
    return _outcome(verdict, answer, f"HTTP {status}", retry_after_s, document)


def _read_success(answer: AnswerFormat, status: int, retry_after_s: float, document: object) -> Outcome:
    """A 2xx refuses only where the carrier says so: a wrong guess would have another channel send a second SMS."""
    carrier_id = message_id(at(document, answer.id_path))
    value = word(at(document, answer.status_path)) if answer.status_path else None
    if value is not None:
        verdict = meaning(answer.values, value) or Verdict.REFUSED
    elif carrier_id and answer.status_path is None:
        verdict = Verdict.ACCEPTED
    elif carrier_id is None and _code(answer, document):
        verdict = Verdict.REFUSED
    else:
        verdict = Verdict.UNANSWERED
    if verdict is Verdict.ACCEPTED:
        return Accepted(carrier_id) if carrier_id else Unanswered("The carrier's answer names no message id.")
    return _outcome(verdict, answer, code(value) or f"HTTP {status}", retry_after_s, document)


def _outcome(verdict: Verdict, answer: AnswerFormat, said: str, retry_after_s: float, document: object) -> Outcome:
    reason = f"The carrier answered {said}."
    match verdict:
        case Verdict.REFUSED:
            told = sentence(at(document, answer.reason_path)) if answer.reason_path else ""
            return Refused(_code(answer, document) or said.replace(" ", "_"), told or reason)
        case Verdict.FAULT:
            return ChannelFault(reason)
        case Verdict.FATAL:
            return ChannelFault(reason, fatal=True)
        case Verdict.THROTTLED:
            return Throttled(reason, retry_after_s)
    return Unanswered(reason)


def _code(answer: AnswerFormat, document: object) -> str | None:
    return code(at(document, answer.code_path)) if answer.code_path else None


def seconds(retry_after: str | None, now: datetime) -> float:
    """How long a `Retry-After` asks to wait, as seconds or as a date (RFC 9110, 10.2.3), within reason."""
    if retry_after is None:
        return RETRY_AFTER_S
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10:
        return min(float(retry_after), MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return RETRY_AFTER_S
    return min(max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()), MAX_RETRY_AFTER_S)
