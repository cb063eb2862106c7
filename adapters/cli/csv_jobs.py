"""Rows of a CSV file as send jobs: columns `to`, `signature`, `template`, and one for each variable.

A column `variables` may instead hold them all, as a JSON object. `ref` and `account` are known too.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KNOWN = ("to", "signature", "template", "ref", "account")


class CsvError(Exception):
    """The file cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message to be sent."""

    to: str
    template: str
    signature: str | None
    account: str
    ref: str | None
    params: Mapping[str, str]


def read(path: Path) -> list[Row]:
    """All rows of a file.

    Raises:
        CsvError: it cannot be read, lacks a column, or a row is broken (its line is named).
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True, strict=True)
            missing = [name for name in ("to", "template") if name not in (reader.fieldnames or ())]
            if missing:
                raise CsvError(f"{path} lacks the column {missing[0]!r}; its first line must name the columns.")
            return [_row(path, reader.line_num, fields) for fields in reader]
    except OSError as error:
        raise CsvError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise CsvError(f"{path} is not a CSV file in UTF-8: {error}.") from None


def _row(path: Path, line: int, fields: dict[str | None, str | list[str] | None]) -> Row:
    if None in fields:
        raise CsvError(f"{path}, line {line}: it has more fields than there are columns.")
    values = {str(name): value for name, value in fields.items() if isinstance(value, str) and value != ""}
    params = {name: value for name, value in values.items() if name not in (*_KNOWN, "variables")}
    if text := values.get("variables"):
        try:
            given = json.loads(text)
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise CsvError(f'{path}, line {line}: variables must be a JSON object such as {{"code": "1234"}}.')
        params |= {str(name): str(value) for name, value in given.items()}
    return Row(
        to=values.get("to", ""),
        template=values.get("template", ""),
        signature=values.get("signature"),
        account=values.get("account", "default"),
        ref=values.get("ref"),
        params=params,
    )
