"""A receipt in a job's record loses nothing, and the scripts are told of it what the engine knows."""

from __future__ import annotations

from uuid import uuid4

import pytest

from adapters.clock import SystemClock
from adapters.redis.kept import facts, kept
from engine.message import Category
from engine.receipts import Receipt, State


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("state", State)
def test_a_receipt_is_kept_whole(state: State, final: bool) -> None:
    now = SystemClock().now()
    texts = ["signature", "template", "ref", "7", "CODE", "reason 原因", "channel", "carrier id"]
    whole = Receipt(uuid4(), "account", "+8613800000000", Category.OTP, state, final, now, now, *texts, 3, 2, now)
    bare = Receipt(uuid4(), "account", "no number", Category.PROMOTION, state, final, now, now)
    assert None not in whole
    for receipt in whole, bare:
        rank, taken, doubt, text = facts(receipt)
        assert kept(text) == receipt
        assert doubt == (str(receipt.id) if receipt.unresolved else "")
        assert rank == receipt.rank
        if final or state in (State.SUBMITTED, State.UNKNOWN):  # nothing else is for now
            assert taken == receipt.taken
