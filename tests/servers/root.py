"""Where servers are taken from: this system, or the root folder of another Debian (made by tests/debian_root.py)."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: names that folder; unset for this system
VARIABLE = "SMS_TEST_SERVERS_ROOT"
FOLDERS = ("/usr/bin", "/usr/sbin")

# The mounts are seen by this process and its children alone and vanish with them, even after a kill -9. Each step
# becomes the next, so the server has the number its starter knows. Private folders ($0) have the same path inside.
ENTER = """
mount --bind /proc "$1/proc"
mount --rbind /dev "$1/dev"
mkdir -p "$1$0"
mount --bind "$0" "$1$0"
exec chroot "$@"
"""


def installed(command: str) -> Path | None:
    """The path of a command, given by name or path, where servers are taken from; None if it is not there."""
    root = os.environ.get(VARIABLE)
    if root is None:
        return on_path(command)
    paths = (Path(folder, command) for folder in FOLDERS)
    return next((path for path in paths if os.path.lexists(f"{root}{path}")), None)  # its links lead elsewhere here


def inside(command: Sequence[str | Path]) -> Sequence[str | Path]:
    """What to start so that an installed command runs."""
    root = os.environ.get(VARIABLE)
    if root is None:
        return command
    return ["unshare", "--mount", "/bin/sh", "-ec", ENTER, tempfile.gettempdir(), root, *command]


def on_path(command: str) -> Path | None:
    """The path of a command on this system, None if it is not installed."""
    found = shutil.which(command)
    return Path(found) if found else None
