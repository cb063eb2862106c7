"""How rules are written, whom they count, and when a window admits."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.limits import Rule, Window, charges, parse_window, retry_at
from engine.message import Category, Job, Message, Recipient
from tests.window_oracle import US, first_fit, fits

MINUTE, HOUR = Window(1, 60), Window(5, 3600)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("1/1s", Window(1, 1)),
        ("1/1m", Window(1, 60)),
        ("5/1h", Window(5, 3600)),
        ("10/24h", Window(10, 86400)),
        ("300/1d", Window(300, 86400)),
        ("999999999/31d", Window(999_999_999, 31 * 86400)),
    ],
)
def test_a_window_is_written_as_count_and_span(text: str, window: Window) -> None:
    assert parse_window(text) == window


@pytest.mark.parametrize(
    "text", ["", "5", "5/h", "0/1h", "-1/1h", "5/0h", "05/1h", "5/1w", "5/1H", " 5/1h", "5/1h\n", "5/1.5h", "٥/1h"]
)
def test_anything_else_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match="is not COUNT/SPAN"):
        parse_window(text)


def test_a_window_longer_than_31_days_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 31 days"):
        parse_window("1/32d")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("otp per number", "LIMIT_OTP_PER_NUMBER"),
        ("  40 a day! ", "LIMIT_40_A_DAY"),
    ],
)
def test_the_code_of_a_rule_is_fit_for_machines(name: str, code: str) -> None:
    assert Rule(name, ("to",), (HOUR,)).code == code


def message(category: Category = Category.OTP, to: str = "+8613800000000", **fields: str) -> Message:
    job = Job(uuid4(), to, category, datetime.now(UTC), **fields)  # type: ignore[arg-type]
    return Message(job, Recipient(to, "CN"), category, "text", 1)


def test_a_rule_applies_to_its_categories_or_to_all() -> None:
    otp = Rule("otp", ("to",), (HOUR,), frozenset({Category.OTP}))
    everything = Rule("all", ("to",), (HOUR,))
    assert [c.rule for c in charges((otp, everything), message())] == [otp, everything]
    assert [c.rule for c in charges((otp, everything), message(Category.PROMOTION))] == [everything]


@pytest.mark.parametrize(
    ("key", "differs"),
    [
        ("to", {"to": "+8613900000000"}),
        ("account", {"account": "other"}),
        ("signature", {"signature": "Other"}),
        ("template", {"template": "T2"}),
    ],
)
def test_messages_share_a_count_where_the_key_is_equal_and_only_there(key: str, differs: dict[str, str]) -> None:
    rule = Rule("rule", (key,), (HOUR,))
    facts = {"account": "a", "signature": "S", "template": "T", "to": "+8613800000000"}

    def scope(**fields: str) -> tuple[str | None, str]:
        one = message(**facts | fields)
        (found,) = charges((rule,), one)
        return one.recipient.number if found.per_recipient else None, found.scope

    assert scope() == scope()
    assert scope() != scope(**differs)
    for other in ({"to": "+1"}, {"account": "b"}, {"signature": "O"}, {"template": "X"}):
        assert (scope() == scope(**other)) == (key not in other)


def test_rules_of_the_same_key_count_apart() -> None:
    one, two = charges((Rule("one", ("to",), (HOUR,)), Rule("two", ("to",), (HOUR,))), message())
    assert one.scope != two.scope


def test_a_missing_signature_or_template_is_a_key_value_too() -> None:
    rule = Rule("rule", ("to", "signature", "template"), (HOUR,))
    (without,) = charges((rule,), message())
    (with_signature,) = charges((rule,), message(signature="S"))
    assert without.scope != with_signature.scope


def test_the_counts_of_the_number_come_first() -> None:
    rules = (Rule("account", ("account",), (HOUR,)), Rule("both", ("account", "to"), (HOUR,)))
    found = charges(rules, message())
    assert [(c.rule.name, c.per_recipient) for c in found] == [("both", True), ("account", False)]


def test_an_empty_window_admits() -> None:
    assert retry_at([], [MINUTE, HOUR], 0) is None


def test_an_entry_exactly_a_window_old_is_free() -> None:
    assert retry_at([0], [MINUTE], 60 * US - 1) == 60 * US
    assert retry_at([0], [MINUTE], 60 * US) is None


def test_the_longest_wait_of_all_windows_counts() -> None:
    accepted = [0, 10 * US, 20 * US, 30 * US, 40 * US]
    assert retry_at(accepted, [MINUTE, HOUR], 50 * US) == 3600 * US
    assert retry_at(accepted, [HOUR, MINUTE], 50 * US) == 3600 * US


def test_a_clock_that_stepped_back_is_held_at_the_newest_entry() -> None:
    assert retry_at([100 * US], [MINUTE], 0) == 160 * US
    assert retry_at([0, 100 * US], [Window(2, 60)], 0) is None


windows = st.lists(st.builds(Window, st.integers(1, 6), st.sampled_from([1, 2, 5, 60, 3600])), min_size=1, max_size=4)
times = st.lists(st.one_of(st.integers(0, 200).map(lambda s: s * US), st.integers(0, 4000 * US)), max_size=30)


@given(times, windows, st.integers(0, 5000 * US))
def test_it_answers_as_a_recount_of_every_window_does(accepted: list[int], windows: list[Window], now: int) -> None:
    accepted.sort()
    at = max([now, *accepted])
    answer = retry_at(accepted, windows, now)
    assert (answer is None) == fits(accepted, windows, at)
    assert (at if answer is None else answer) == first_fit(accepted, windows, at)
