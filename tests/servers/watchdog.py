"""Ends what its starter left behind: a script that reads commands until its starter is gone, then cleans up.

Its standard input is a pipe that only the starter holds, so even after a kill -9 of the starter the pipe closes and the
servers below it end. Commands, one a line: `group PGID`, `ended PGID`, `folder PATH`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time


def main() -> None:
    """Remember living process groups and private folders; at the end of input kill the ones and remove the others."""
    groups: set[int] = set()
    folders: set[str] = set()
    for line in sys.stdin:
        command, _, value = line.rstrip("\n").partition(" ")
        match command:
            case "group":
                groups.add(int(value))
            case "ended":
                groups.discard(int(value))
            case "folder":
                folders.add(value)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for folder in folders:
        for _ in range(50):  # the last children of a killed server may still be writing
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.lexists(folder):
                break
            time.sleep(0.1)


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    main()
