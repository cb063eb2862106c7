"""Makes a root folder of Debian 13 with its RabbitMQ 4.0 and Redis 8, which tests/servers/root.py starts there.

It is marked when complete: a half-made one is never used.
"""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
from pathlib import Path

from tests import debian
from tests.servers.processes import OwnProcess, PrivateFolder

WITHIN = Path(__file__).resolve().parent.parent / ".venv" / "next"
RELEASE = "trixie"
# netbase brings /etc/hosts, without which there is no localhost.
PACKAGES = ("rabbitmq-server", "redis-server", "netbase")
MAKES_IT = ["debootstrap", "debian-archive-keyring"]


def can_enter() -> bool:
    """Whether we can make such a folder and run servers in it; in many containers even root may not mount."""
    return debian.can_install() and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


def debian_root(within: Path = WITHIN) -> Path:
    """The folder, made now if it is not there yet. Raises OSError."""
    place = within / "+".join((RELEASE, *PACKAGES))  # other packages make another one
    complete = place / "complete"
    within.mkdir(parents=True, exist_ok=True)
    with (within / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second run at the same time waits for the first
        if not complete.exists():
            if place.exists():
                shutil.rmtree(place)
            print(f"Making a root folder of Debian 13 in {place} (once) ...", flush=True)
            make(place)
        complete.touch()
    return place


def make(place: Path) -> None:
    """Let Debian make the folder. It starts no service there. Raises OSError with the end of the output."""
    if shutil.which("debootstrap") is None:
        debian.install(MAKES_IT)
    folder = PrivateFolder("debootstrap")
    log = folder.path / "log"
    packages = f"--include={','.join(PACKAGES)}"
    # It mounts /proc in there. That ends with it, however it ends, so that removing the folder removes nothing else.
    unseen = ["unshare", "--mount"]
    process = OwnProcess([*unseen, "debootstrap", "--variant=minbase", packages, RELEASE, place], output=log)
    try:
        if process.wait() != 0:
            raise OSError("\n".join(log.read_text(errors="replace").splitlines()[-20:]))
    finally:
        process.end(signal.SIGTERM)
        folder.remove()
