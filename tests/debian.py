"""Installs missing servers from Debian's or Ubuntu's packages without letting any of them start as a system service."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.processes import OwnProcess, PrivateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = Path("/usr/sbin/policy-rc.d")


def can_install() -> bool:
    """Whether this is a Debian-like system and we are root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and Path("/etc/debian_version").exists()


def has(package: str) -> bool:
    """Whether a package is installed."""
    return Path(f"/var/lib/dpkg/info/{package}.list").exists() or any(
        Path("/var/lib/dpkg/info").glob(f"{package}:*.list")
    )


def install(packages: list[str]) -> None:
    """Install packages. Raises OSError with the end of apt's output."""
    folder = PrivateFolder("apt")
    log = folder.path / "log"
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        with _no_services():
            for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
                process = OwnProcess(["apt-get", "-o", "DPkg::Lock::Timeout=120", *command], env=environ, output=log)
                try:
                    code = process.wait()
                finally:
                    process.end(signal.SIGTERM)
                if code != 0:
                    raise OSError("\n".join(log.read_text(errors="replace").splitlines()[-20:]))
    finally:
        folder.remove()


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Forbid packages to start services meanwhile; a policy that is already there is the machine's and stays."""
    try:
        with POLICY.open("x") as policy:
            policy.write("#!/bin/sh\nexit 101\n")
    except FileExistsError:
        yield
        return
    try:
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink()
