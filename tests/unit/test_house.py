"""Is the house in order: what stands at the top, how long files are, what they may not name, what the locks lock."""

from __future__ import annotations

import os
import re
import tomllib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "engine", "adapters", "config", "deploy", "tests"}
LONGEST = 300

# In pieces, so that this file does not name what it forbids.
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "docker" + ".io/v2", "--index" + "-url"]
MACHINE_PATHS = [r"(?<![\w.])/" + place + "/" for place in ("work", "root", "home/[a-z]+", "Users", "farm")]
FORBIDDEN = re.compile("|".join([*map(re.escape, REGISTRIES), *MACHINE_PATHS]))


@cache
def files() -> list[Path]:
    """Every file that is ours, which is every one that .gitignore does not name."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()] + [".git"]
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not any(fnmatch(name, pattern) for pattern in ignored)]
        found += [Path(folder, name) for name in names if not any(fnmatch(name, pattern) for pattern in ignored)]
    return sorted(found)


def locked(lock: str) -> dict[str, str]:
    """Name and version of each package of a lock file."""
    pins = re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def test_only_what_is_agreed_stands_at_the_top_level() -> None:
    top = {path.relative_to(ROOT).parts[0] for path in files()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_file_of_the_product_is_long() -> None:
    product = [path for path in files() if path.relative_to(ROOT).parts[0] in {"engine", "adapters", "config"}]
    lines = {str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in product}
    assert product
    assert not {path: count for path, count in lines.items() if count > LONGEST}


def test_no_file_names_a_package_registry_or_a_folder_of_somebodys_machine() -> None:
    named = {}
    for path in files():
        if found := FORBIDDEN.findall(path.read_text(encoding="utf-8", errors="replace")):
            named[str(path.relative_to(ROOT))] = found
    assert not named


def test_what_starts_with_a_shebang_and_only_that_is_executable() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in files()
        if path.read_bytes().startswith(b"#!") != bool(path.stat().st_mode & 0o100)
    ]
    assert not wrong


@pytest.mark.parametrize("lock", ["deploy/requirements.txt", "tests/requirements.txt", "deploy/build-requirements.txt"])
def test_every_locked_package_carries_its_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert not [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry]


@pytest.mark.parametrize(
    ("lock", "sections"),
    [
        ("deploy/requirements.txt", [("project", "dependencies")]),
        ("tests/requirements.txt", [("project", "dependencies"), ("project", "optional-dependencies", "test")]),
        ("deploy/build-requirements.txt", [("build-system", "requires")]),
    ],
)
def test_the_locks_agree_with_the_project(lock: str, sections: list[tuple[str, ...]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pins = locked(lock)
    for section in sections:
        wanted = project
        for key in section:
            wanted = wanted[key]
        for requirement in map(Requirement, wanted):
            version = pins.get(canonicalize_name(requirement.name), "missing")
            assert requirement.specifier.contains(version), f"{requirement} but {version}: run deploy/lock"


def headings(text: str) -> set[str]:
    """What links within a page may lead to."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def names_of_tests_in(path: str) -> set[str]:
    """The tests in a file; none if it is not there."""
    file = ROOT / path
    return set(re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)) if file.is_file() else set()


@pytest.mark.parametrize("page", ["README.md", "deploy/channels.md", "deploy/speed.md"])
def test_what_a_page_links_to_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)\s]+)", text) if not re.match(r"https?:", link)]
    assert links
    missing = []
    for link in links:
        path, _, heading = link.partition("#")
        target = ROOT / page if not path else (ROOT / page).parent / path
        if not target.exists() or (heading and heading not in headings(target.read_text())):
            missing.append(link)
    assert not missing
    assert not {path for path in re.findall(r"\btests/[\w/]+\.py\b", text) if not (ROOT / path).is_file()}


def test_every_test_that_the_readme_names_exists() -> None:
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"\b(tests/[\w/]+\.py)::(test_\w+)", text))
    complaints = re.findall(r"^\| [0-9]+ \|.*$", text, re.MULTILINE)
    answered = [re.findall(r"\[([a-z0-9 ]+)\]\((tests/[\w/]+\.py)\)", line) for line in complaints]
    named |= {(path, f"test_{words.replace(' ', '_')}") for answers in answered for words, path in answers}
    assert [bool(answers) for answers in answered] == [True] * 20
    assert not {f"{path}::{test}" for path, test in named if test not in names_of_tests_in(path)}


def test_tests_run_with_the_versions_that_are_deployed() -> None:
    deployed = locked("deploy/requirements.txt")
    assert deployed.items() <= locked("tests/requirements.txt").items()
