"""How a carrier fares in time: a TOML file of phases, each with what is different in it."""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.carriers.smsc.behaviour import LONGEST_S, WireBehaviour, read_behaviour

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Phase:
    """For a while the carrier behaves so."""

    name: str
    for_s: float
    behaviour: WireBehaviour


@dataclass(frozen=True, slots=True)
class Script:
    """The phases in their order; after the last it goes on from the first if they repeat, else it stays as it is."""

    phases: tuple[Phase, ...]
    repeat: bool
    always: WireBehaviour  #: what phases begin from, and all there is without any

    async def play(self, enter: Callable[[Phase], None]) -> None:
        """Enter each phase when it begins."""
        while True:
            for phase in self.phases:
                enter(phase)
                await asyncio.sleep(phase.for_s)
            if not self.repeat or not self.phases:
                return


def read_script(text: str) -> Script:
    """The script in a TOML file: `repeat`, `[behaviour]` and `[[phases]]`.

    Raises:
        ValueError: it is no TOML, or something in it is unknown or impossible; the text says what.
    """
    told = tomllib.loads(text)
    if unknown := sorted(set(told) - {"repeat", "behaviour", "phases"}):
        raise ValueError(f"{unknown[0]} is unknown; there are repeat, [behaviour] and [[phases]]")
    repeat, behaviour, phases = told.get("repeat", False), told.get("behaviour", {}), told.get("phases", [])
    if not (isinstance(repeat, bool) and isinstance(behaviour, dict) and _are_tables(phases)):
        raise ValueError("repeat is true or false, [behaviour] a table and [[phases]] a list of tables")
    always = read_behaviour(behaviour, WireBehaviour())
    read = tuple(_phase(each, position, always) for position, each in enumerate(phases, 1))
    if repeat and not read:
        raise ValueError("there are no phases to repeat")
    return Script(read, repeat, always)


def _phase(told: dict[str, Any], position: int, always: WireBehaviour) -> Phase:
    name, for_s = told.get("name", f"phase {position}"), told.get("for_s")
    if not (isinstance(for_s, int | float) and 0 < for_s <= LONGEST_S):
        raise ValueError(f"phase {position}: for_s says for how many seconds it lasts, up to a week")
    try:
        changed = read_behaviour({key: value for key, value in told.items() if key not in ("name", "for_s")}, always)
    except ValueError as error:
        raise ValueError(f"phase {position}: {error}") from None
    return Phase(str(name), float(for_s), changed)


def _are_tables(phases: object) -> bool:
    return isinstance(phases, list) and all(isinstance(phase, dict) for phase in phases)
