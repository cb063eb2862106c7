"""The JSON others rely on: what goes out comes back in, and nothing that comes in does harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters import wire, wire_receipts
from adapters.wire import BadBodyError
from engine.message import Category, Job
from engine.receipts import Receipt, State

NOW = datetime(2026, 11, 22, 10, 0, 0, 123000, tzinfo=UTC)
OTP = Category.OTP
ID = "0190b5a6-0000-7000-8000-000000000000"

milliseconds = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
#: text as a field may hold it
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
maybe = st.none() | words
jobs = st.builds(
    Job,
    id=st.uuids(),
    to=words,
    category=st.sampled_from(Category),
    enqueued_at=st.just(NOW),
    signature=maybe,
    template=maybe,
    params=st.dictionaries(words, words, max_size=3),
    text=maybe,
    account=words.filter(bool),
    ref=maybe,
    extend=maybe,
    not_before=st.none() | milliseconds,
    expires_at=st.none() | milliseconds,
)
receipts = st.builds(
    Receipt,
    job=st.uuids(),
    account=words,
    to=words,
    category=st.sampled_from(Category),
    state=st.sampled_from(State),
    final=st.booleans(),
    at=milliseconds,
    enqueued_at=milliseconds,
    signature=maybe,
    template=maybe,
    ref=maybe,
    code=maybe,
    reason=maybe,
    channel=maybe,
    carrier_id=maybe,
    attempts=st.integers(0, 100),
    segments=st.integers(0, 20),
    submitted_at=st.none() | milliseconds,
)


def decode(body: bytes, **about: Any) -> list[Job]:
    return wire.decode_jobs(body, OTP, received_at=NOW, **about)


def read_or_reason(read: Callable[[], list[Any]]) -> bool:
    """Whether bytes were read as a list, or refused with a reason; any other error is the caller's."""
    try:
        return isinstance(read(), list)
    except BadBodyError as error:
        return bool(str(error))


def body(**fields: Any) -> bytes:
    return json.dumps({"id": ID, "to": "+8613800000000", **fields}).encode()


@given(st.lists(jobs, min_size=1, max_size=5))
def test_jobs_come_back_as_they_were_encoded(sent: list[Job]) -> None:
    expected = [job._replace(category=OTP) for job in sent]
    assert decode(wire.encode_jobs(sent), enqueued_at=NOW) == expected


@given(st.lists(receipts, max_size=5))
def test_receipts_come_back_as_they_were_encoded(sent: list[Receipt]) -> None:
    assert wire_receipts.decode_receipts(wire_receipts.encode_receipts(sent)) == sent


@given(st.lists(receipts, max_size=5), words)
def test_what_is_recorded_is_the_receipt_as_it_was_published(sent: list[Receipt], new: str) -> None:
    bodies = [{**json.loads(wire_receipts.encode_receipt(receipt)), "id": ID, "new": new} for receipt in sent]
    found = wire_receipts.decode_published(json.dumps(bodies, ensure_ascii=False).encode())
    assert [each.receipt for each in found] == sent
    assert [json.loads(each.raw) for each in found] == bodies
    assert {each.id for each in found} <= {UUID(ID)}


@given(receipts)
def test_a_receipt_has_every_field_of_the_contract_under_its_own_id(receipt: Receipt) -> None:
    fields = json.loads(wire_receipts.encode_receipt(receipt))
    assert list(fields) == [
        *("v", "id", "job", "account", "to", "signature", "template", "category", "ref", "state", "final"),
        *("code", "reason", "channel", "carrier_id", "attempts", "segments", "at", "enqueued_at", "submitted_at"),
    ]
    assert (fields["v"], fields["id"], fields["job"]) == (1, str(receipt.id), str(receipt.job))
    assert fields["at"].endswith("Z")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"")
@example(b"[]")
@example(b"null")
@example(b"\xff\xfe")
@example(b'"\xed\xa0\x80"')
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"1" * 10_000)
@example(body() + body())
@example(b"\xef\xbb\xbf" + body())
def test_whatever_bytes_come_they_are_jobs_or_a_bad_body(hostile: bytes) -> None:
    for read in (
        lambda: decode(hostile),
        lambda: wire.decode_each(hostile, OTP, received_at=NOW),
        lambda: wire_receipts.decode_receipts(hostile),
        lambda: wire_receipts.decode_published(hostile),
    ):
        assert read_or_reason(read)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just(ID),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
field_names = st.sampled_from(
    [
        "id",
        "to",
        "signature",
        "template",
        "params",
        "text",
        "account",
        "ref",
        "extend",
        "not_before",
        "expires_at",
        "new",
    ]
)


@given(st.dictionaries(field_names, json_values))
def test_whatever_stands_in_the_fields_it_is_a_job_or_a_bad_body(fields: dict[str, Any]) -> None:
    assert read_or_reason(lambda: decode(json.dumps({"id": ID, "to": "1", **fields}).encode()))


def test_one_object_is_one_job() -> None:
    [job] = decode(b" \n" + body(text="hi"))
    assert (job.id, job.to, job.text, job.account, job.category) == (UUID(ID), "+8613800000000", "hi", "default", OTP)


def test_fields_nobody_knows_are_ignored() -> None:
    assert len(decode(body(colour="red", nested={"a": [1]}))) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"id": None},
        {"id": "7"},
        {"to": 13800000000},
        {"to": "1" * 1025},
        {"params": {"code": 4711}},
        {"params": []},
        {"account": ""},
        {"account": "a" * 61},
        {"not_before": "2026-11-22T10:00:00"},
        {"expires_at": "soon"},
        {"expires_at": 1_763_800_000},
        {"text": "a\ud800"},
        {"to": "+86\x00"},
        {"signature": "\x00"},
        {"template": "\x00"},
        {"account": "\x00"},
        {"ref": "\x00"},
    ],
)
def test_a_field_that_is_not_what_the_contract_says_makes_a_bad_body(fields: dict[str, Any]) -> None:
    with pytest.raises(BadBodyError):
        decode(body(**fields))


@pytest.mark.parametrize("left_out", ["id", "to"])
def test_a_job_needs_an_id_and_a_recipient(left_out: str) -> None:
    fields = {"id": ID, "to": "+8613800000000"}
    del fields[left_out]
    with pytest.raises(BadBodyError, match=left_out):
        decode(json.dumps(fields).encode())


def test_a_bad_body_says_why_without_quoting_it() -> None:
    with pytest.raises(BadBodyError) as caught:
        decode(body(text=["the code is 4711"], to="+8613800000000"))
    assert "4711" not in str(caught.value)
    assert "text" in str(caught.value)


@pytest.mark.parametrize(("count", "readable"), [(0, False), (1, True), (500, True), (501, False)])
def test_an_array_holds_1_to_500_jobs(count: int, readable: bool) -> None:
    array = b"[" + b",".join([body()] * count) + b"]"
    if readable:
        assert len(decode(array)) == count
        assert len(wire.decode_each(array, OTP, received_at=NOW)) == count
    else:
        for read in (lambda: decode(array), lambda: wire.decode_each(array, OTP, received_at=NOW)):
            with pytest.raises(BadBodyError, match="1 to 500"):
                read()  # type: ignore[no-untyped-call]


def test_a_body_holds_1_mib() -> None:
    largest = body().ljust(wire.MAX_BODY_BYTES)
    assert len(decode(largest)) == 1
    with pytest.raises(BadBodyError, match="bytes"):
        decode(largest + b" ")


def test_one_bad_job_makes_the_whole_body_bad() -> None:
    with pytest.raises(BadBodyError):
        decode(b"[" + body() + b',{"to":"1"}]')


def test_a_producer_who_waits_gets_a_verdict_per_job() -> None:
    good, bad, more = wire.decode_each(b"[" + body() + b',{"to":"1"},' + body() + b"]", OTP, received_at=NOW)
    assert isinstance(good, Job)
    assert isinstance(more, Job)
    assert isinstance(bad, BadBodyError)
    assert good.enqueued_at == NOW


def minted(at: datetime, version: int = 7) -> str:
    time_ms = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return str(UUID(int=time_ms << 80 | version << 76 | 0b10 << 62 | uuid4().int & 0xFFFF))


def test_a_stated_time_counts_above_all() -> None:
    stated = NOW - timedelta(days=30)
    [job] = decode(body(id=minted(NOW - timedelta(minutes=1))), enqueued_at=stated)
    assert job.enqueued_at == stated


def test_nothing_was_enqueued_after_it_was_received() -> None:
    [job] = decode(body(), enqueued_at=NOW + timedelta(hours=1))
    assert job.enqueued_at == NOW


@pytest.mark.parametrize(
    ("job", "enqueued_at"),
    [
        (minted(NOW - timedelta(minutes=1)), NOW - timedelta(minutes=1)),
        (minted(NOW - timedelta(days=8)), NOW),
        (minted(NOW + timedelta(minutes=1)), NOW),
        (minted(NOW - timedelta(minutes=1), version=4), NOW),
    ],
    ids=["of this minute", "too long ago", "in the future", "no UUIDv7"],
)
def test_without_a_stated_time_a_fresh_uuidv7_tells_it(job: str, enqueued_at: datetime) -> None:
    assert decode(body(id=job))[0].enqueued_at == enqueued_at


@pytest.mark.parametrize("at", [NOW, NOW.astimezone(timezone(timedelta(hours=8))), NOW + timedelta(microseconds=999)])
def test_times_are_written_in_utc_with_milliseconds(at: datetime) -> None:
    assert wire.rfc3339(at) == "2026-11-22T10:00:00.123Z"
