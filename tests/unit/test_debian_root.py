"""Is the root folder of another Debian made once, and never used when half made?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import debian_root


def test_a_root_is_made_once_and_a_half_made_one_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_off(place: Path) -> None:
        place.mkdir()
        (place / "half").touch()
        raise OSError("broke off")

    monkeypatch.setattr(debian_root, "make", breaks_off)
    with pytest.raises(OSError, match="broke off"):
        debian_root.debian_root(tmp_path)

    monkeypatch.setattr(debian_root, "make", Path.mkdir)
    made = debian_root.debian_root(tmp_path)
    assert not (made / "half").exists()

    (made / "witness").touch()
    assert debian_root.debian_root(tmp_path) == made
    assert (made / "witness").exists()
