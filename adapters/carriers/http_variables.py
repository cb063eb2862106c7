"""What the templates of a carrier over HTTP may name."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

import phonenumbers

from adapters.carriers.http_template import written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from adapters.carriers.http_template import Value
    from engine.message import Message
    from engine.ports import Clock
    from engine.receipts import Receipt


class Moment:
    """When one request is made; the same in all of its parts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @cached_property
    def at(self) -> datetime:
        """Aware UTC time."""
        return self._clock.now()

    @cached_property
    def nonce(self) -> str:
        """32 hexadecimal digits that were never used before."""
        return uuid4().hex


class Submission(Moment):
    """A message on its way to the carrier."""

    def __init__(self, message: Message, clock: Clock) -> None:
        super().__init__(clock)
        self.message = message


class Question(Moment):
    """The carrier is asked what became of a message."""

    def __init__(self, receipt: Receipt, clock: Clock, utc_offset_h: float) -> None:
        super().__init__(clock)
        self.receipt = receipt
        self.utc_offset_h = utc_offset_h


#: of every request
MOMENT: Mapping[str, Callable[[Moment], Value]] = {
    "now": lambda of: f"{of.at:%Y-%m-%dT%H:%M:%SZ}",  # RFC 3339
    "now_basic": lambda of: f"{of.at:%Y%m%dT%H%M%SZ}",  # ISO 8601, basic
    "now_unix": lambda of: int(of.at.timestamp()),
    "nonce": lambda of: of.nonce,
}


def _body(submission: Submission) -> str:
    message = submission.message
    return message.text.removeprefix(f"【{message.job.signature}】")


def _params_json(submission: Submission) -> str | None:
    params = submission.message.job.params
    return written(dict(params)) if params else None


def _national(number: str) -> str:
    return phonenumbers.national_significant_number(phonenumbers.parse(number))


#: of a message handed in
SUBMISSION: Mapping[str, Callable[[Submission], Value]] = {
    "to": lambda of: of.message.recipient.number,
    "digits": lambda of: of.message.recipient.number.removeprefix("+"),  # E.164 without its plus
    "national": lambda of: _national(of.message.recipient.number),  # without the country code
    "country": lambda of: of.message.recipient.country,
    "text": lambda of: of.message.text,  # as the phone shows it
    "body": _body,  # without the signature in front, for carriers that add it
    "signature": lambda of: of.message.job.signature,
    "template": lambda of: of.message.job.template,
    "params": lambda of: dict(of.message.job.params) or None,
    "params_json": _params_json,
    "segments": lambda of: of.message.segments,
    "category": lambda of: of.message.category.value,
    "job": lambda of: str(of.message.job.id),
    "account": lambda of: of.message.job.account,
    "extend": lambda of: of.message.job.extend,
    **MOMENT,
}


def by_table(
    sender: str | None, senders: Mapping[str, str], template_codes: Mapping[str, str]
) -> Mapping[str, Callable[[Submission], Value]]:
    """The variables that a carrier's own tables give: the sender by signature, its own code of a template."""
    return {
        "sender": lambda of: senders.get(of.message.job.signature or "", sender),
        "template_code": lambda of: template_codes.get(of.message.job.template or "", of.message.job.template),
    }


#: of a question
QUESTION: Mapping[str, Callable[[Question], Value]] = {
    "job": lambda of: str(of.receipt.job),
    "to": lambda of: of.receipt.to,
    "digits": lambda of: of.receipt.to.removeprefix("+"),
    "national": lambda of: _national(of.receipt.to),
    "date": lambda of: f"{_submitted_at(of):%Y%m%d}",  # of the submit, where the carrier is
    **MOMENT,
}


def _submitted_at(question: Question) -> datetime:
    receipt = question.receipt
    return (receipt.submitted_at or receipt.at) + timedelta(hours=question.utc_offset_h)
