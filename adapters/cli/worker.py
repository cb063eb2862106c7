"""`sms-engine worker`: the long-lived process."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import structlog
from cyclopts import Parameter

from adapters.bootstrap.check import check
from adapters.bootstrap.seat import seat_in
from adapters.bootstrap.service import Role, service
from adapters.cli.errors import CommandError
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.cli.signals import stop_on_signals, stop_with_supervisor
from adapters.cli.supervisor import settings_from, supervise
from adapters.telemetry.logs import configure
from adapters.watchdog import watched
from config.load import checked, given

if TYPE_CHECKING:
    from adapters.bootstrap.seat import Seat
    from config.settings import Settings

STDIN = 0


def worker(
    *,
    config: Config = None,
    http_port: Annotated[int | None, Parameter(help="Port of /metrics, /livez, /readyz and /v1; 0 for any.")] = None,
    processes: Annotated[int | None, Parameter(help="How many share the work; one that dies is replaced.")] = None,
    role: Annotated[
        list[Role] | None, Parameter(negative="", help="Only this part of the work; may be repeated.")
    ] = None,
    log_level: Annotated[str | None, Parameter(help="debug, info, warning or error.")] = None,
) -> int:
    """Take jobs and deliver them until SIGTERM or SIGINT, which finish what is under way first; a second one does not.

    With SMS_AMQP_URL, SMS_REDIS_URL and SMS_POSTGRES_URL set it runs on these servers (after `sms-engine init`) and
    waits for those that are away. With none set it runs embedded: everything in this process, jobs over HTTP.

    One process uses one core. `--processes N` runs N of them under this one, which forwards signals and ends when all
    have drained. They share the port, where any of them answers for all; limits and rates hold for all together, while
    binds and windows are each one's own.
    """
    seat = seat_in(os.environ)
    flags = {"config": config, "http_port": http_port, "processes": processes, "log_level": log_level}
    values = given(flags) if seat is None else settings_from(STDIN)
    settings = checked(values)
    configure(sys.stderr, settings.log_level, process=seat.number if seat else None)
    if seat is not None or settings.processes == 1:
        run(_work(settings, role or list(Role), seat))
        return 0
    if settings.embedded:
        raise CommandError(
            f"processes = {settings.processes}: embedded, everything is in one process; set the three servers, or "
            "processes = 1."
        )
    check(settings)
    return supervise(settings, values)


async def _work(settings: Settings, roles: list[Role], seat: Seat | None) -> None:
    log = structlog.stdlib.get_logger("sms")
    stop = stop_on_signals() if seat is None else stop_with_supervisor(STDIN)
    patience_s = min(seconds for _, seconds in settings.visibility_timeout_s) / 2
    async with watched(patience_s), service(settings, stop, roles=roles, seat=seat) as running:
        if settings.embedded:
            log.warning("embedded: no server is configured, and nothing survives this process")
        simulated = [channel.name for channel in settings.channels if channel.kind == "simulator"]
        if simulated:
            log.warning("simulated channels: their messages reach no phone", channels=simulated)
        log.info("listening", url=running.url, roles=[role.value for role in roles])
        await running.work(stop)
        log.info("drained")
