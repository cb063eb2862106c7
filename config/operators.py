"""The operator's table of number prefixes: a CSV file with the columns `country`, `prefix` and `operator`."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

from config.load import ConfigError
from engine.message import MAINLAND_CHINA

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config.settings import Settings

COLUMNS = ["country", "prefix", "operator"]
_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
_CHINESE = "+86"


def operators(settings: Settings) -> dict[str, dict[str, str]]:
    """Per country, the operator of each prefix in E.164 notation; empty without a table.

    Raises:
        ConfigError: the table cannot be used, or a channel is for an operator that it does not name.
    """
    table = _read(Path(settings.operator_prefixes)) if settings.operator_prefixes else {}
    known = {name for prefixes in table.values() for name in prefixes.values()}
    for channel in settings.channels:
        if unknown := sorted(set(channel.operators or ()) - known):
            raise ConfigError(
                f"Channel {channel.name}: operators = {unknown[0]!r}: no line of operator_prefixes names it,"
                " so no message could ever go there."
            )
    return table


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, skipinitialspace=True, strict=True)
            if next(lines, None) != COLUMNS:
                raise ConfigError(f"operator_prefixes = {path}: its first line must be {','.join(COLUMNS)}.")
            return _table(path, ((lines.line_num, fields) for fields in lines if fields))
    except OSError as error:
        raise ConfigError(f"operator_prefixes = {path}: it cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"operator_prefixes = {path}: it is not a CSV file in UTF-8: {error}.") from None


def _table(path: Path, lines: Iterable[tuple[int, list[str]]]) -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for number, fields in lines:
        if wrong := _complaint(fields, table):
            raise ConfigError(f"operator_prefixes = {path}, line {number}: {wrong}.")
        country, prefix, operator = fields
        table.setdefault(country, {})[prefix] = operator
    return table


def _complaint(fields: list[str], table: dict[str, dict[str, str]]) -> str | None:
    if len(fields) != len(COLUMNS):
        return f"it has {len(fields)} fields, not {len(COLUMNS)}"
    country, prefix, operator = fields
    if not re.fullmatch(r"[A-Z]{2}", country):
        return f"country = {country!r:.40}: write it as in ISO 3166, like GB"
    if not _PREFIX.fullmatch(prefix):
        return f"prefix = {prefix!r:.40}: write it as numbers begin in E.164, like +4479"
    if country == MAINLAND_CHINA or prefix.startswith(_CHINESE):
        return "numbers of mainland China keep their prefix when they change operator and must not be routed by it"
    if not operator.strip():
        return "it names no operator"
    if prefix in table.get(country, {}):
        return f"prefix {prefix} stands there a second time"
    return None
