"""The command behind tests/run: environment, lint, types, layers, then every test against private servers.

Standard library only, because it makes the environment in which the rest runs.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.environment import InstallError, environment
from tests import debian
from tests.servers import PrivatePostgres, PrivateRabbit, PrivateRedis, PrivateServer, ServerError
from tests.servers.processes import OwnProcess, PrivateFolder

if TYPE_CHECKING:
    from types import FrameType

ROOT = Path(__file__).resolve().parent.parent

USAGE = """\
tests/run                          lint, types, layers and all tests
tests/run tests/unit -k segments   the same checks, but only some tests: arguments go to pytest

Private RabbitMQ, Redis and PostgreSQL servers are started on free ports and ended again. To use your own instead, set
SMS_TEST_AMQP_URL, SMS_TEST_REDIS_URL or SMS_TEST_POSTGRES_URL. Missing servers are installed from Debian's packages if
you are root. A skipped test is a failure.
"""

SERVERS: dict[str, type[PrivateServer]] = {
    "SMS_TEST_AMQP_URL": PrivateRabbit,
    "SMS_TEST_REDIS_URL": PrivateRedis,
    "SMS_TEST_POSTGRES_URL": PrivatePostgres,
}

CHECKS = {
    "ruff check": ("ruff", "check", "--output-format", "concise", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "lint-imports": ("lint-imports",),
}


class StoppedError(BaseException):
    """A signal asked us to end."""


class Suite:
    """One run, and what it started."""

    def __init__(self) -> None:
        self._servers: dict[str, PrivateServer] = {}
        self._folder = PrivateFolder("suite")
        self._step: OwnProcess | None = None

    def run(self, arguments: list[str]) -> int:
        """Every step in turn; 0 only if all of them passed. Raises InstallError, ServerError and StoppedError."""
        self._launch_servers()
        began = time.monotonic()
        tools = environment("tests", [ROOT / "tests" / "requirements.txt"]) / "bin"
        _report("environment", began)
        failed = [name for name, command in CHECKS.items() if not self._check(name, tools, command)]
        self._wait_for_servers()
        if self._pytest(tools, arguments) != 0:
            failed.append("pytest")
        if failed and failed != ["pytest"]:
            print(f"\ntests/run failed: {', '.join(failed)}")
        return 1 if failed else 0

    def close(self) -> None:
        """End what is still running."""
        if self._step:
            self._step.end(signal.SIGINT, within_s=20)
        for server in self._servers.values():
            server.close()
        self._folder.remove()

    def _launch_servers(self) -> None:
        wanted = {variable: kind for variable, kind in SERVERS.items() if not os.environ.get(variable)}
        missing = [kind for kind in wanted.values() if kind.binary() is None]
        if missing:
            _install(missing)
        for variable, kind in wanted.items():
            self._servers[variable] = server = kind()
            server.launch()

    def _wait_for_servers(self) -> None:
        began = time.monotonic()
        for server in self._servers.values():
            server.wait_until_ready()
        _report("servers", began, ", ".join(kind.name + self._whose(variable) for variable, kind in SERVERS.items()))

    def _whose(self, variable: str) -> str:
        return "" if variable in self._servers else f" of {variable}"

    def _check(self, name: str, tools: Path, command: tuple[str, ...]) -> bool:
        began = time.monotonic()
        output = self._folder.path / name.replace(" ", "-")
        self._step = OwnProcess([tools / command[0], *command[1:]], env=self._environ(), output=output)
        passed = self._step.wait() == 0
        _report(name, began, "" if passed else "failed")
        if not passed:
            print(output.read_text(errors="replace"), flush=True)
        return passed

    def _pytest(self, tools: Path, arguments: list[str]) -> int:
        narrowed = ["--narrowed"] if arguments else []
        command: list[str | Path] = [tools / "python", "-m", "pytest", "-p", "tests.whole", *narrowed, *arguments]
        self._step = OwnProcess(command, env=self._environ())
        return self._step.wait()

    def _environ(self) -> dict[str, str]:
        """Ours, without settings of the engine that happen to be set, and with the servers' addresses."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SMS_") or name in SERVERS}
        servers = {variable: server.url for variable, server in self._servers.items()}
        return kept | servers | {"PYTHONPATH": str(ROOT)}


def _install(missing: list[type[PrivateServer]]) -> None:
    names = ", ".join(kind.name for kind in missing)
    packages = [kind.package for kind in missing]
    if not debian.can_install():
        raise ServerError(f"Not installed: {names} (Debian and Ubuntu: apt install {' '.join(packages)}).")
    began = time.monotonic()
    print(f"Installing {names} from the system's packages (once) ...", flush=True)
    try:
        debian.install(packages)
    except OSError as error:
        raise ServerError(f"apt-get could not install {' '.join(packages)}:\n{error}") from error
    _report("apt-get", began)


def _report(step: str, began: float, remark: str = "") -> None:
    print(f"{step:<16}{time.monotonic() - began:6.1f} s  {remark}".rstrip(), flush=True)


def _stop(number: int, _: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # once is enough: we are already cleaning up
    raise StoppedError(number)


def main(arguments: list[str]) -> int:
    """Run the suite and give the exit code of the process."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    # Erlang prepares for every file descriptor it is allowed, which takes minutes where that is unlimited.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > 65536:
        resource.setrlimit(resource.RLIMIT_NOFILE, (65536, hard))
    suite = Suite()
    try:
        return suite.run(arguments[1:] if arguments[:1] == ["--"] else arguments)
    except (InstallError, ServerError) as error:
        print(f"tests/run: {error}", file=sys.stderr)
        return 1
    except StoppedError as stopped:
        print("\ntests/run: stopped", file=sys.stderr)
        return 128 + int(stopped.args[0])
    finally:
        suite.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
