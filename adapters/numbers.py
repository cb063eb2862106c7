"""Which phone number does a string stand for, if any can exist? The world's numbering plans, by Google's metadata."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

from engine.message import Recipient

CACHED = 10_000  #: newest numbers; verification codes come to the same few, campaigns to each once
#: ASCII digits and common separators; no letters, no extensions, nothing long enough to keep a parser busy
_PLAUSIBLE = re.compile(r"\+?[0-9(][0-9 ().-]{2,30}", re.ASCII)


class PhoneNumbers:
    """Reads E.164 numbers, and national ones in a default region.

    A number without a plus is read as if dialled in the default region: as a national number, with the region's own
    country code in front of it (8613800000000 in CN), or with its international prefix (00). It is never tried as
    some other country's, where a mistyped digit could make it a stranger's.
    """

    def __init__(self, default_region: str) -> None:
        """`default_region` is an ISO 3166 code such as CN.

        Raises:
            ValueError: no numbering plan of that region is known.
        """
        if default_region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f"{default_region!r} is no region with a numbering plan; write it like CN or US")
        self._region = default_region
        self._cached = lru_cache(CACHED)(self._read)

    def read(self, to: str) -> Recipient | None:
        """The recipient a number stands for, or None if no such number can exist."""
        return self._cached(to) if _PLAUSIBLE.fullmatch(to) else None

    def _read(self, to: str) -> Recipient | None:
        try:
            number = phonenumbers.parse(to, self._region)
        except phonenumbers.NumberParseException:
            return None
        country = phonenumbers.region_code_for_number(number)
        if country is None or not phonenumbers.is_valid_number_for_region(number, country):
            return None
        return Recipient(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), country)
