"""Does tests/run notice a test that was not run?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PASSING = "def test_one(): pass\n"
SKIPPED = "import pytest\n@pytest.mark.skip\ndef test_two(): pass\n"
EXPECTED_TO_FAIL = "import pytest\n@pytest.mark.xfail\ndef test_two(): assert False\n"
WITHOUT_ITS_LIBRARY = "import pytest\npytest.importorskip('no_such_library')\n"


def run_pytest(folder: Path, tests: str, *arguments: str) -> tuple[int, str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_first.py").write_text(PASSING)
    (folder / "test_second.py").write_text(tests)
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-p", "tests.whole", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_whole_run_succeeds(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, PASSING)
    assert code == 0
    assert "not run" not in output


@pytest.mark.parametrize(
    ("tests", "complaint"),
    [
        (SKIPPED, "skipped: test_second.py::test_two"),
        (EXPECTED_TO_FAIL, "expected to fail: test_second.py::test_two"),
        (WITHOUT_ITS_LIBRARY, "skipped: test_second.py"),
    ],
)
def test_a_test_that_was_not_run_fails_the_run_by_name(tmp_path: Path, tests: str, complaint: str) -> None:
    code, output = run_pytest(tmp_path, tests, "--narrowed")
    assert code == 1
    assert complaint in output


def test_a_test_left_out_fails_the_run_unless_a_person_chose_some(tmp_path: Path) -> None:
    leaving_out = ("--deselect", "test_second.py")
    code, output = run_pytest(tmp_path, PASSING, *leaving_out)
    assert code == 1
    assert "left out: test_second.py::test_one" in output
    assert run_pytest(tmp_path, PASSING, *leaving_out, "--narrowed")[0] == 0
