"""Named points of a worker at which it dies, freezes or stalls, without a line of that in the product."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Point(StrEnum):
    """The steps of one delivery, in order."""

    TAKEN = "taken"  #: received from the queue, nothing done yet
    GRANTED = "granted"  #: leased and charged
    SUBMITTING = "submitting"  #: before the first byte to the carrier
    ACCEPTED = "accepted"  #: the carrier's answer was read
    FINISHED = "finished"  #: the ledger knows it
    REPORTED = "reported"  #: the broker has confirmed the receipt
    SETTLING = "settling"  #: before the acknowledgement
    DRAINING = "draining"  #: a job was finished after SIGTERM


class Action(StrEnum):
    """What happens at a point."""

    KILL = "kill"  #: kill -9, by itself
    STOP = "stop"  #: SIGSTOP, until somebody sends SIGCONT
    BLOCK = "block"  #: the event loop stands still


@dataclass(frozen=True)
class Failpoint:
    """At the nth pass of a point, something happens, once."""

    point: Point
    nth: int = 1
    action: Action = Action.KILL
    seconds: float = 0.0  #: of a block

    def environment(self) -> dict[str, str]:
        """For the worker that shall fail."""
        return {"FAULT_POINT": f"{self.point}:{self.nth}:{self.action}:{self.seconds}"}

    @classmethod
    def from_environment(cls) -> Failpoint | None:
        if "FAULT_POINT" not in os.environ:
            return None
        point, nth, action, seconds = os.environ["FAULT_POINT"].split(":")
        return cls(Point(point), int(nth), Action(action), float(seconds))

    def strike(self) -> None:
        match self.action:
            case Action.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.STOP:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Action.BLOCK:
                time.sleep(self.seconds)


class Journal:
    """What a worker did, a line each, beyond the reach of its kill -9: written by one `write`, so lines do not mix."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, event: str, job: object, **facts: object) -> None:
        line = {"at": time.monotonic(), "pid": os.getpid(), "event": event, "job": str(job), **facts}
        os.write(self._file, json.dumps(line).encode() + b"\n")
