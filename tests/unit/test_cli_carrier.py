"""What `sms-engine carrier` says to mistakes."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.carrier import carrier as command
from adapters.cli.errors import CommandError

carrier = partial(command, smpp_port=0, http_port=0, control_port=0)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"script": Path("nowhere.toml")}, "nowhere.toml cannot be read"),
        ({"login": ["nobody"]}, "SYSTEM_ID:PASSWORD"),
        ({"login": ["user:muchtoolong"]}, "8 characters"),
        ({"log": Path("nowhere/log")}, "nowhere/log cannot be written"),
        ({"tls_key": Path("key.pem")}, "go with --tls-cert"),
        ({"tls_cert": Path("nowhere.pem")}, "cannot be used"),
    ],
)
def test_a_mistake_is_one_sentence(flags: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence) as told:
        carrier(**flags)
    assert "\n" not in str(told.value)


def test_a_script_with_a_mistake_is_named(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text("[[phases]]\nfor_s = 1\nslow = true\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"script\.toml: phase 1: slow is no behaviour"):
        carrier(script=script)


@pytest.mark.parametrize("side", ["smpp_port", "http_port", "control_port"])
def test_a_port_that_is_taken_is_named(side: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} cannot be listened on"):
            carrier(**{side: port})
