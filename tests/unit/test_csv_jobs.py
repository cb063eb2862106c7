"""Rows of a CSV file as messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cli.csv_jobs import CsvError, Row, read


def rows(tmp_path: Path, text: str, encoding: str = "utf-8") -> list[Row]:
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode(encoding))
    return read(path)


def test_every_further_column_is_a_variable(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "to,signature,template,code,ref\n+8613800000000,Acme,SMS_1001,4711,r1\n")
    assert row == Row("+8613800000000", "SMS_1001", "Acme", "default", "r1", {"code": "4711"})


def test_a_column_variables_holds_them_all_as_json(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, 'to,signature,template,variables\n1,Acme,T,"{""code"": 4711, ""day"": ""Monday""}"\n')
    assert row.params == {"code": "4711", "day": "Monday"}


def test_empty_fields_are_absent_and_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "to, signature, template, code\n1,,T,\n", "utf-8-sig")
    assert (row.to, row.signature, row.params) == ("1", None, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("number,template\n1,T\n", "lacks the column 'to'"),
        ("", "lacks the column 'to'"),
        ("to,template\n1,T,extra\n", "line 2: it has more fields"),
        ("to,template,variables\n1,T,code=1\n", "line 2: variables must be a JSON object"),
        ('to,template\n"1,T\n', "is not a CSV file"),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_the_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CsvError, match=words):
        rows(tmp_path, text)


def test_another_encoding_is_told(tmp_path: Path) -> None:
    with pytest.raises(CsvError, match="UTF-8"):
        rows(tmp_path, "to,template,name\n1,T,中文\n", "gbk")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CsvError, match="cannot be read: No such file"):
        read(tmp_path / "none.csv")
