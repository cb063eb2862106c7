"""Which strings are phone numbers, and whose?"""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.numbers import CACHED, PhoneNumbers, written_out
from engine.message import Recipient

IN_CHINA = PhoneNumbers("CN")


@pytest.mark.parametrize(
    ("to", "number", "country"),
    [
        ("+8613800000000", "+8613800000000", "CN"),
        ("+447400123456", "+447400123456", "GB"),
        ("+441481960194", "+441481960194", "GG"),
        ("+77011234567", "+77011234567", "KZ"),
        ("+85261234567", "+85261234567", "HK"),
        ("+390612345678", "+390612345678", "IT"),
        ("+80012345678", "+80012345678", "001"),
        ("+883510001234567", "+883510001234567", "001"),
    ],
)
def test_an_e164_number_is_read_as_it_stands(to: str, number: str, country: str) -> None:
    assert IN_CHINA.read(to) == Recipient(number, country)


@pytest.mark.parametrize("to", ["+1 (201) 555-0123", "+1-201-555-0123", "+1.201.555.0123"])
def test_separators_do_not_matter(to: str) -> None:
    assert IN_CHINA.read(to) == Recipient("+12015550123", "US")


@pytest.mark.parametrize(
    "to", ["13800000000", "138 0000 0000", "8613800000000", "86 138 0000 0000", "008613800000000", "+86013800000000"]
)
def test_a_number_without_a_plus_is_read_as_dialled_in_the_default_region(to: str) -> None:
    assert IN_CHINA.read(to) == Recipient("+8613800000000", "CN")


def test_the_international_prefix_reaches_other_countries() -> None:
    assert IN_CHINA.read("0012015550123") == Recipient("+12015550123", "US")
    assert PhoneNumbers("US").read("0118613800000000") == Recipient("+8613800000000", "CN")


def test_the_default_region_decides() -> None:
    assert PhoneNumbers("GB").read("07400 123456") == Recipient("+447400123456", "GB")
    assert IN_CHINA.read("07400 123456") is None


@pytest.mark.parametrize("to", ["4915112345678", "447400123456", "138000000001"])
def test_a_number_without_a_plus_is_never_taken_for_a_foreign_one(to: str) -> None:
    assert IN_CHINA.read(to) is None


@pytest.mark.parametrize(
    "to",
    [
        "",
        "+",
        "10086",
        "+86",
        "+8610086",
        "+861380000000",
        "+86138000000000",
        "+9991234567",
        "+1 380 000 0000 1",
        "hello",
        "1-800-FLOWERS",
        "tel:+8613800000000",
        "+8613800000000;ext=5",
        "+8613800000000 x5",
        "+86１３８００００００００",
        "+٨٦١٣٨٠٠٠٠٠٠٠٠",
        "+8613800000000\n",
        "+8613800000000\x00",
        "++8613800000000",
        "+" * 60,
        "(" * 60,
        "1" * 60,
        "+86" + " " * 60 + "13800000000",
    ],
)
def test_what_is_no_possible_number_is_nobody(to: str) -> None:
    assert IN_CHINA.read(to) is None


def test_a_very_long_string_never_reaches_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("this would keep the parser busy")

    monkeypatch.setattr("phonenumbers.parse", parse)
    assert PhoneNumbers("CN").read("+86138" + "0" * 10_000_000) is None


@given(st.text(max_size=64) | st.text("+0123456789 ()-.", max_size=64))
def test_whatever_is_read_is_e164_or_nobody(to: str) -> None:
    recipient = IN_CHINA.read(to)
    if recipient is not None:
        assert recipient.number[0] == "+"
        assert recipient.number[1:].isascii()
        assert recipient.number[1:].isdecimal()
        assert IN_CHINA.read(recipient.number) == recipient


def test_the_memory_of_numbers_is_bounded() -> None:
    numbers = PhoneNumbers("CN")
    for last in range(CACHED + 10):
        numbers.read(str(last).zfill(11))
    assert numbers._cached.cache_info().currsize == CACHED


@pytest.mark.parametrize("region", ["China", "cn", "", "XX", "001"])
def test_an_unknown_default_region_is_refused(region: str) -> None:
    with pytest.raises(ValueError, match="no region with a numbering plan"):
        PhoneNumbers(region)


_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
_EXAMPLES = [
    phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    if (example := phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE))
]


def _parsed(to: str) -> Recipient | None:
    try:
        number = phonenumbers.parse(to, "CN")
    except phonenumbers.NumberParseException:
        return None
    country = phonenumbers.region_code_for_number(number)
    if country is None or not phonenumbers.is_valid_number(number):
        return None
    return Recipient(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), country)


@given(
    st.builds("+{}{}".format, st.sampled_from(_CODES), st.from_regex(r"[0-9]{2,14}", fullmatch=True))
    | st.builds(
        lambda number, at, digit: number[: at % len(number)] + digit + number[at % len(number) + 1 :],
        st.sampled_from(_EXAMPLES),
        st.integers(2, 20),
        st.sampled_from("0123456789"),
    )
)
def test_what_is_read_without_parsing_is_what_parsing_gives(to: str) -> None:
    assert IN_CHINA.read(to) == _parsed(to)


def test_nearly_every_mobile_number_is_read_without_parsing() -> None:
    read = [to for to in _EXAMPLES if written_out(to)]
    assert len(read) > 0.9 * len(_EXAMPLES)
    assert all(IN_CHINA.read(to) == _parsed(to) for to in read)
