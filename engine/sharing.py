"""What a worker tells the others and what it hears, without a clock in common: all times are told as ages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.sightings import Sightings, Told, shifted
from engine.standing import Stands, Versioned, moved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.board import Board


class Share(NamedTuple):
    """What one worker tells; times are seconds after this moment, and so mostly negative."""

    report: Sightings
    decisions: Mapping[str, Versioned]  #: each shall stand if the version before it stands
    proposed: Mapping[str, Versioned]  #: the same with this worker's own times


def share(board: Board, now: float) -> Share:
    """What the others have to be told."""
    board.look()
    board.urgent = False
    proposed = board.standings.proposals()
    decisions = {name: Versioned(version, moved(made, -now)) for name, (version, made) in proposed.items()}
    return Share(shifted(board.own, -now), decisions, proposed)


def take(
    board: Board,
    now: float,
    told: Share,
    reports: Iterable[tuple[float, Sightings]],
    stands: Mapping[str, tuple[float, Stands]],
) -> None:
    """Take over what the others told, and what stands, each with its age in seconds; `told` is what was told them."""
    here = {
        name: Stands(Versioned(versioned.version, moved(versioned.decision, now - age_s)), ours)
        for name, (age_s, (versioned, ours)) in stands.items()
    }
    board.hear(Told([shifted(report, now - age_s) for age_s, report in reports], now), here, told.proposed)
