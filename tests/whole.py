"""A pytest plugin for tests/run: a test that was skipped, expected to fail or left out makes the run fail, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

_not_run: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--narrowed", action="store_true", help="tests may be left out (not skipped): a person chose some")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        outcome = "expected to fail" if hasattr(report, "wasxfail") else "skipped"
        _not_run.append(f"{outcome}: {report.nodeid}")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _not_run.append(f"skipped: {report.nodeid}")


@pytest.hookimpl(trylast=True)
def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    if items and not items[0].config.getoption("narrowed"):
        _not_run.extend(f"left out: {item.nodeid}" for item in items)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _not_run and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _not_run:
        terminalreporter.section("not run, which is a failure here", red=True)
        for line in _not_run:
            terminalreporter.line(line)
