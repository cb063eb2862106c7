"""The settings of carriers over HTTP: do the examples hold, and are mistakes named without showing secrets?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.bootstrap import channels
from adapters.bootstrap.http_carrier import webhooks
from adapters.clock import SystemClock
from adapters.telemetry.fanout import Fanout
from config.load import ConfigError, load
from tests.carriers import NoRateCap

if TYPE_CHECKING:
    from adapters.bootstrap.channels import Channels
    from config.settings import Settings

EXAMPLE = Path(__file__).parents[2] / "config" / "channels.example.toml"
SECRETS = {"AGGREGATOR_KEY": "s3cret", "AGGREGATOR_TENANT_KEY": "s3cret", "AGGREGATOR_WEBHOOK_TOKEN": "s3cret"}
CHANNEL = '[[channels]]\nname = "alpha"\nkind = "http"\nurl = "http://carrier.example/"\nbody = { to = "${to}" }\n'


def built(settings: Settings, environment: dict[str, str] = SECRETS) -> Channels:
    return channels.build(
        settings, NoRateCap(), SystemClock(), Fanout(), {**environment, "OPERATOR_PASSWORD": "s3cret"}
    )


def settings(tmp_path: Path, toml: str) -> Settings:
    (tmp_path / "sms.toml").write_text(CHANNEL + toml)
    return load({"config": str(tmp_path / "sms.toml")}, {})


def test_the_example_can_be_built_as_it_stands() -> None:
    loaded = load({"config": str(EXAMPLE)}, {})
    assert {"aggregator", "rehearsal"} <= built(loaded).keys()


def serve_example(environment: dict[str, str]) -> None:
    loaded = load({"config": str(EXAMPLE)}, {})
    webhooks(loaded, built(loaded, environment), environment)


def test_a_secret_that_is_not_in_the_environment_is_asked_for_by_its_name() -> None:
    serve_example(SECRETS)
    for name in SECRETS:
        with pytest.raises(ConfigError, match=f"aggregator takes a secret from {name}"):
            serve_example({other: value for other, value in SECRETS.items() if other != name})


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('auth = { kind = "bearer", token = "${key}" }', ["alpha", "no variable 'key'"]),
        ('auth = { kind = "hmac", header = "X", secret = "a", signed = "${text}" }', ["alpha", "no variable 'text'"]),
        ('variables = { to = "1" }', ["alpha", "'to' is ours already"]),
        ('headers = { "X Y" = "1" }', ["alpha", "'X Y' cannot be the name of a header"]),
        ('[channels.query]\nurl = "http://c.example/"\nstates = { a = "delivered" }', ["alpha", "must contain ${job}"]),
        ('[channels.answer]\ncodes = { a = "fault" }', ["alpha", "without a code path"]),
    ],
)
def test_a_description_at_odds_with_itself_is_named(tmp_path: Path, toml: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as said:
        built(settings(tmp_path, toml))
    assert all(word in str(said.value) for word in words), said.value


@pytest.mark.parametrize(
    ("toml", "where"),
    [
        ('auth = "s3cret"', "channels[0].auth"),
        ('auth = { kind = "hmac", header = "X", secret = "s3cret", encoding = "s3cret" }', "channels[0].auth.encoding"),
        ('auth = { kind = "pigeon", token = "s3cret" }', "channels[0].auth.kind = 'pigeon'"),
        ('auth = { token = "s3cret" }', "channels[0].auth"),
        ('variables = { "A B" = "s3cret" }', "channels[0].variables"),
        ('variables = { a = ["s3cret"] }', "channels[0].variables.a"),
        ('webhook_signature = { header = "X", secret = ["s3cret"] }', "channels[0].webhook_signature.secret"),
    ],
)
def test_a_mistake_in_a_secret_place_is_named_and_not_shown(tmp_path: Path, toml: str, where: str) -> None:
    with pytest.raises(ConfigError) as said:
        settings(tmp_path, toml)
    assert where in str(said.value)
    assert "s3cret" not in str(said.value)


def test_a_signature_over_the_address_needs_the_address_that_is_signed(tmp_path: Path) -> None:
    signs = 'webhook_signature = { header = "X", secret = "a", signs = "url_and_form" }\n'
    inbound = '[channels.inbound]\nsender_path = "a"\nto_path = "b"\ntext_path = "c"\n'
    loaded = settings(tmp_path, 'webhook_url = "https://sms.example.com/r"\n' + signs)
    assert webhooks(loaded, built(loaded), {}).channels["alpha"].signature is not None
    loaded = settings(tmp_path, 'webhook_url = "https://sms.example.com/r"\n' + signs + inbound)
    with pytest.raises(ConfigError, match="alpha: a signature over the URL needs the webhook's URL"):
        webhooks(loaded, built(loaded), {})
