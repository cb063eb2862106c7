"""What was asked of a carrier and is not answered yet."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from adapters.carriers.smpp.commands import RESPONSE, Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.carriers.smpp.pdu import Pdu

MAX_SEQUENCE = 0x7FFFFFFF  #: SMPP 3.4, 3.2.4; numbers begin at 1
MAX_GIVEN_UP = 10_000  #: whose answers are still known when they come late


class NoAnswerError(ConnectionError):
    """A request was written, and its answer will not come; the carrier may have acted on it."""


class _Request(NamedTuple):
    command: Command
    answer: asyncio.Future[Pdu]
    late: Callable[[Pdu], None] | None


class Requests:
    """The open requests of one session, by their sequence numbers."""

    def __init__(self, last: int = 0) -> None:
        """`last`: the sequence number given before."""
        self._last = last
        self._open: dict[int, _Request] = {}
        self._given_up: OrderedDict[int, _Request] = OrderedDict()

    def begin(self, command: Command, late: Callable[[Pdu], None] | None) -> tuple[int, asyncio.Future[Pdu]]:
        """A sequence number that is not in use, and the answer to be; `late` takes one that nobody awaits any more."""
        sequence = self._last
        while True:
            sequence = sequence + 1 if sequence < MAX_SEQUENCE else 1
            if sequence not in self._open and sequence not in self._given_up:
                break
        self._last = sequence
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._open[sequence] = _Request(command, answer, late)
        return sequence, answer

    def drop(self, sequence: int) -> None:
        """It was not written."""
        self._open.pop(sequence, None)

    def give_up(self, sequence: int) -> None:
        """Nobody awaits the answer any more."""
        if request := self._open.pop(sequence, None):
            self._given_up[sequence] = request
            if len(self._given_up) > MAX_GIVEN_UP:
                self._given_up.popitem(last=False)

    def answer(self, pdu: Pdu) -> bool:
        """Give an answer to whoever asked; False if nobody did, or asked for something else."""
        if request := self._taken(self._open, pdu):
            if not request.answer.done():
                request.answer.set_result(pdu)
            elif request.late:  # given up in this very moment
                request.late(pdu)
            return True
        if request := self._taken(self._given_up, pdu):
            if request.late:
                request.late(pdu)
            return True
        return False

    def fail(self, sequence: int, command: int) -> None:
        """An answer came that cannot be read."""
        request = self._open.get(sequence)
        if request and command in _answers(request.command):
            del self._open[sequence]
            _set_error(request, "the carrier's answer cannot be read")

    def end(self, reason: str) -> None:
        """No answer will come any more."""
        for request in self._open.values():
            _set_error(request, reason)
        self._open.clear()
        self._given_up.clear()

    @staticmethod
    def _taken(requests: dict[int, _Request], pdu: Pdu) -> _Request | None:
        request = requests.get(pdu.sequence)
        if request is None or pdu.command not in _answers(request.command):
            return None
        return requests.pop(pdu.sequence)


def _answers(command: Command) -> tuple[int, int]:
    return command | RESPONSE, Command.GENERIC_NACK


def _set_error(request: _Request, reason: str) -> None:
    if not request.answer.done():
        request.answer.set_exception(NoAnswerError(reason))
