"""Do settings make a service? Asked before several processes are started, so that the answer is heard once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from adapters.bootstrap import channels as ways
from adapters.bootstrap import http_carrier
from adapters.clock import SystemClock
from adapters.memory.rate_cap import MemoryRateCap
from adapters.telemetry.fanout import Fanout
from config.operators import operators
from config.servers import urls

if TYPE_CHECKING:
    from config.settings import Settings


def check(settings: Settings) -> None:
    """Put together what can be wrong, and open nothing.

    Raises:
        ConfigError: the settings do not make a service on servers.
    """
    urls(settings)
    clock = SystemClock()
    channels = ways.build(settings, MemoryRateCap(clock), clock, Fanout())
    http_carrier.webhooks(settings, channels, os.environ)
    operators(settings)
