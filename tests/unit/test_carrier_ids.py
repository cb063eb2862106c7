"""One message's id in the notations carriers are known to use, and ids that only look alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.carrier_ids import MAX_LENGTH, Rule, bounded, folded, forms, rule, same_number

UUID = "0b0e4c5e-7a1d-4f5e-9c53-6c2f1d1f0a11"

NUMBERS = st.integers(0, 2**128 - 1)
ANYTHING = st.text(max_size=50) | NUMBERS.map(str) | NUMBERS.map("{:x}".format) | st.uuids().map(str)


@pytest.mark.parametrize(
    ("answered", "reported", "by"),
    [
        ("a-1", "a-1", Rule.EXACT),
        ("5F3A", "5f3a", Rule.CASE),
        (UUID, UUID.replace("-", "").upper(), Rule.DASHES),
        ("77", "0000000077", Rule.ZEROS),
        ("000000000000004D2A", "4d2a", Rule.ZEROS),
        ("4D2", "1234", Rule.DECIMAL),
        ("000004d2", "0000001234", Rule.DECIMAL),
        ("1234", "000004D2", Rule.HEX),
        ("340282366920938463463374607431768211455", "f" * 32, Rule.HEX),
        (str(7 * 2**32 + 99_999), "99999", Rule.LOW_32),
        ("99999", str(7 * 2**32 + 99_999), Rule.LOW_32),
        (f"{7 * 2**32 + 99_999:X}", "99999", Rule.LOW_32),
        (f"{0xAB0001869F:X}", "1869f", Rule.LOW_32),
        ("", "0", Rule.ZEROS),
    ],
)
def test_a_message_is_known_by_any_notation_of_its_id(answered: str, reported: str, by: Rule) -> None:
    assert rule(answered, reported) is by


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a-1", "a1"),
        ("12-3", "123"),
        ("77", "78"),
        ("77.1", "771"),
        ("ab:cd", "abcd"),
        (str(5 * 2**32), "0"),
        ("٣", "3"),
        (str(2**128), f"{2**128:x}"),
    ],
)
def test_other_ids_are_not_taken_for_it(one: str, other: str) -> None:
    assert rule(one, other) is rule(other, one) is None


@given(answered=ANYTHING, reported=ANYTHING)
def test_whatever_is_the_same_message_is_found_under_a_form_of_the_receipt_or_filed_under_one_of_the_answer(
    answered: str, reported: str
) -> None:
    by = rule(answered, reported)
    low = [form for form, found in forms(answered).items() if found is Rule.LOW_32]
    assert (by is not None) == bool(
        {folded(answered), *low} & {folded(reported)} or folded(answered) in forms(reported)
    )


@given(number=NUMBERS, zeros=st.integers(0, 5), upper=st.booleans())
def test_hexadecimal_and_decimal_of_a_number_are_one_id_both_ways(number: int, zeros: int, upper: bool) -> None:
    as_hex, as_decimal = "0" * zeros + f"{number:{'X' if upper else 'x'}}", str(number)
    assert rule(as_hex, as_decimal)
    assert rule(as_decimal, as_hex)


@given(carrier_id=st.text())
def test_any_id_is_itself(carrier_id: str) -> None:
    assert rule(carrier_id, carrier_id) is Rule.EXACT
    assert next(iter(forms(carrier_id))) == folded(carrier_id)


@pytest.mark.parametrize("carrier_id", ["9" * 100_000, "f" * 100_000, "-" * 100_000, "\udc80" * 300])
def test_hostile_ids_cost_little(carrier_id: str) -> None:
    assert len(forms(carrier_id)) == 1
    assert len(bounded(carrier_id)) == MAX_LENGTH
    assert bounded(carrier_id) != bounded(carrier_id + "x")
    assert bounded("a-1") == "a-1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+8613800000000", "8613800000000", True),
        ("+8613800000000", "13800000000", True),
        ("+447700900123", "07700900123", True),
        ("+8613800000000", "+8613800000001", False),
        ("+8613800000000", "Acme", None),
        ("-", "8613800000000", None),
    ],
)
def test_a_number_is_the_same_with_and_without_its_country(one: str, other: str, same: bool | None) -> None:
    assert same_number(one, other) is same_number(other, one) is same
