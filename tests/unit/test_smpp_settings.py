"""The settings of carriers over SMPP: what is built of them, and what is said of a bad one, without its secrets."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from adapters.bootstrap import channels, smpp_carrier
from adapters.carriers.http_answer import Verdict
from adapters.carriers.smpp.channel import SmppChannel
from adapters.carriers.smpp.login import Mode
from adapters.carriers.smpp.parts import Way, Writing
from adapters.carriers.smpp.text import Alphabet
from adapters.clock import SystemClock
from adapters.telemetry.fanout import Fanout
from config.channels import SmppSettings
from config.load import ConfigError, load
from tests.carriers import NoRateCap

EXAMPLE = Path(__file__).parents[2] / "config" / "channels.example.toml"
CHANNEL = '[[channels]]\nname = "alpha"\nkind = "smpp"\nhost = "127.0.0.1"\nport = 2775\nsystem_id = "user"\n'
PASSWORD = 'password = "hunter2"\n'


def built(tmp_path: Path, toml: str, environment: dict[str, str] | None = None) -> SmppChannel:
    (tmp_path / "sms.toml").write_text(CHANNEL + toml)
    loaded = load({"config": str(tmp_path / "sms.toml")}, {})
    channel = channels.build(loaded, NoRateCap(), SystemClock(), Fanout(), environment or {})["alpha"]
    assert isinstance(channel, SmppChannel)
    assert "hunter2" not in repr(loaded)
    return channel


def complaint(tmp_path: Path, toml: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        built(tmp_path, toml, environment)
    said = str(caught.value)
    assert "\n" not in said
    assert "hunter2" not in said
    return said


def test_what_the_contract_shows_is_enough(tmp_path: Path) -> None:
    channel = built(tmp_path, 'password = "secret"\nrate = 500\nwindow = 50\ncountries = ["CN"]\n')
    assert channel.profile.countries == {"CN"}
    assert not channel.ready


def example() -> SmppSettings:
    loaded = load({"config": str(EXAMPLE)}, {})
    return next(each for each in loaded.channels if isinstance(each, SmppSettings))


def test_the_example_is_understood() -> None:
    login = smpp_carrier.login(example(), {"OPERATOR_PASSWORD": "hunter2"})
    assert (login.host, login.port, login.system_id, login.password) == ("smpp.example.com", 2776, "acme", "hunter2")
    assert "hunter2" not in repr(login)
    dialect = smpp_carrier.dialect(example())
    assert dialect.verdicts == {0x45: Verdict.REFUSED, 0x400: Verdict.THROTTLED, 0x401: Verdict.FATAL}
    assert dialect.writing == Writing(Alphabet.GSM7, latin1=False, long=Way.UDH)
    offset = datetime(2026, 1, 1, tzinfo=dialect.zone).utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 8 * 3600


@pytest.mark.parametrize(
    ("mode", "modes"),
    [
        ("transceiver", [Mode.TRANSCEIVER] * 2),
        ("transmitter+receiver", [Mode.TRANSMITTER, Mode.RECEIVER] * 2),
    ],
)
def test_so_many_binds_are_made_of_each_mode(mode: str, modes: list[Mode]) -> None:
    assert smpp_carrier.modes(example().model_copy(update={"mode": mode, "binds": 2})) == modes


def test_a_password_may_come_from_the_environment(tmp_path: Path) -> None:
    built(tmp_path, 'password_env = "ALPHA_PASSWORD"\n', {"ALPHA_PASSWORD": "hunter2"})
    assert "ALPHA_PASSWORD" in complaint(tmp_path, 'password_env = "ALPHA_PASSWORD"\n')


def test_a_password_longer_than_smpp_allows_needs_the_operators_word(tmp_path: Path) -> None:
    said = complaint(tmp_path, 'password = "hunter2-and-more"\n')
    assert "up to 8 ASCII characters" in said
    assert "long_password = true" in said
    said = complaint(tmp_path, 'password_env = "P"\n', {"P": "hunter2-and-more"})
    assert "up to 8" in said
    built(tmp_path, 'password = "hunter2-and-more"\nlong_password = true\n')
    assert "up to 64" in complaint(tmp_path, f'password = "{"hunter2" * 10}"\nlong_password = true\n')


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("", ["password or password_env"]),
        (PASSWORD + 'password_env = "X"\n', ["password or password_env"]),
        (PASSWORD.replace("hunter2", "hünter2"), ["ASCII"]),
        (PASSWORD + 'sender = "a name that is too long"\n', ["channels[0].sender"]),
        (PASSWORD + 'mode = "receiver"\n', ["channels[0].mode", "'receiver'", "transceiver"]),
        (PASSWORD + 'encoding = "ebcdic"\n', ["channels[0].encoding", "'ebcdic'", "gsm7"]),
        (PASSWORD + 'time_zone = "Atlantis"\n', ["alpha", "time_zone", "Atlantis"]),
        (PASSWORD + 'time_zone = "../../etc/passwd"\n', ["alpha", "time_zone"]),
        (PASSWORD + 'statuses = { ESME_RNOTHING = "fault" }\n', ["alpha", "ESME_RNOTHING"]),
        (PASSWORD + 'statuses = { ESME_RSYSERR = "sunny" }\n', ["statuses", "'sunny'"]),
        (PASSWORD + 'tls = { key_file = "us.key" }\n', ["tls", "certificate_file"]),
        (PASSWORD + 'tls = { ca_file = "nowhere.pem" }\n', ["alpha", "tls", "No such file"]),
        (PASSWORD + "binds = 0\n", ["channels[0].binds"]),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, toml: str, words: list[str]) -> None:
    said = complaint(tmp_path, toml)
    assert all(word in said for word in words), said


def test_a_system_id_has_15_characters_at_most(tmp_path: Path) -> None:
    (tmp_path / "sms.toml").write_text((CHANNEL + PASSWORD).replace('"user"', '"a-system-id-of-many"'))
    with pytest.raises(ConfigError, match=r"channels\[0\]\.system_id = 'a-system-id-of-many'.*15"):
        load({"config": str(tmp_path / "sms.toml")}, {})
