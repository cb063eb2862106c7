"""What is to be seen of the channels: for the table of `sms-engine channels`, and for metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.breaker import Breaker, State
from engine.standing import EVERY, Alarm, Collapse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.board import Board


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel at this moment, over all workers."""

    name: str
    state: str  #: closed, open, half_open, disabled, or pinned
    score: float  #: 0 to 1
    weight: float  #: before health, latency and load count
    share: float  #: of the submits of the last 30 s, 0 to 1
    used_rate: float  #: segments a second of late
    rate: float  #: segments a second that it bears; perhaps infinite
    latency_s: float
    receipts: float | None  #: the share of messages that were delivered of those due; None: unknown
    collapsed: bool  #: whether its receipts are much worse than the others'
    ready: bool  #: whether any worker is connected
    reason: str  #: of what was decided last


def overview(board: Board) -> Sequence[ChannelView]:
    """Every channel."""
    reading = board.reading()
    traffic = {name: reading.traffic(name) for name in board.terms}
    total = sum(traffic.values()) or 1
    return [_view(board, name, traffic[name] / total) for name in board.terms]


def _view(board: Board, name: str, share: float) -> ChannelView:
    reading, receipts = board.reading(), board.reading().receipts(name)
    breaker, pin = board.standings.get(name, Breaker), board.pin(name)
    state = breaker.state.value if pin is None else "disabled" if pin.weight is None else "pinned"
    reason = breaker.reason if pin is None else f"by {pin.by or 'an operator'}"
    return ChannelView(
        name=name,
        state=state,
        score=reading.score(name),
        weight=board.weight(name) if breaker.state is State.CLOSED or pin else 0.0,
        share=share,
        used_rate=reading.used_rate(name),
        rate=board.rate(name),
        latency_s=reading.latency_s(name),
        receipts=receipts.rate if receipts.total >= 1 else None,
        collapsed=board.standings.get(name, Collapse).since is not None,
        ready=reading.ready(name),
        reason=reason,
    )


def alarmed(board: Board) -> bool:
    """Whether something is wrong with all channels together."""
    return bool(board.standings.get(EVERY, Alarm).reason)
