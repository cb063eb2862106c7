"""Whose subscriber is a number, by its prefix?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.message import MAINLAND_CHINA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.message import Recipient


class PrefixTable:
    """The operator to whom a number was first given; the longest prefix wins.

    Where numbers can be ported that is often another one by now. A look-up of ported numbers (an MNP or HLR service)
    would take this one's place in `adapters/bootstrap/service.py`: an `OperatorResolver` of its own that asks the
    service, remembers answers for a day or more, and forgets one when a carrier says that the number is not its
    subscriber's; and that answers None within a fraction of a second rather than wait, for the job is leased meanwhile.
    """

    def __init__(self, table: Mapping[str, Mapping[str, str]]) -> None:
        """`table` has per country (ISO 3166) the operator of each prefix in E.164 notation."""
        self._table = table
        self._lengths = {
            country: sorted({len(prefix) for prefix in prefixes}, reverse=True) for country, prefixes in table.items()
        }

    async def operator_of(self, recipient: Recipient) -> str | None:
        """The operator of the longest prefix; never one in mainland China, where prefixes say nothing any more."""
        country = recipient.country
        if country == MAINLAND_CHINA or country not in self._table:
            return None
        prefixes = (recipient.number[:length] for length in self._lengths[country])
        return next((self._table[country][prefix] for prefix in prefixes if prefix in self._table[country]), None)
