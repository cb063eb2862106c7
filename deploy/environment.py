"""Makes the virtual environment of one purpose from locked packages, once, and says where it is.

It needs nothing but Python, because it runs before anything is installed. The environment is named by a hash of all
that goes into it, and marked when complete: a half-made one is never used, and a changed lock makes a new one.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
WEEK_S = 7 * 24 * 3600
UNREACHABLE = ("NewConnectionError", "NameResolutionError", "Max retries exceeded", "timed out")


class InstallError(Exception):
    """The environment could not be made; the text says why."""


def environment(purpose: str, locks: list[Path], *, project: bool = False, within: Path = ROOT / ".venv") -> Path:
    """The folder of a virtual environment with exactly the locked packages, made now if it is not there yet.

    With `project` the engine itself is installed too, linked to this checkout. Raises InstallError.
    """
    place = within / purpose / _key(locks, project=project)
    complete = place / "complete"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with (place.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second run at the same time waits for the first
            if not complete.exists():
                _clear(place.parent)
                _make(place, locks, lock, project=project)
            complete.touch()
    except (OSError, subprocess.CalledProcessError) as error:
        raise InstallError(f"Cannot make a virtual environment in {place.parent}: {error}.") from error
    return place


def _key(locks: list[Path], *, project: bool) -> str:
    parts = [sys.version, sys.base_prefix, str(ROOT), str(project)]
    parts += [lock.read_text() for lock in locks]
    if project:
        parts.append((ROOT / "pyproject.toml").read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _clear(folder: Path) -> None:
    """Remove the half-made environments of the same purpose and those nobody used for a week."""
    for entry in folder.iterdir():
        complete = entry / "complete"
        if entry.is_dir() and not (complete.exists() and time.time() - complete.stat().st_mtime < WEEK_S):
            shutil.rmtree(entry)


def _make(place: Path, locks: list[Path], held: IO[str], *, project: bool) -> None:
    print(f"Installing the locked packages into {place.parent} (once) ...", file=sys.stderr, flush=True)
    venv.create(place, with_pip=True, symlinks=True)
    for lock in locks:
        _pip_install(place, held, "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    if project:
        print("Installing the engine ...", file=sys.stderr, flush=True)
        _pip_install(place, held, "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(ROOT))


def _pip_install(place: Path, held: IO[str], *what: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        [
            place / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            *what,
        ],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[held.fileno()],  # pip holds the lock too: even if we are killed, nobody starts anew before it ends
    )
    if done.returncode == 0:
        return
    if any(sign in done.stderr for sign in UNREACHABLE):
        raise InstallError("The package index cannot be reached: check the network, or pip's settings for a mirror.")
    raise InstallError(f"pip could not install the packages:\n{done.stderr.strip()}")


def main() -> int:
    """Print the folder of the environment asked for on the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("purpose")
    parser.add_argument("locks", nargs="+", type=Path)
    parser.add_argument("--project", action="store_true", help="install the engine itself too")
    asked = parser.parse_args()
    try:
        print(environment(asked.purpose, asked.locks, project=asked.project))
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
