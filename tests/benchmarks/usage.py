"""What do processes use? Read from /proc: Linux only."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
SERVERS = {"beam.smp": "RabbitMQ", "redis-server": "Redis", "postgres": "Postgres"}


class Process(NamedTuple):
    """One line of the process table."""

    name: str
    parent: int
    cpu_s: float  #: of it and of the children it has waited for
    rss: int  #: bytes


def table() -> dict[int, Process]:
    """Every process there is just now."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:  # it has ended
            continue
        name, _, rest = text[text.index("(") + 1 :].rpartition(")")
        fields = rest.split()
        cpu_s = sum(map(int, fields[11:15])) * _TICK_S
        found[int(path.parent.name)] = Process(name, int(fields[1]), cpu_s, int(fields[21]) * _PAGE)
    return found


def family(processes: dict[int, Process], root: int) -> list[Process]:
    """A process and all that descend from it."""
    children = defaultdict(list)
    for pid, process in processes.items():
        children[process.parent].append(pid)
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if pid in processes:  # no process has the number 0
            found.append(processes[pid])
            waiting += children[pid]
    return found


class Usage(NamedTuple):
    """The CPU time so far of a contestant and of the servers that tests/run started, in seconds."""

    own_s: float
    servers_s: dict[str, float]

    @classmethod
    def of(cls, root: int = 0) -> Usage:
        """As of now; the servers are siblings of ours, where they are not somebody else's."""
        processes = table()
        servers: dict[str, float] = defaultdict(float)
        for process in family(processes, os.getppid()):
            if server := SERVERS.get(process.name):
                servers[server] += process.cpu_s
        return cls(sum(process.cpu_s for process in family(processes, root)), dict(servers))

    def per_message_us(self, since: Usage, messages: int) -> dict[str, float]:
        """Microseconds for each message, of the contestant (`own`) and of each server."""
        each = {name: (cpu_s - since.servers_s.get(name, 0.0)) for name, cpu_s in self.servers_s.items()}
        return {name: cpu_s / messages * 1e6 for name, cpu_s in {"own": self.own_s - since.own_s, **each}.items()}


def rss_mib(root: int) -> float:
    """The memory that a process holds, with all that descend from it."""
    return sum(process.rss for process in family(table(), root)) / 2**20
