"""How do inbound messages get in, and out again? (the ports `InboundIntake` and `ReplyPublisher`)

They are rare beside what is sent, so each travels in a body of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters import wire_inbound
from adapters.rabbitmq import headers
from adapters.rabbitmq.topology import Names

if TYPE_CHECKING:
    from adapters.rabbitmq.publisher import Publisher
    from engine.inbound import InboundMessage
    from engine.replies import Reply


class RabbitInboundIntake:
    """The queue of those that are not assigned yet."""

    def __init__(self, publisher: Publisher, prefix: str) -> None:
        self._publisher = publisher
        self._queue = Names(prefix).arrived

    async def put(self, message: InboundMessage) -> None:
        """Returns once the broker has confirmed the message, however long that takes."""
        await self._publisher.publish("", self._queue, wire_inbound.encode_inbound([message]), headers.of_receipts())


class RabbitReplyPublisher:
    """The exchange of replies, where each account has its routing key."""

    def __init__(self, publisher: Publisher, prefix: str) -> None:
        self._publisher = publisher
        self._exchange = Names(prefix).inbound

    async def publish(self, reply: Reply) -> None:
        """Returns once the broker has confirmed the reply, however long that takes."""
        body = wire_inbound.encode_replies([reply])
        await self._publisher.publish(self._exchange, reply.account, body, headers.of_receipts())
