"""Is the id in a delivery receipt the one of a submit, and is it found where it is looked for?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.carrier_ids import (
    DOUBTED_AFTER,
    MAX_LENGTH,
    SETTLED_AFTER,
    Notation,
    Rule,
    bounded,
    buckets,
    pointer,
    same_number,
)
from engine.carrier_ids import rule as first

UUID_ID = "7F9C2BA4-E88F-417B-8A5C-0123456789AB"
PAIRS = [  # submitted, reported, the first rule that explains it
    ("0A1b-9.x:7", "0A1b-9.x:7", Rule.RAW),
    ("0a1bff", "0A1BFF", Rule.CASE),
    ("0000123456", "123456", Rule.ZEROS),
    ("00ABcd", "abcd", Rule.ZEROS),
    ("0", "000", Rule.ZEROS),
    (UUID_ID, UUID_ID.lower().replace("-", ""), Rule.DASHES),
    ("1A2B", "6699", Rule.HEX_TO_DECIMAL),
    ("1a2b", "0000006699", Rule.HEX_TO_DECIMAL),
    ("1234", "4660", Rule.HEX_TO_DECIMAL),  # hex of digits alone
    ("6699", "1A2B", Rule.DECIMAL_TO_HEX),
    ("4660", "1234", Rule.DECIMAL_TO_HEX),
    ("0004660", "00001234", Rule.DECIMAL_TO_HEX),
    ("FFFFFFFFFFFFFFFF", "18446744073709551615", Rule.HEX_TO_DECIMAL),
    ("18446744073709551615", "FFFFFFFFFFFFFFFF", Rule.DECIMAL_TO_HEX),
    ("17F0A1B2C3D4", "2712847316", Rule.LOW_32_BITS),
    ("7307508186654514", "3584599858", Rule.LOW_32_BITS),  # 0x19_F623_D5A8_A732, both decimal
    ("7307508186654514", "D5A8A732", Rule.LOW_32_BITS),
]
STRANGERS = [
    ("1A2B", "1A2C"),
    ("1234", "1235"),
    ("", "0A"),
    ("FFFFFFFFFFFFFFFFF", "295147905179352825855"),  # more than 64 bits: no number
    ("D5A8A732", "7307508186654514"),  # the longer one must be the submit's
    ("msg-1", "1"),
    ("１２３４", "1234"),  # digits, but not ours
]
IDS = st.one_of(
    st.integers(0, (1 << 66)).map(str),
    st.integers(0, (1 << 66)).map(lambda value: format(value, "X")),
    st.uuids().map(str),
    st.text(max_size=12),
)


@pytest.mark.parametrize(("submitted", "reported", "rule"), PAIRS)
def test_two_notations_of_an_id_are_known_for_one(submitted: str, reported: str, rule: Rule) -> None:
    assert first(submitted, reported) is rule


@pytest.mark.parametrize(("submitted", "reported"), STRANGERS)
def test_different_ids_stay_different(submitted: str, reported: str) -> None:
    assert first(submitted, reported) is None


@pytest.mark.parametrize(("submitted", "reported", "rule"), PAIRS)
def test_a_receipt_finds_the_link_in_one_of_its_buckets(submitted: str, reported: str, rule: Rule) -> None:
    filed = {buckets(submitted)[0], pointer(submitted)}
    assert filed & set(buckets(reported))


@pytest.mark.parametrize(("submitted", "reported", "rule"), PAIRS)
def test_a_submit_finds_the_parked_receipt_in_one_of_its_buckets(submitted: str, reported: str, rule: Rule) -> None:
    assert buckets(reported)[0] in buckets(submitted)


@given(IDS, IDS)
def test_whatever_a_rule_makes_equal_is_found_from_both_sides(submitted: str, reported: str) -> None:
    if first(submitted, reported) is not None:
        assert {buckets(submitted)[0], pointer(submitted)} & set(buckets(reported))
        assert buckets(reported)[0] in buckets(submitted)


@given(st.integers(0, (1 << 64) - 1), st.sampled_from(["{:X}", "{:x}", "{:d}", "{:016x}", "{:020d}"]), st.data())
def test_every_notation_of_a_number_is_found(value: int, form: str, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(["{:X}", "{:x}", "{:d}", "{:08x}", "{:010d}"]))
    submitted, reported = form.format(value), other.format(value)
    assert first(submitted, reported) is not None
    assert buckets(submitted)[0] in buckets(reported)
    assert buckets(reported)[0] in buckets(submitted)


@given(IDS)
def test_few_buckets_are_looked_into(carrier_id: str) -> None:
    found = buckets(carrier_id)
    assert 1 <= len(found) == len(set(found)) <= 4


@given(st.text(max_size=300))
def test_no_id_is_too_odd(carrier_id: str) -> None:
    buckets(carrier_id)
    pointer(carrier_id)
    assert first(carrier_id, carrier_id) is Rule.RAW


def test_an_id_of_very_many_digits_is_compared_as_text() -> None:
    assert buckets("9" * 5000) == ("9" * 5000,)
    assert first("0" + "9" * 5000, "9" * 5000) is Rule.ZEROS


@pytest.mark.parametrize("carrier_id", ["9" * 100_000, "f" * 100_000, "-" * 100_000, "\udc80" * 300])
def test_an_id_of_unreasonable_length_is_cut_but_still_like_no_other(carrier_id: str) -> None:
    assert len(bounded(carrier_id)) == MAX_LENGTH
    assert bounded(carrier_id) != bounded(carrier_id + "x")
    assert bounded("a-1") == "a-1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+8613800000000", "8613800000000", True),
        ("+8613800000000", "13800000000", True),
        ("+447700900123", "07700900123", True),
        ("+5491112345678", "0111512345678", True),
        ("+5215512345678", "52 55 1234-5678", True),
        ("+8613800000000", "+8613800000001", False),
        ("+8613800000000", "Acme", None),
        ("-", "8613800000000", None),
    ],
)
def test_a_number_is_the_same_with_and_without_its_country(one: str, other: str, same: bool | None) -> None:
    assert same_number(one, other) is same_number(other, one) is same


def taught(*rules: Rule) -> Notation:
    notation = Notation()
    for nth in range(SETTLED_AFTER):
        notation.matched(rules[nth % len(rules)], None)
    return notation


CONVERSIONS = [rule for rule in Rule if rule.converts]


def test_at_first_every_rule_is_believed() -> None:
    assert all(Notation().believes(rule, None) for rule in Rule)


@pytest.mark.parametrize("rule", Rule)
def test_once_a_carrier_is_known_to_write_one_way_no_other_conversion_is_believed(rule: Rule) -> None:
    notation = taught(rule)
    assert notation.settled
    assert [each for each in CONVERSIONS if notation.believes(each, None)] == [rule] * rule.converts


def test_zeros_and_capitals_are_believed_at_any_time() -> None:
    """A carrier that strips the zeros of one id in ten is one that repeats the other nine."""
    assert all(taught(Rule.RAW).believes(rule, None) for rule in Rule if not rule.converts)
    assert taught(Rule.RAW, Rule.ZEROS, Rule.CASE).settled


@pytest.mark.parametrize("notation", [Notation(), taught(Rule.RAW), taught(Rule.LOW_32_BITS)])
def test_a_conversion_stands_and_falls_with_the_number_where_it_is_known(notation: Notation) -> None:
    assert all(notation.believes(rule, same_number=True) for rule in Rule)
    assert not any(notation.believes(rule, same_number=False) for rule in CONVERSIONS)


def test_a_number_that_differs_does_not_speak_against_the_id_as_it_was_given() -> None:
    """Some carriers report under another number than the message was sent to."""
    assert all(taught(Rule.RAW).believes(rule, same_number=False) for rule in Rule if not rule.converts)


def test_but_it_does_where_the_carrier_has_told_the_number_before() -> None:
    notation = Notation()
    notation.matched(Rule.RAW, same_number=True)
    notation.matched(Rule.RAW, same_number=None)
    assert not any(notation.believes(rule, same_number=False) for rule in Rule)
    assert all(notation.believes(rule, same_number=True) for rule in Rule)


def test_a_carrier_that_changes_its_notation_is_learned_anew() -> None:
    notation = taught(Rule.RAW)
    for _ in range(DOUBTED_AFTER):
        assert not notation.believes(Rule.HEX_TO_DECIMAL, None)
        notation.missed()
    assert notation.believes(Rule.HEX_TO_DECIMAL, None)


def test_misses_between_matches_change_nothing() -> None:
    notation = taught(Rule.RAW)
    for _ in range(DOUBTED_AFTER):
        notation.missed()
        notation.matched(Rule.RAW, None)
    assert notation.settled
