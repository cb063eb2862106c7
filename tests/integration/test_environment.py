"""Is a virtual environment made once, and never used when half made?"""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.environment import InstallError, environment


def test_an_environment_is_made_once_and_a_half_made_one_is_never_used(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("--no-such-option\n")
    with pytest.raises(InstallError, match="pip could not install"):
        environment("test", [lock], within=tmp_path)
    half_made = set((tmp_path / "test").glob("*/"))
    assert half_made

    lock.write_text("# nothing\n")
    made = environment("test", [lock], within=tmp_path)
    assert (made / "bin" / "python").exists()
    assert made not in half_made
    assert not any(folder.is_dir() for folder in half_made)

    (made / "witness").touch()
    assert environment("test", [lock], within=tmp_path) == made
    assert (made / "witness").exists()
