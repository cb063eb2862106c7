"""Settings: who overrules whom, and one clear sentence for a bad one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.load import ConfigError, load
from config.policy import may_wait, policy, prefetch, profile
from config.settings import Settings
from engine.message import Category

CHANNEL = '[[channels]]\nname = "alpha"\nkind = "simulator"\n'


def settings(tmp_path: Path, toml: str = "", environment: dict[str, str] | None = None, **flags: Any) -> Settings:
    path = tmp_path / "sms.toml"
    path.write_text(toml, encoding="utf-8")
    return load(flags, {"SMS_CONFIG": str(path), **(environment or {})})


def complaint(tmp_path: Path, toml: str = "", environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, toml, environment)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_the_defaults_run_embedded_with_the_services_own_limits() -> None:
    defaults = load({}, {})
    assert defaults.embedded
    assert {limit.name: limit.windows for limit in defaults.limits} == {
        "otp per number and signature": ["1/1m", "5/1h", "10/24h"],
        "otp per number": ["40/24h"],
        "notification per number signature and template": ["50/24h"],
        "promotion per number signature and template": ["50/24h"],
    }


def test_flags_overrule_the_environment_which_overrules_the_file_which_overrules_the_defaults(tmp_path: Path) -> None:
    environment = {"SMS_HTTP_PORT": "3"}
    assert settings(tmp_path).http_port == 9108
    assert settings(tmp_path, "http_port = 2").http_port == 2
    assert settings(tmp_path, "http_port = 2", environment).http_port == 3
    assert settings(tmp_path, "http_port = 2", environment, http_port=4).http_port == 4


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert settings(tmp_path, "", {"SMS_AMQP_URL": ""}).amqp_url is None


def test_tables_are_merged_and_lists_are_replaced(tmp_path: Path) -> None:
    merged = settings(tmp_path, "[validity_s]\notp = 60\n" + CHANNEL)
    assert (merged.validity_s.otp, merged.validity_s.promotion) == (60, 86400)
    assert [channel.name for channel in merged.channels] == ["alpha"]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("http_port = 99999", ["http_port", "99999", "65535"]),
        ("htp_port = 1", ["htp_port", "not a setting"]),
        (CHANNEL + "rate = -1", ["channels[0].rate", "-1", "greater than 0"]),
        (CHANNEL + "burst = 5", ["channels[0]", "burst", "5", "rate"]),
        (CHANNEL + "rate = 5\nburst = 0", ["channels[0].burst", "0", "greater than or equal to 1"]),
        (CHANNEL + "cost = 0", ["channels[0].cost", "0", "greater than 0"]),
        (CHANNEL + "cost = 1\n" + CHANNEL.replace("alpha", "beta"), ["alpha", "beta", "cost", "all or none"]),
        (CHANNEL + "signatures = []", ["channels[0].signatures", "at least 1"]),
        (
            CHANNEL + 'countries = ["CN"]\noperators = ["first"]',
            ["channels[0]", "operators", "prefix", "mainland China", "CN"],
        ),
        (CHANNEL + "colour = 1", ["channels[0].colour", "not a setting"]),
        (CHANNEL.replace("simulator", "pigeon"), ["channels[0].kind", "pigeon", "'simulator'"]),
        (CHANNEL + CHANNEL, ["alpha", "twice"]),
        ("channels = []", ["channels", "at least 1"]),
        ('[[limits]]\nname = "a"\nkey = ["too"]\nwindows = ["1/1m"]', ["limits[0].key[0]", "too", "'to'"]),
        ('[[limits]]\nname = "a"\nkey = ["to"]\nwindows = ["1/1y"]', ["limits[0].windows[0]", "1/1y", "COUNT/SPAN"]),
        ("[visibility_timeout_s]\notp = 3", ["visibility_timeout_s.otp", "3", "timeout_s"]),
        ('[[templates]]\ncode = "a"\ncategory = "x"\ntext = "b"', ["templates[0].category", "'x'", "'otp'"]),
        ('[on_unknown]\notp = "resend"', ["on_unknown.otp", "'resend'", "'give_up'"]),
        ('[on_unknown]\npromotion = "resend"', ["on_unknown.promotion", "unknown_grace_s.promotion", "86400"]),
        ("= 1", ["not valid TOML", "line 1"]),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_what_is_allowed(tmp_path: Path, toml: str, words: list[str]) -> None:
    said = complaint(tmp_path, toml)
    assert all(word in said for word in words), said


def test_a_channel_may_be_for_some_messages_only_and_at_a_price(tmp_path: Path) -> None:
    filters = 'accounts = ["shop"]\nsignatures = ["Acme"]\noperators = ["first"]\ncost = 0.03\n'
    narrow = profile(settings(tmp_path, CHANNEL + filters).channels[0])
    assert (narrow.accounts, narrow.signatures, narrow.operators) == ({"shop"}, {"Acme"}, {"first"})
    assert narrow.cost == 0.03
    wide = profile(settings(tmp_path, CHANNEL).channels[0])
    assert (wide.accounts, wide.signatures, wide.operators, wide.cost) == (None, None, None, 1.0)


@pytest.mark.parametrize("under_way", [1, 100, 200, 10_000])
def test_as_many_messages_are_held_ready_as_can_be_under_way(tmp_path: Path, under_way: int) -> None:
    ready = prefetch(settings(tmp_path, f"[concurrency]\notp = {under_way}\n"))
    assert ready[Category.OTP] >= under_way


def test_half_of_what_is_under_way_may_wait_for_one_of_several_channels_and_all_for_the_only_one(
    tmp_path: Path,
) -> None:
    concurrency = "[concurrency]\npromotion = 7\n"
    assert may_wait(settings(tmp_path, concurrency + CHANNEL)) == {}
    two = may_wait(settings(tmp_path, concurrency + CHANNEL + CHANNEL.replace("alpha", "beta")))
    assert (two[Category.OTP], two[Category.PROMOTION]) == (200, 3)


def test_an_unknown_outcome_may_be_sent_once_more_where_its_category_says_so(tmp_path: Path) -> None:
    resend = '[on_unknown]\npromotion = "resend"\n[unknown_grace_s]\npromotion = 3600\n'
    assert policy(settings(tmp_path)).resend == frozenset()
    assert policy(settings(tmp_path, resend)).resend == {Category.PROMOTION}


def test_a_bad_variable_is_named(tmp_path: Path) -> None:
    assert "SMS_HTTP_PORT" in complaint(tmp_path, "", {"SMS_HTTP_PORT": "abc"})


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    said = complaint(tmp_path, "", {"SMS_AMQP_URL": "http://user:hunter2@host"})
    assert "amqp_url" in said
    assert "amqps://" in said
    assert "hunter2" not in said


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        load({"config": "nowhere.toml"}, {})
