"""The command behind tests/run: environment, lint, types, layers, then every test against private servers.

Standard library only, because it makes the environment in which the rest runs.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.environment import InstallError, environment
from tests import debian, debian_root, peers
from tests.servers import PrivatePostgres, PrivateRabbit, PrivateRedis, PrivateServer, ServerError
from tests.servers.processes import OwnProcess, PrivateFolder
from tests.servers.root import VARIABLE, on_path
from tests.servers.server import DATA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

ROOT = Path(__file__).resolve().parent.parent

USAGE = """\
tests/run                          lint, types, layers and all tests, with a short part of the fault matrix
tests/run tests/unit -k segments   the same checks, but only some tests: arguments go to pytest
tests/run --faults                 the whole fault matrix, and its table; with arguments, rows of it
tests/run --soak 20                random faults under load, for so many minutes
tests/run --smpp 100000            so many messages through SMPP to a carrier that others wrote, with what it took
tests/run --bench                  how fast it is, beside what people would write instead: one table, medians of 3 runs
tests/run --next                   contract, integration and short fault tests on Debian 13's RabbitMQ 4.0 and Redis 8,
                                   or whatever else is asked for, as in tests/run --next --faults

Private RabbitMQ, Redis and PostgreSQL servers are started on free ports and ended again. To use your own instead, set
SMS_TEST_AMQP_URL, SMS_TEST_REDIS_URL or SMS_TEST_POSTGRES_URL; fault tests always start their own. What is missing is
installed from Debian's packages if you are root. A skipped test is a failure. With --next, which needs root and Debian,
RabbitMQ and Redis are started in a root folder of Debian 13, which is made once; PostgreSQL stays the installed one.
What private servers write is kept in /dev/shm where there is room, for speed; with --faults, --soak,
--smpp, --bench and --next, on the disk.

A run of fault tests prints its seed; SMS_TEST_FAULT_SEED=N replays it.
"""

SERVERS: dict[str, type[PrivateServer]] = {
    "SMS_TEST_AMQP_URL": PrivateRabbit,
    "SMS_TEST_REDIS_URL": PrivateRedis,
    "SMS_TEST_POSTGRES_URL": PrivatePostgres,
}

#: what fault tests are told by (tests/faults/conftest.py)
SEED, MATRIX, MINUTES = "SMS_TEST_FAULT_SEED", "SMS_TEST_FAULTS", "SMS_TEST_SOAK_MINUTES"
SMPP_MESSAGES = "SMS_TEST_SMPP_MESSAGES"  #: what tests/benchmarks/test_smpp.py is told by
FAULTS = "tests/faults"
SMPP = "tests/benchmarks/test_smpp.py"
BENCH, BENCH_RUNS = "tests/benchmarks/test_speed.py", "SMS_TEST_BENCH_RUNS"  #: and how often each figure is measured
CONTRACT, INTEGRATION = "tests/contract", "tests/integration"
MEMORY, ROOM = Path("/dev/shm"), 2 << 30  #: what Linux keeps in memory, and how many bytes have to be free of it
PEERS = f"{INTEGRATION}/test_smpp_peer"  #: these tests need what `peers.COMMANDS` names

CHECKS = {
    "ruff check": ("ruff", "check", "--output-format", "concise", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "lint-imports": ("lint-imports",),
}


class StoppedError(BaseException):
    """A signal asked us to end."""


@dataclass(frozen=True)
class Plan:
    """What is asked for: pytest's arguments, for each pytest, and what the tests are told."""

    runs: tuple[tuple[str, ...], ...]
    tell: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()  #: Debian's, needed beside the servers
    whole: bool = False  #: leaving out a test is a failure
    next: bool = False  #: on the servers of the next Debian
    in_memory: bool = False  #: servers keep in memory what they write, if there is room

    @property
    def with_faults(self) -> bool:
        """Whether fault tests are among them, which always start their own servers."""
        return any(part.startswith(FAULTS) for run in self.runs for part in run)

    @property
    def with_peers(self) -> bool:
        """Whether tests against others' programs are among them."""
        return any(
            part.startswith((PEERS, SMPP)) or part in ("tests", INTEGRATION) for run in self.runs for part in run
        )

    @property
    def faults_only(self) -> bool:
        """Whether nobody needs the servers that are there for all."""
        paths = [part for run in self.runs for part in run if part.startswith("tests")]
        return bool(paths) and all(path.startswith(FAULTS) for path in paths)


class Suite:
    """One run, and what it started."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._servers: dict[str, PrivateServer] = {}
        self._folder = PrivateFolder("suite")
        self._steps: list[OwnProcess] = []

    def run(self) -> int:
        """Every step in turn; 0 only if all of them passed. Raises InstallError, ServerError and StoppedError."""
        if self._plan.next:
            os.environ[VARIABLE] = str(_next_servers())
        elif self._plan.in_memory and _room_in_memory() >= ROOM:
            os.environ.setdefault(DATA, str(MEMORY))
        self._launch_servers()
        began = time.monotonic()
        tools = environment("tests", [ROOT / "tests" / "requirements.txt"]) / "bin"
        _report("environment", began)
        failed = [name for name, command in CHECKS.items() if not self._check(name, tools, command)]
        self._wait_for_servers()
        failed += self._pytest(tools)
        if failed and failed != ["pytest"]:
            print(f"\ntests/run failed: {', '.join(failed)}")
        return 1 if failed else 0

    def close(self) -> None:
        """End what is still running."""
        for step in self._steps:
            step.end(signal.SIGINT, within_s=20)
        for server in self._servers.values():
            server.close()
        self._folder.remove()

    def _launch_servers(self) -> None:
        wanted = {variable: kind for variable, kind in SERVERS.items() if not os.environ.get(variable)}
        needed = SERVERS if self._plan.with_faults else wanted
        missing = {kind.package: kind.name for kind in needed.values() if kind.binary() is None}
        missing |= {package: package for package in self._plan.packages if not debian.has(package)}
        if self._plan.with_peers:
            missing |= {package: package for command, package in peers.COMMANDS.items() if on_path(command) is None}
        if missing:
            _install(missing)
        for variable, kind in wanted.items() if not self._plan.faults_only else ():
            self._servers[variable] = server = kind()
            server.launch()

    def _wait_for_servers(self) -> None:
        if self._plan.faults_only:
            return
        began = time.monotonic()
        for server in self._servers.values():
            server.wait_until_ready()
        _report("servers", began, ", ".join(map(self._named, SERVERS)))

    def _named(self, variable: str) -> str:
        server = self._servers.get(variable)
        return server.named() if server else f"{SERVERS[variable].name} of {variable}"

    def _check(self, name: str, tools: Path, command: tuple[str, ...]) -> bool:
        began = time.monotonic()
        output = self._folder.path / name.replace(" ", "-")
        passed = self._start([tools / command[0], *command[1:]], output).wait() == 0
        _report(name, began, "" if passed else "failed")
        if not passed:
            print(output.read_text(errors="replace"), flush=True)
        return passed

    def _pytest(self, tools: Path) -> list[str]:
        """Every pytest at once, for their tests wait half of the time; the last one's output is seen as it comes."""
        *before, seen = self._plan.runs
        hidden = {self._folder.path / f"pytest-{position}": run for position, run in enumerate(before)}
        behind = {output: self._one_pytest(tools, run, output) for output, run in hidden.items()}
        codes = [self._one_pytest(tools, seen).wait()]
        for output, process in behind.items():
            codes.append(process.wait())
            print(output.read_text(errors="replace"), flush=True)
        return ["pytest"] if any(codes) else []

    def _one_pytest(self, tools: Path, run: Sequence[str], output: Path | None = None) -> OwnProcess:
        narrowed = [] if self._plan.whole else ["--narrowed"]
        return self._start([tools / "python", "-m", "pytest", "-p", "tests.whole", *narrowed, *run], output)

    def _start(self, command: Sequence[str | Path], output: Path | None) -> OwnProcess:
        process = OwnProcess(command, env=self._environ(), output=output)
        self._steps.append(process)
        return process

    def _environ(self) -> dict[str, str]:
        """Ours, without settings of the engine that happen to be set, and with the servers' addresses."""
        ours = {*SERVERS, SEED, VARIABLE, DATA}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SMS_") or name in ours}
        servers = {variable: server.url for variable, server in self._servers.items()}
        return kept | servers | {"PYTHONPATH": str(ROOT)} | self._plan.tell


def plan(arguments: Sequence[str]) -> Plan:
    """What the words behind tests/run ask for. Ends with a sentence where they make no sense."""
    parser = argparse.ArgumentParser("tests/run", usage=USAGE, add_help=False, allow_abbrev=False)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--soak", type=float, metavar="MINUTES")
    parser.add_argument("--smpp", type=int, metavar="MESSAGES")
    parser.add_argument("--bench", type=int, nargs="?", const=3, metavar="RUNS")
    parser.add_argument("--next", action="store_true")
    asked, rest = parser.parse_known_args(arguments)
    rest = tuple(rest[1:] if rest[:1] == ["--"] else rest)
    if asked.soak is not None:
        return Plan(((f"{FAULTS}/test_soak.py", *rest),), {MINUTES: str(asked.soak)}, next=asked.next)
    if asked.smpp is not None:
        return Plan(((SMPP, *rest),), {SMPP_MESSAGES: str(asked.smpp)}, next=asked.next)
    if asked.bench is not None:
        return Plan(((BENCH, "-s", *rest),), {BENCH_RUNS: str(asked.bench)}, next=asked.next)
    if asked.faults:
        where = () if any(part.startswith(FAULTS) for part in rest) else (FAULTS,)
        return Plan(((*where, *rest),), {MATRIX: "all"}, packages=("libfaketime",), next=asked.next)
    if rest:
        return Plan((rest,), next=asked.next, in_memory=True)
    if asked.next:
        return Plan(((FAULTS,), (CONTRACT,), (INTEGRATION,)), whole=True, next=True)
    integration = sorted(str(path.relative_to(ROOT)) for path in (ROOT / INTEGRATION).glob("test_*.py"))
    parts = (tuple(integration[first::4]) for first in range(1, 4))
    apart = ((FAULTS,), (CONTRACT,), ("tests/unit",), *parts)
    rest = ("tests", *(f"--ignore={path}" for paths in apart for path in paths))
    return Plan((*apart, rest), whole=True, in_memory=True)


def _room_in_memory() -> int:
    """Bytes that can be written to `MEMORY` without anything being swapped out."""
    if not MEMORY.is_dir():
        return 0
    available = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return min(int(available[1]) << 10 if available else 0, shutil.disk_usage(MEMORY).free)


def _install(missing: Mapping[str, str]) -> None:
    packages, names = list(missing), ", ".join(missing.values())
    if not debian.can_install():
        raise ServerError(f"Not installed: {names} (Debian and Ubuntu: apt install {' '.join(packages)}).")
    began = time.monotonic()
    print(f"Installing {names} from the system's packages (once) ...", flush=True)
    try:
        debian.install(packages)
    except OSError as error:
        raise ServerError(f"apt-get could not install {' '.join(packages)}:\n{error}") from error
    _report("apt-get", began)


def _next_servers() -> Path:
    began = time.monotonic()
    if not debian_root.can_enter():
        raise ServerError("--next runs servers in a root folder of Debian 13: it needs root, apt-get and mounts.")
    try:
        root = debian_root.debian_root()
    except OSError as error:
        raise ServerError(f"A root folder of Debian 13 could not be made:\n{error}") from error
    _report("next servers", began)
    return root


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
    suite = Suite(plan(arguments))
    try:
        return suite.run()
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
