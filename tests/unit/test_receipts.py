"""Receipts merge by rank, whatever the order of their arrival."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import reduce
from itertools import permutations
from uuid import UUID, uuid4, uuid5

import pytest

from engine.message import Category
from engine.receipts import DeliveryReceipt, Receipt, State, advance, merge

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
BASE = Receipt(uuid4(), "default", "+8613800000000", Category.OTP, State.SUBMITTED, False, AT, AT, attempts=1)
UNKNOWN = BASE._replace(state=State.UNKNOWN)
UNKNOWN_FINAL = UNKNOWN._replace(final=True)
DELIVERED = BASE._replace(state=State.DELIVERED, final=True)


def test_any_order_of_arrival_ends_in_the_same_state() -> None:
    for order in permutations([UNKNOWN, BASE, UNKNOWN_FINAL, DELIVERED]):
        assert reduce(merge, order) is DELIVERED


@pytest.mark.parametrize("state", [State.DELIVERED, State.UNDELIVERED, State.REJECTED, State.FAILED, State.EXPIRED])
def test_a_final_state_does_not_change(state: State) -> None:
    standing = BASE._replace(state=state, final=True)
    for other in (UNKNOWN, BASE, UNKNOWN_FINAL, DELIVERED, BASE._replace(state=State.UNDELIVERED, final=True)):
        assert merge(standing, other) is standing


def test_unknown_is_upgraded_by_evidence_even_when_final() -> None:
    assert merge(UNKNOWN, BASE) is BASE
    assert merge(UNKNOWN_FINAL, DELIVERED) is DELIVERED
    assert merge(UNKNOWN_FINAL, BASE) is UNKNOWN_FINAL


def test_the_id_is_equal_on_a_repeat_and_differs_between_state_changes() -> None:
    assert BASE._replace(reason="told again").id == BASE.id
    assert BASE._replace(reason="told again").repeats(BASE)
    assert not any(r.repeats(BASE) for r in (UNKNOWN, DELIVERED, BASE._replace(attempts=2), BASE._replace(job=uuid4())))
    assert len({r.id for r in (BASE, UNKNOWN, UNKNOWN_FINAL, DELIVERED, BASE._replace(job=uuid4()))}) == 5


def test_a_delivery_receipt_makes_a_final_receipt_that_keeps_what_was_known() -> None:
    dlr = DeliveryReceipt("alpha", "77", State.UNDELIVERED, AT, code="ABSENT", status="UNDELIV 27")
    receipt = advance(BASE._replace(submitted_at=AT, segments=2), dlr)
    assert (receipt.state, receipt.final, receipt.code) == (State.UNDELIVERED, True, "ABSENT")
    assert (receipt.channel, receipt.carrier_id, receipt.segments, receipt.submitted_at) == ("alpha", "77", 2, AT)
    assert "UNDELIV 27" in (receipt.reason or "")


def test_a_carrier_that_names_no_id_when_it_is_asked_does_not_take_the_known_one_away() -> None:
    nameless = DeliveryReceipt("alpha", "", State.DELIVERED, AT)
    assert advance(BASE._replace(carrier_id="77"), nameless).carrier_id == "77"
    assert advance(UNKNOWN, nameless).carrier_id is None


def test_an_intermediate_status_changes_nothing() -> None:
    assert advance(BASE, DeliveryReceipt("alpha", "77", State.SUBMITTED, AT, status="ENROUTE")) is BASE


@pytest.mark.parametrize("state", list(State))
def test_only_messages_that_no_carrier_took_give_their_charges_back(state: State) -> None:
    taken = state not in (State.REJECTED, State.FAILED, State.EXPIRED)
    assert BASE._replace(state=state).taken is taken


def test_the_id_is_a_uuid_of_what_the_receipt_says() -> None:
    name = f"{DELIVERED.job}:{DELIVERED.attempts}:delivered:True"
    assert DELIVERED.id == uuid5(UUID("6f1c9a52-5d0e-5a4b-9a7e-2f1f6f0f8c11"), name)
