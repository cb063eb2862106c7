"""What travels beside a body, from us and from anybody."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import decode, frame
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from adapters.rabbitmq import headers, lenient
from adapters.rabbitmq.headers import Slip
from adapters.rabbitmq.topology import TIERS, tier_for

NOW = datetime(2026, 11, 22, 10, 0, 0, 123000, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

lenient.tolerate()  # as whatever connects does


def over_the_wire(properties: Basic.Properties) -> Basic.Properties:
    """As the next reader sees them."""
    _, _, header = frame.unmarshal(frame.marshal(ContentHeader(properties=properties), 1))
    assert isinstance(header, ContentHeader)
    return header.properties


@pytest.mark.parametrize("slip", [Slip(), Slip(NOW), Slip(NOW, 300 * 86_400.0, 7, TRACE)])
def test_a_slip_survives_the_wire(slip: Slip) -> None:
    assert headers.read(over_the_wire(headers.of_jobs(slip))) == slip


def test_a_body_of_jobs_is_persistent_json() -> None:
    properties = headers.of_jobs(Slip(NOW))
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert properties.timestamp == NOW


def test_a_producer_may_state_the_time_as_the_amqp_timestamp() -> None:
    stated = NOW.replace(microsecond=0)
    assert headers.read(over_the_wire(Basic.Properties(timestamp=stated))).enqueued_at == stated


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-wait-ms", "long"),
        ("x-wait-ms", 2**63 - 1),
        ("x-wait-ms", -(2**63)),
        ("x-deferrals", -1),
        ("x-deferrals", "many"),
        ("x-enqueued-at", "yesterday"),
        ("x-enqueued-at", "2026-11-22T10:00:00"),
        ("x-enqueued-at", "0001-01-01T00:00:00+14:00"),
        ("x-enqueued-at", 5),
        ("traceparent", "0" * 1000),
        ("traceparent", 5),
    ],
)
def test_a_header_that_makes_no_sense_counts_as_absent(name: str, value: Any) -> None:
    assert headers.read(Basic.Properties(headers={name: value})) == Slip()


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_number_may_stand_where_the_wait_stands(value: int) -> None:
    over_the_wire(headers.of_jobs(headers.read(Basic.Properties(headers={"x-wait-ms": value}))))


def test_a_dead_letter_keeps_what_a_broker_takes_back() -> None:
    own = Basic.Properties(
        content_type="text/plain",
        content_encoding="gzip",
        correlation_id="c",
        message_id="m",
        expiration="5",
        user_id="somebody",
        headers={
            "tenant": "shop",
            "x-death": [{"count": 1}],
            "x-first-death-queue": "q",
            "CC": ["else"],
            "raw": b"\xff",
        },
    )
    kept = over_the_wire(headers.of_dead_letter(own, "no JSON", NOW, "5s.otp"))
    assert (kept.content_type, kept.content_encoding, kept.correlation_id) == ("text/plain", "gzip", "c")
    assert (kept.expiration, kept.user_id, kept.delivery_mode) == (None, None, 2)
    assert kept.headers == {
        "tenant": "shop",
        "x-reason": "no JSON",
        "x-received-at": "2026-11-22T10:00:00.123Z",
        "x-routing-key": "5s.otp",
        "x-message-id": "m",
    }


def test_headers_that_might_not_fit_into_a_frame_again_are_left_behind() -> None:
    own = Basic.Properties(headers={f"h{number}": "x" * 1000 for number in range(130)})
    assert len(headers.of_dead_letter(own, "no JSON", NOW, "otp").headers or {}) == 4


@pytest.mark.parametrize(
    ("flag", "raw"),
    [
        ("timestamp", (1_763_800_000_000_000).to_bytes(8, "big")),
        ("timestamp", b"\xff" * 8),
        ("message_id", b"\x03\xff\xfe\xfd"),
        ("headers", (7).to_bytes(4, "big") + b"\x01\xffS\x00\x00\x00\x00"),
        ("headers", (8).to_bytes(4, "big") + b"\x01aQ12345"),
    ],
    ids=["microseconds", "the end of time", "no UTF-8", "a name that is no UTF-8", "a type nobody knows"],
)
def test_a_property_that_cannot_be_read_leaves_the_others_readable(flag: str, raw: bytes) -> None:
    class Raw(Basic.Properties):
        def marshal(self) -> bytes:
            flags = self.flags[flag] | self.flags["app_id"]
            return flags.to_bytes(2, "big") + raw + b"\x04shop"

    read = over_the_wire(Raw())
    assert read.app_id == "shop"
    headers.read(read)


def test_tables_within_tables_do_not_exhaust_the_stack() -> None:
    table = b""
    for _ in range(5000):
        inner = b"\x01aF" + len(table).to_bytes(4, "big") + table
        table = inner
    raw = len(table).to_bytes(4, "big") + table
    assert decode.by_type(raw + b"rest", "table") == (len(raw), None)


@pytest.mark.parametrize(
    ("delay_s", "tier"),
    [(0.01, "1s"), (1, "1s"), (4.9, "1s"), (5, "5s"), (59, "15s"), (299, "60s"), (3600, "1h"), (1e9, "1h")],
)
def test_a_job_waits_in_the_longest_tier_that_is_not_too_long(delay_s: float, tier: str) -> None:
    assert tier_for(delay_s) == tier


@given(st.floats(0.001, 1e6))
def test_no_tier_but_the_shortest_keeps_a_job_too_long(delay_s: float) -> None:
    assert tier_for(delay_s) == "1s" or TIERS[tier_for(delay_s)] <= delay_s
