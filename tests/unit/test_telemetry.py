"""What logs and metrics make of the engine's events, and what they must never hold."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from prometheus_client import generate_latest

from adapters.telemetry import logs
from adapters.telemetry.fanout import Fanout
from adapters.telemetry.logs import Logs
from adapters.telemetry.masked import masked
from adapters.telemetry.metrics import Metrics
from engine import events
from engine.message import Category
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled, Unanswered
from engine.receipts import DeliveryReceipt, NotSent, Receipt, State
from engine.routing import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JOB, NOW = uuid4(), datetime(2026, 11, 22, tzinfo=UTC)
NUMBER = "+8613800001234"


def receipt(state: State, code: str | None = None, to: str = NUMBER) -> Receipt:
    return Receipt(JOB, "default", to, Category.OTP, state, True, NOW, NOW, code=code, reason=f"{NUMBER} said no")


def submitted(outcome: Any) -> events.Submitted:
    return events.Submitted(JOB, "alpha", Category.OTP, outcome, 2, 0.03)


def crashed() -> events.Crashed:
    try:
        raise KeyError(f"{NUMBER} Your code is 1234.")
    except KeyError as error:
        return events.Crashed(JOB, Category.OTP, error)


EVERY_EVENT = [
    submitted(Accepted("m-1")),
    submitted(Refused("E1", f"{NUMBER} is blocked")),
    submitted(ChannelFault("The carrier answered HTTP 503.")),
    submitted(Throttled("The carrier answered HTTP 429.")),
    submitted(Unanswered("No answer within 8 s.")),
    events.Reported(receipt(State.SUBMITTED), 0.2),
    events.Reported(receipt(State.DELIVERED), 3.0),
    events.Reported(receipt(State.REJECTED, "LIMIT_OTP_PER_NUMBER"), 0.1),
    events.Reported(receipt(State.REJECTED, "NUMBER_INVALID", to=f"call me: {NUMBER}"), 0.1),
    events.Reported(receipt(State.SUBMITTED), 99.0, repeated=True),
    events.Deferred(JOB, Category.OTP, "no_channel", 5.0),
    events.BindUp("alpha", "transceiver"),
    events.BindDown("alpha", "transceiver", "the carrier hung up", False, 12.5),
    events.BindDown("alpha", "transceiver", "the carrier refuses the bind (ESME_RINVPASWD)", True),
    events.AnsweredLate(JOB, "alpha", Accepted("m-9")),
    crashed(),
    events.StaleResult(JOB, "alpha"),
    events.DeliveryReceiptSeen("alpha", "DELIVRD", matched=True, rule="zeros"),
    events.DeliveryReceiptSeen("alpha", "DELIVRD", matched=False),
    events.Scheduled(12),
    events.Asked(JOB, "alpha", DeliveryReceipt("alpha", "m-2", State.SUBMITTED, NOW)),
    events.Asked(JOB, "alpha", NotSent()),
    events.Asked(JOB, "alpha", None),
    events.Recorded("receipts", 40, 0.01),
    events.DeadLettered("sms.jobs.otp", "the body is not UTF-8"),
    events.ServerAway("redis", "ConnectionError"),
    events.ServerBack("redis", 2.5),
]


def counted(*told: Any) -> Callable[..., float | None]:
    metrics = Metrics()
    for event in told:
        metrics.emit(event)
    return lambda name, **labels: metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines logged so far, at level debug."""
    root, stream = logging.getLogger(), io.StringIO()
    before = (list(root.handlers), root.level)
    logs.configure(stream, "debug")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], _ = before
    root.setLevel(before[1])


def test_submits_are_counted_by_outcome_and_segments_only_where_a_carrier_took_them() -> None:
    value = counted(*EVERY_EVENT)
    for outcome in ("accepted", "refused", "fault", "throttled", "unanswered"):
        assert value("sms_submits_total", channel="alpha", category="otp", outcome=outcome) == 1
    assert value("sms_segments_total", channel="alpha", category="otp") == 2
    assert value("sms_submit_seconds_count", channel="alpha") == 5


def test_receipts_are_counted_once_and_repeats_apart() -> None:
    value = counted(*EVERY_EVENT)
    assert value("sms_receipts_total", state="submitted", category="otp") == 1
    assert value("sms_receipts_total", state="rejected", category="otp") == 2
    assert value("sms_repeats_total") == 1


def test_the_age_of_a_message_is_taken_when_a_carrier_took_it() -> None:
    value = counted(*EVERY_EVENT)
    assert value("sms_receipt_age_seconds_count", category="otp") == 1
    assert value("sms_receipt_age_seconds_sum", category="otp") == pytest.approx(0.2)


def test_only_limits_count_as_limited() -> None:
    value = counted(*EVERY_EVENT)
    assert value("sms_limited_total", code="LIMIT_OTP_PER_NUMBER") == 1
    assert value("sms_limited_total", code="NUMBER_INVALID") is None


def test_everything_else_is_counted() -> None:
    value = counted(*EVERY_EVENT)
    assert value("sms_deferrals_total", why="no_channel") == 1
    assert value("sms_crashes_total") == 1
    assert value("sms_stale_results_total") == 1
    assert value("sms_delivery_receipts_total", channel="alpha", matched="yes", rule="zeros") == 1
    assert value("sms_delivery_receipts_total", channel="alpha", matched="no", rule="none") == 1
    assert value("sms_recorded_total", kind="receipts") == 40
    assert value("sms_dead_lettered_total") == 1
    assert value("sms_late_answers_total", channel="alpha", outcome="accepted") == 1


def test_binds_that_are_up_are_shown_and_those_that_ended_counted() -> None:
    up = events.BindUp("alpha", "receiver")
    failed = events.BindDown("alpha", "receiver", "no connection to the carrier (OSError)", False)
    ended = events.BindDown("alpha", "receiver", "the carrier hung up", False, 3.0)
    value = counted(failed, up, up, ended, failed)
    assert value("sms_binds", channel="alpha", mode="receiver") == 1
    assert value("sms_bind_ends_total", channel="alpha", mode="receiver") == 1


def test_a_bind_that_somebody_has_to_see_to_is_an_error(lines: Any) -> None:
    for fatal in (False, True):
        Logs().emit(events.BindDown("alpha", "transceiver", "why", fatal))
    assert [(line["level"], line["reason"]) for line in lines()] == [("warning", "why"), ("error", "why")]


def test_a_server_is_up_until_it_is_away_and_again_when_it_is_back() -> None:
    away = events.ServerAway("redis", "ConnectionError")
    assert counted(away)("sms_server_up", server="redis") == 0
    assert counted(away, events.ServerBack("redis", 1.0))("sms_server_up", server="redis") == 1


def test_channels_and_servers_are_shown_before_anything_happens() -> None:
    class Channel:
        profile = Profile("alpha")
        load = 0.25

    class Health:
        def score(self, channel: str) -> float:
            return {"alpha": 0.9}[channel]

    metrics, channel = Metrics(), Channel()
    metrics.watch([channel], Health(), ["redis"])  # type: ignore[list-item, arg-type]
    value = metrics.registry.get_sample_value
    assert value("sms_server_up", {"server": "redis"}) == 1
    assert value("sms_channel_health", {"channel": "alpha"}) == 0.9
    assert value("sms_channel_load", {"channel": "alpha"}) == 0.25
    channel.load = 0.5
    assert value("sms_channel_load", {"channel": "alpha"}) == 0.5


def test_no_metric_holds_a_number_or_a_text() -> None:
    metrics = Metrics()
    for event in EVERY_EVENT:
        metrics.emit(event)
    exposed = generate_latest(metrics.registry).decode()
    assert "sms_submits_total" in exposed
    assert "13800001234" not in exposed
    assert "Your code" not in exposed


def test_no_line_holds_a_number_or_a_text_or_what_an_exception_says(lines: Any) -> None:
    telemetry = Logs()
    for event in EVERY_EVENT:
        telemetry.emit(event)
    assert len(lines()) == len(EVERY_EVENT)
    written = json.dumps(lines())
    assert "13800001234" not in written
    assert "Your code" not in written
    assert "+86*******1234" in written


def test_a_crash_is_told_with_its_kind_its_place_and_its_job(lines: Any) -> None:
    Logs().emit(crashed())
    (line,) = lines()
    assert (line["level"], line["error"], line["job"]) == ("error", "KeyError", str(JOB))
    assert line["where"][0].startswith("test_telemetry.py:")
    assert line["where"][0].endswith(" crashed")


def test_libraries_log_the_same_way_without_what_their_exceptions_say(lines: Any) -> None:
    try:
        raise ValueError(NUMBER)
    except ValueError:
        logging.getLogger("library").exception("it %s", "broke")
    (line,) = lines()
    assert (line["event"], line["logger"], line["level"], line["error"]) == (
        "it broke",
        "library",
        "error",
        "ValueError",
    )
    assert NUMBER not in json.dumps(line)


def test_single_messages_are_told_only_when_asked_for(lines: Any) -> None:
    logging.getLogger().setLevel(logging.INFO)
    telemetry = Logs()
    for event in EVERY_EVENT:
        telemetry.emit(event)
    assert [line["event"] for line in lines()] == [
        "a bind is up",
        "a bind is down",
        "a bind is down",
        "handling a job raised",
        "a result came after its lease had ended",
        "something was put aside",
        "a server is away; work waits",
        "a server is back",
    ]


def test_on_a_terminal_lines_are_for_people(lines: Any) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    logs.configure(terminal)
    Logs().emit(events.ServerAway("redis", "ConnectionError"))
    assert "a server is away" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800001234", "+86*******1234"),
        ("+12015550123", "+12*****0123"),
        ("+29012345", "*****2345"),
        ("13800001234", "*"),
        ("call +8613800001234", "*"),
        ("", "*"),
    ],
)
def test_a_number_shows_its_last_four_digits(number: str, shown: str) -> None:
    assert masked(number) == shown


def test_a_broken_listener_hinders_nobody_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []

    class Broken:
        def emit(self, event: Any) -> None:
            raise RuntimeError(NUMBER)

    class Listener:
        def emit(self, event: Any) -> None:
            heard.append(event)

    telemetry = Fanout(Broken(), Listener())
    for event in EVERY_EVENT[:3]:
        telemetry.emit(event)
    assert heard == EVERY_EVENT[:3]
    assert [record.getMessage() for record in caplog.records] == ["Broken does not bear an event (RuntimeError)"]
