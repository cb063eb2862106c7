"""Whose is an inbound message? It answers the newest message that its sender had from the number it was written to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.message import Category
from engine.opt_out import EVERY_ACCOUNT, OptOut, Wish

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from engine.inbound import InboundMessage
    from engine.receipts import Receipt

ANSWERED_WITHIN = timedelta(days=30)  #: an older message is not what a person answers


@dataclass(frozen=True, slots=True)
class Reply:
    """An inbound message and the account it belongs to."""

    id: UUID
    account: str
    sender: str  #: E.164 where the number could be read, else as it came
    to: str  #: our number, as the carrier gives it
    text: str
    channel: str
    at: datetime  #: when it first came
    carrier_id: str | None = None
    extend: str | None = None  #: of the job it answers, as are the next two
    job: UUID | None = None
    ref: str | None = None


def answered(message: InboundMessage, sent: Iterable[Receipt], wish: Wish | None) -> Receipt | None:
    """The receipt of the job it answers, of those of the sender's number; None if it answers none.

    The job's `extend` must end the number it was written to. The longest one counts most, then, for somebody who wants
    no more of them, whether it was a promotion, then the channel, then its time.
    """

    def fits(receipt: Receipt) -> tuple[int, bool, bool, datetime]:
        promotion = wish is not None and receipt.category is Category.PROMOTION
        return len(receipt.extend or ""), promotion, receipt.channel == message.channel, _sent_at(receipt)

    candidates = [
        receipt
        for receipt in sent
        if receipt.taken and message.to.endswith(receipt.extend or "")
        if message.at - ANSWERED_WITHIN <= _sent_at(receipt)
    ]
    return max(candidates, key=fits, default=None)


def reply_to(answers: Receipt | None, message: InboundMessage, sender: str, otherwise: str) -> Reply:
    """The message as a reply to what it answers; where that is nothing it goes to the account `otherwise`."""
    return Reply(
        id=message.id,
        account=answers.account if answers else otherwise,
        sender=sender,
        to=message.to,
        text=message.text,
        channel=message.channel,
        at=message.at,
        carrier_id=message.carrier_id,
        extend=answers.extend if answers else None,
        job=answers.job if answers else None,
        ref=answers.ref if answers else None,
    )


def opt_outs(reply: Reply, wish: Wish, at: datetime) -> tuple[OptOut, ...]:
    """What a wish changes; where nobody knows which account is meant, all of them are.

    An opt-in lifts what was written to the same number too (`ReplyStore.note`): of several accounts that send from it,
    the one that sent last need not be the one that was opted out of.
    """
    account = reply.account if reply.job else EVERY_ACCOUNT
    accounts = {account} if wish is Wish.OUT else {account, EVERY_ACCOUNT}
    lifted_at = at if wish is Wish.IN else None
    return tuple(
        OptOut(reply.sender, each, at, lifted_at, reply.text, reply.channel, reply.to) for each in sorted(accounts)
    )


def _sent_at(receipt: Receipt) -> datetime:
    return receipt.submitted_at or receipt.at
