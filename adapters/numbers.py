"""Which phone number does a string stand for, if any can exist? The world's numbering plans, by Google's metadata."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

import phonenumbers

from engine.message import Recipient

CACHED = 10_000  #: newest numbers; verification codes come to the same few, campaigns to each once
#: ASCII digits and common separators; no letters, no extensions, nothing long enough to keep a parser busy
_E164 = re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII)
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
        code, national = written_out(to) or (0, "")
        if plan := _plan(code):
            return Recipient(to, plan.region) if plan.has(national) else None
        try:
            number = _number(code, national) if national else phonenumbers.parse(to, self._region)
        except phonenumbers.NumberParseException:
            return None
        country = phonenumbers.region_code_for_number(number)
        if country is None or not phonenumbers.is_valid_number_for_region(number, country):
            return None
        return Recipient(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), country)


def written_out(to: str) -> tuple[int, str] | None:
    """Country code and national number of an E.164 number, as parsing it gives; None where it might find more to it.

    That is where the rest of the number may begin with a national prefix, which would be left out, or with a zero.
    """
    if not _E164.fullmatch(to):
        return None
    for end in (2, 3, 4):
        if (code := int(to[1:end])) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            national = to[end:]
            return None if national.startswith("0") or _prefix(code).match(national) else (code, national)
    return None


def _number(country_code: int, national: str) -> phonenumbers.PhoneNumber:
    return phonenumbers.PhoneNumber(country_code=country_code, national_number=int(national))


class _Plan(NamedTuple):
    """The numbers there are in a region that has its country code to itself, so that 2 us tell what takes 20 else."""

    region: str
    every: re.Pattern[str]
    kinds: tuple[tuple[tuple[int, ...], re.Pattern[str]], ...]  #: lengths, where they say something, and numbers

    def has(self, national: str) -> bool:
        """Whether such a number can exist."""
        if not self.every.fullmatch(national):
            return False
        length = len(national)
        return any((not lengths or length in lengths) and one.fullmatch(national) for lengths, one in self.kinds)


@cache
def _plan(country_code: int) -> _Plan | None:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(country_code, ())
    if len(regions) != 1:
        return None
    found = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(country_code, regions[0])
    assert found
    kinds = (
        found.mobile, found.fixed_line, found.premium_rate, found.toll_free, found.shared_cost, found.voip,
        found.personal_number, found.pager, found.uan, found.voicemail,
    )  # fmt: skip
    return _Plan(
        regions[0],
        re.compile((found.general_desc and found.general_desc.national_number_pattern) or r"(?!)"),
        tuple(
            (tuple(kind.possible_length), re.compile(kind.national_number_pattern))
            for kind in kinds
            if kind is not None and kind.national_number_pattern
        ),
    )


@cache
def _prefix(country_code: int) -> re.Pattern[str]:
    """What may stand in front of a country's national numbers; nothing matches where nothing may."""
    region = phonenumbers.region_code_for_country_code(country_code)
    plan = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)
    assert plan
    return re.compile(plan.national_prefix_for_parsing or r"(?!)")
