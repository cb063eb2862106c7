"""Operators by the prefix of a number: a table that is checked when it is read, and never in mainland China."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.operators import PrefixTable
from config.load import ConfigError, load
from config.operators import operators
from engine.message import Recipient

HEADER = "country,prefix,operator\n"
TABLE = {"GB": {"+447": "first", "+44791": "second"}, "FR": {"+336": "third"}}


def read(tmp_path: Path, lines: str, channel: str = "") -> dict[str, dict[str, str]]:
    table, file = tmp_path / "operators.csv", tmp_path / "sms.toml"
    table.write_text(lines, encoding="utf-8")
    toml = f'operator_prefixes = "{table}"\n[[channels]]\nname = "alpha"\nkind = "simulator"\n{channel}'
    file.write_text(toml, encoding="utf-8")
    return operators(load({"config": str(file)}, {}))


def complaint(tmp_path: Path, lines: str, channel: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, lines, channel)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


async def test_the_longest_prefix_of_the_numbers_country_wins() -> None:
    table = PrefixTable(TABLE)
    assert await table.operator_of(Recipient("+447911123456", "GB")) == "second"
    assert await table.operator_of(Recipient("+447700900123", "GB")) == "first"
    assert await table.operator_of(Recipient("+336123", "FR")) == "third"


async def test_the_operator_of_a_number_that_no_prefix_covers_is_not_known() -> None:
    table = PrefixTable(TABLE)
    assert await table.operator_of(Recipient("+442079460000", "GB")) is None
    assert await table.operator_of(Recipient("+447911123456", "JE")) is None  # the same code, another country
    assert await PrefixTable({}).operator_of(Recipient("+447911123456", "GB")) is None


async def test_mainland_china_has_no_operator_whatever_the_table_says() -> None:
    table = PrefixTable({"CN": {"+86": "first", "+86138": "second"}})
    assert await table.operator_of(Recipient("+8613800000000", "CN")) is None


@given(
    prefixes=st.dictionaries(st.from_regex(r"\+1[0-9]{0,5}", fullmatch=True), st.sampled_from("abc"), max_size=20),
    number=st.from_regex(r"\+1[0-9]{6}", fullmatch=True),
)
async def test_a_number_has_the_operator_that_trying_every_prefix_finds(prefixes: dict[str, str], number: str) -> None:
    fitting = [prefix for prefix in prefixes if number.startswith(prefix)]
    expected = prefixes[max(fitting, key=len)] if fitting else None
    assert await PrefixTable({"US": prefixes}).operator_of(Recipient(number, "US")) == expected


def test_a_table_is_read_per_country(tmp_path: Path) -> None:
    lines = HEADER + "GB,+447,first\nGB,+44791, second\n\nFR,+336,third\n"
    assert read(tmp_path, lines, 'operators = ["second"]') == TABLE


def test_without_a_table_no_operator_is_known(tmp_path: Path) -> None:
    assert operators(load({}, {})) == {}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", ["operators.csv", "first line", "country,prefix,operator"]),
        ("GB,+447,first\n", ["first line"]),
        (HEADER + "GB,+447\n", ["line 2", "2 fields"]),
        (HEADER + "GB,+447,first\ngb,+448,first\n", ["line 3", "country = 'gb'", "ISO 3166"]),
        (HEADER + "GB,447,first\n", ["line 2", "prefix = '447'", "+4479"]),
        (HEADER + "GB,+447, \n", ["line 2", "no operator"]),
        (HEADER + "GB,+447,first\nGB,+447,second\n", ["line 3", "+447", "second time"]),
        (HEADER + "CN,+86138,first\n", ["line 2", "mainland China", "must not be routed"]),
        (HEADER + "CN,+852,first\n", ["line 2", "mainland China", "must not be routed"]),
        (HEADER + "HK,+86138,first\n", ["line 2", "mainland China", "must not be routed"]),
        (HEADER + 'GB,"+447,first\n', ["not a CSV file"]),
    ],
)
def test_a_bad_table_is_one_sentence_that_names_the_line(tmp_path: Path, lines: str, words: list[str]) -> None:
    said = complaint(tmp_path, lines)
    assert all(word in said for word in words), said


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.csv: it cannot be read"):
        operators(load({"operator_prefixes": str(tmp_path / "nowhere.csv")}, {}))


def test_a_channel_for_an_operator_that_the_table_does_not_name_is_refused(tmp_path: Path) -> None:
    said = complaint(tmp_path, HEADER + "GB,+447,first\n", 'operators = ["furst"]')
    assert all(word in said for word in ["alpha", "furst", "operator_prefixes"]), said


def test_a_channel_for_operators_cannot_be_for_mainland_china(tmp_path: Path) -> None:
    said = complaint(tmp_path, HEADER + "GB,+447,first\n", 'operators = ["first"]\ncountries = ["GB", "CN"]')
    assert all(word in said for word in ["channels[0]", "mainland China", "CN"]), said
