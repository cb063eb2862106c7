"""A worker that is looked at each 2 ms of its CPU time: what is it at? (`python -m tests.benchmarks.sampled FILE …`)

The other words are those of `sms-engine`. It costs a percent or two, and shows what the interpreter spends in C where
the next line of Python begins, which is close enough to know which stage to look into.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.cli import main

if TYPE_CHECKING:
    from types import FrameType

EVERY_S = 0.002
ROOT = Path(__file__).resolve().parent.parent.parent
#: what a file of ours belongs to, the first that fits
STAGES = {
    "adapters/rabbitmq/receipt_feed": "recorder",
    "adapters/rabbitmq/receipts": "publish receipts",
    "adapters/rabbitmq/publisher": "publish receipts",
    "adapters/rabbitmq": "take and acknowledge",
    "adapters/redis": "ledger, limits and links",
    "adapters/coalesce": "coalesce",
    "adapters/postgres": "recorder",
    "engine/recorder": "recorder",
    "adapters/wire": "encode and decode",
    "adapters/telemetry": "telemetry",
    "adapters/numbers": "compose",
    "engine/compose": "compose",
    "engine/segments": "compose",
    "adapters/carriers": "carrier",
    "engine/deliver": "deliver",
    "engine/limits": "deliver",
    "engine": "choose a channel, health",
}
LIBRARIES = {"aiormq": "take and acknowledge", "pamqp": "take and acknowledge", "redis": "ledger, limits and links"}

seen: Counter[str] = Counter()


def look(_: int, frame: FrameType | None) -> None:
    """Count the stage of the innermost frame that is ours."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(str(ROOT)) and (part := name[len(str(ROOT)) + 1 :]).startswith(("adapters", "engine")):
            if stage := next((stage for prefix, stage in STAGES.items() if part.startswith(prefix)), None):
                seen[stage] += 1
                return
        elif library := next((stage for each, stage in LIBRARIES.items() if f"site-packages/{each}/" in name), None):
            seen[library] += 1
            return
        frame = frame.f_back
    seen["event loop"] += 1


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    try:
        main()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        file.write_text(json.dumps(seen))
