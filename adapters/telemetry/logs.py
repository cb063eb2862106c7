"""What people read while it works: JSON lines, or colours on a terminal.

Outages, crashes and dead letters are told always; single messages only at level debug, for there are thousands a
second. No line holds a full number, a text, or the message of an exception, which might quote either.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import structlog

from adapters.telemetry.masked import masked
from engine import events
from engine.outcomes import Refused

if TYPE_CHECKING:
    from types import TracebackType

    from structlog.typing import EventDict, WrappedLogger

    from engine.events import Event


def configure(stream: TextIO, level: str = "info", *, pretty: bool | None = None, process: int | None = None) -> None:
    """Write the process's logs, ours and those of libraries, to a stream; pretty by default where it is a terminal.

    One process of several says in each line which it is.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_error,
        *([partial(_tell_process, process)] if process is not None else []),
    ]
    pretty = stream.isatty() if pretty is None else pretty
    renderer = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(ensure_ascii=False)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    quieten_libraries()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def quieten_libraries() -> None:
    """Libraries log every try to connect; we tell of an outage once, in our own words."""
    for library in ("aio_pika", "aiormq"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


class Logs:
    """Writes the engine's events."""

    def __init__(self) -> None:
        self._log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("sms")
        self._each_message = logging.getLogger("sms").isEnabledFor(logging.DEBUG)

    def emit(self, event: Event) -> None:
        """Write an event."""
        match event:
            case events.ServerAway(server, error):
                self._log.warning("a server is away; work waits", server=server, error=error)
            case events.ServerBack(server, away_s):
                self._log.info("a server is back", server=server, away_s=round(away_s, 3))
            case events.BindUp(channel, mode):
                self._log.info("a bind is up", channel=channel, mode=mode)
            case events.BindDown(channel, mode, reason, fatal, up_s):
                tell = self._log.error if fatal else self._log.warning
                held = None if up_s is None else round(up_s, 3)
                tell("a bind is down", channel=channel, mode=mode, reason=reason, up_s=held)
            case events.MemoryLost(server):
                self._log.warning("a server forgot; its knowledge is read again from Postgres", server=server)
            case events.ChannelChanged(channel, what, old, new, reason, by):
                tell = self._log.info if what == "score" else self._log.warning
                tell("a channel changed", channel=channel, what=what, old=old, new=new, reason=reason, by=by)
            case events.Crashed(job, category, error):
                self._log.error("handling a job raised", job=str(job), category=category.value, exc_info=error)
            case events.DeadLettered(source, reason):
                self._log.warning("something was put aside", source=source, reason=reason)
            case events.Redriven(source, jobs):
                self._log.warning("jobs were handed out too often; each is tried again", source=source, jobs=jobs)
            case events.StaleResult(job, channel):
                self._log.warning("a result came after its lease had ended", job=str(job), channel=channel)
            case _ if self._each_message:
                self._emit_each(event)

    def _emit_each(self, event: Event) -> None:
        match event:
            case events.Submitted(job, channel, category, outcome, segments, latency_s):
                said = {"outcome": type(outcome).__name__, "segments": segments, "latency_s": round(latency_s, 4)}
                code = outcome.code if isinstance(outcome, Refused) else None
                self._log.debug("submitted", job=str(job), channel=channel, category=category.value, code=code, **said)
            case events.Reported(receipt, age_s, repeated):
                self._log.debug(
                    "reported",
                    job=str(receipt.job),
                    to=masked(receipt.to),
                    state=receipt.state.value,
                    final=receipt.final,
                    code=receipt.code,
                    channel=receipt.channel,
                    age_s=round(age_s, 3),
                    repeated=repeated,
                )
            case events.Deferred(job, category, why, delay_s):
                self._log.debug("deferred", job=str(job), category=category.value, why=why, delay_s=round(delay_s, 3))
            case events.DeliveryReceiptSeen(channel, status, matched, rule):
                self._log.debug("delivery receipt", channel=channel, status=status, matched=matched, rule=rule)
            case events.InboundAssigned(reply, channel, job, wish):
                told = {"job": str(job) if job else None, "wish": wish.value if wish else None}
                self._log.debug("inbound message", id=str(reply), channel=channel, **told)
            case events.Scheduled(jobs):
                self._log.debug("jobs wait for a time far off", jobs=jobs)
            case events.Asked(job, channel, answer):
                self._log.debug("asked about", job=str(job), channel=channel, answer=type(answer).__name__)
            case events.AnsweredLate(job, channel, outcome):
                self._log.debug("answered late", job=str(job), channel=channel, outcome=type(outcome).__name__)
            case events.Recorded(kind, receipts, seconds):
                self._log.debug("recorded", kind=kind, receipts=receipts, seconds=round(seconds, 4))


def _tell_process(number: int, _: WrappedLogger, __: str, line: EventDict) -> EventDict:
    return {"process": number, **line}


def _tell_error(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """An exception as its kind and where it came from."""
    error = line.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        line["error"] = type(error).__name__
        line["where"] = _frames(error.__traceback__)
    return line


def _frames(traceback: TracebackType | None) -> list[str]:
    found: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found.append(f"{Path(code.co_filename).name}:{traceback.tb_lineno} {code.co_qualname}")
        traceback = traceback.tb_next
    return found
