"""The real time."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Aware UTC time, in whole milliseconds, as the wire has it."""
        return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)  # exact until 2106

    def monotonic(self) -> float:
        """Seconds that never step back."""
        return time.monotonic()
