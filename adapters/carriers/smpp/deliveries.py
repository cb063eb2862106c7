"""What a carrier hands to us: answered once it is safe, several at once, and not more than can be kept in mind."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from adapters.carriers.smpp.commands import Status
from adapters.carriers.smpp.message_bodies import DataSm, DataSmResp, DeliverSm, DeliverSmResp
from adapters.carriers.smpp.pdu import Pdu
from adapters.ending import end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_UNDER_WAY = 500  #: on one link

_log = logging.getLogger(__name__)


class Deliveries:
    """Takes what comes on one link.

    Beyond `MAX_UNDER_WAY` the carrier is told that our queue is full, which has it send again later. To stop reading
    instead would hold up the answers to our own submits behind it, and leave their outcomes unknown.
    """

    def __init__(self, take: Callable[[DeliverSm | DataSm], Awaitable[None]], send: Callable[[Pdu], None]) -> None:
        """`take` returns once what it took is safe; `send` writes an answer."""
        self._take = take
        self._send = send
        self._under_way: set[asyncio.Task[None]] = set()
        self._told: set[type] = set()

    def begin(self, body: DeliverSm | DataSm, sequence: int) -> None:
        """Take one, and answer it when it is safe."""
        if len(self._under_way) >= MAX_UNDER_WAY:
            self._answer(body, sequence, Status.ESME_RMSGQFUL)
            return
        task = asyncio.get_running_loop().create_task(self._carry_out(body, sequence))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self, within_s: float) -> None:
        """Wait for what is under way, but not longer."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within_s)

    async def end(self) -> None:
        """Break off what is under way; the carrier has no answer to it, and sends it again."""
        await end(self._under_way)

    async def _carry_out(self, body: DeliverSm | DataSm, sequence: int) -> None:
        try:
            await self._take(body)
        except Exception as error:  # noqa: BLE001  (not safe, for whatever reason: the carrier shall send it again)
            self._tell_once(error)
            self._answer(body, sequence, Status.ESME_RX_T_APPN)
        else:
            self._answer(body, sequence, Status.ESME_ROK)

    def _answer(self, body: DeliverSm | DataSm, sequence: int, status: Status) -> None:
        self._send(Pdu(DeliverSmResp() if isinstance(body, DeliverSm) else DataSmResp(), sequence, status))

    def _tell_once(self, error: Exception) -> None:
        if type(error) not in self._told:
            self._told.add(type(error))
            _log.info("something a carrier handed over was not taken, and is asked for again: %s", type(error).__name__)
