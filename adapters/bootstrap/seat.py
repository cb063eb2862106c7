"""Where one of several processes of a worker sits: its number, and the sockets that its supervisor opened for it.

The port of the worker is one listening socket that all processes inherit, not one for each with SO_REUSEPORT: what
waits to be accepted belongs to all of them, so nothing is lost with a process that dies, and nothing waits for one that
is stuck. Beside it each has a loopback port of its own, where the others ask for its metrics and whether it is ready.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "SMS_SEAT"  #: of the environment, by which a process knows that it is one of several
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Seat:
    """What a process inherits."""

    number: int  #: from 1
    shared: tuple[int, ...]  #: file descriptors of the worker's listening sockets
    own: int  #: that of the process's own
    ports: tuple[int, ...]  #: of the own sockets of all, in the order of their numbers

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All that has to be inherited."""
        return (*self.shared, self.own)

    def environment(self) -> dict[str, str]:
        """How the process is told."""
        return {VARIABLE: msgspec.json.encode(self).decode()}


def seat_in(environment: Mapping[str, str]) -> Seat | None:
    """This process's seat; None if it stands alone."""
    told = environment.get(VARIABLE)
    return msgspec.json.decode(told, type=Seat) if told else None


@contextmanager
def seats(host: str, port: int, processes: int) -> Iterator[list[Seat]]:
    """One for each process, their sockets listening; port 0 means any free one.

    Raises:
        OSError: the address cannot be had.
    """
    with ExitStack() as stack:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        shared = [
            stack.enter_context(socket.create_server(where[:2], family=family)).fileno()
            for family, *_, where in addresses
        ]
        own = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(processes)]
        ports = tuple(each.getsockname()[1] for each in own)
        yield [Seat(number, tuple(shared), each.fileno(), ports) for number, each in enumerate(own, start=1)]
