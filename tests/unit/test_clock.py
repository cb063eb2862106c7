"""The real time, as the wire has it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.clock import SystemClock

IN_2100_NS = 4_102_444_800 * 10**9


@given(st.integers(0, IN_2100_NS))
def test_the_time_is_told_in_whole_milliseconds_and_never_ahead(now_ns: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time_ns", lambda: now_ns)
        told = SystemClock().now()
    assert (told - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() == now_ns // 10**6 / 1000
    assert told.microsecond % 1000 == 0
