"""Several listeners behind the one telemetry of the engine; a broken one hinders neither the work nor the others."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.events import Event
    from engine.ports import Telemetry

_log = logging.getLogger(__name__)


class Fanout:
    """Emits each event to every listener."""

    def __init__(self, *listeners: Telemetry) -> None:
        self._listeners = listeners
        self._told: set[tuple[type, type]] = set()

    def emit(self, event: Event) -> None:
        """Tell what happened; never raises, never waits."""
        for listener in self._listeners:
            try:
                listener.emit(event)
            except Exception as error:  # noqa: BLE001  (telling must never harm doing)
                self._tell_once(listener, error)

    def _tell_once(self, listener: Telemetry, error: Exception) -> None:
        kind = (type(listener), type(error))
        if kind not in self._told:
            self._told.add(kind)
            _log.error("%s does not bear an event (%s)", kind[0].__name__, kind[1].__name__, exc_info=error)
