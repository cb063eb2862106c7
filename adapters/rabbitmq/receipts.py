"""How do receipts go out? (the port `ReceiptPublisher`)"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from adapters import wire, wire_receipts
from adapters.coalesce import Coalescer
from adapters.rabbitmq import headers
from adapters.rabbitmq.packing import pack
from adapters.rabbitmq.topology import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.rabbitmq.publisher import Publisher
    from engine.receipts import Receipt

REST_S, MAX_REST_S = 0.001, 0.02  #: from some 1000 receipts a second on, bodies wait to become large


class RabbitReceiptPublisher:
    """Publishes the receipts of one moment together, one body per account.

    What comes within a moment of the body before goes into the next one: many receipts a body cost the broker, the
    recorder and every other reader far less than many bodies.
    """

    def __init__(self, publisher: Publisher, prefix: str) -> None:
        self._publisher = publisher
        self._exchange = Names(prefix).receipts
        self._together: Coalescer[Receipt, None] = Coalescer(
            self._publish, max_batch=wire.MAX_JOBS, rest_s=REST_S, max_rest_s=MAX_REST_S
        )

    async def publish(self, receipt: Receipt) -> None:
        """Returns once the broker has confirmed the receipt, however long that takes."""
        await self._together.ask(receipt)

    async def _publish(self, receipts: Sequence[Receipt]) -> Sequence[None]:
        by_account: dict[str, list[Receipt]] = defaultdict(list)
        for receipt in receipts:
            by_account[receipt.account].append(receipt)
        publishing = [
            self._publisher.publish(self._exchange, account, body, headers.of_receipts())
            for account, own in by_account.items()
            for _, body in pack((receipt, wire_receipts.encode_receipt(receipt)) for receipt in own)
        ]
        # Most often there is one body, which needs no task of its own.
        await (asyncio.gather(*publishing) if len(publishing) > 1 else publishing[0])
        return [None] * len(receipts)
