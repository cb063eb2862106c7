"""Inbound messages that are safe: find out whose each is, store it, heed an opt-out, tell the account.

This asks the message store, once per reply; nothing is kept for it when a message is sent. While the store is away
they wait, and so does every promotion to a number that may have opted out.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import events, replies
from engine.opt_out import Wish

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from engine import inbound_ports, ports
    from engine.inbound import InboundMessage
    from engine.opt_out import Keywords
    from engine.receipts import Receipt
    from engine.replies import Reply

CATCH_UP_S = 10.0


@dataclass(frozen=True, slots=True)
class AssignInbound:
    """Every step may be repeated: a reply is known by its id, and of several words of a person the latest stands."""

    messages: ports.MessageStore
    store: inbound_ports.ReplyStore
    opt_outs: inbound_ports.OptOuts
    publisher: inbound_ports.ReplyPublisher
    numbers: ports.NumberReader
    clock: ports.Clock
    telemetry: ports.Telemetry
    keywords: Keywords
    caught_up: Callable[[], Awaitable[None]]  #: waits until the store has whatever receipts were published
    otherwise: str  #: the account of a message that answers none

    async def __call__(self, messages: Sequence[InboundMessage]) -> None:
        """Returns once all of them stand in the store and are published."""
        answers = dict(zip(messages, await asyncio.gather(*map(self._answered, messages)), strict=True))
        if nameless := [message for message, answer in answers.items() if answer is None]:
            # The message they answer may not be in the store as yet.
            with suppress(TimeoutError):
                await asyncio.wait_for(self.caught_up(), CATCH_UP_S)
            answers.update(zip(nameless, await asyncio.gather(*map(self._answered, nameless)), strict=True))
        kept = [await self._keep(message, answer) for message, answer in answers.items()]  # in the order they came
        await asyncio.gather(*map(self.publisher.publish, kept))

    async def _answered(self, message: InboundMessage) -> Receipt | None:
        if (recipient := self.numbers.read(message.sender)) is None:
            return None
        sent = await self.messages.history([recipient.number], self.clock.now() - replies.ANSWERED_WITHIN)
        return replies.answered(message, sent, self.keywords.wish(message.text))

    async def _keep(self, message: InboundMessage, answers: Receipt | None) -> Reply:
        """Store a message and heed what it wishes."""
        recipient = self.numbers.read(message.sender)
        wish = self.keywords.wish(message.text)
        sender = recipient.number if recipient else message.sender
        reply = await self.store.keep(replies.reply_to(answers, message, sender, self.otherwise))
        if recipient is not None and wish is not None:
            # Of an opt-out without an id nobody knows whether it is a repeat, so its latest time counts.
            at = message.at if wish is Wish.OUT and message.carrier_id is None else reply.at
            known = await self.store.note(replies.opt_outs(reply, wish, at))
            await self.opt_outs.settle(recipient.number, known, message.id)
        self.telemetry.emit(events.InboundAssigned(reply.id, reply.channel, reply.job, wish))
        return reply
