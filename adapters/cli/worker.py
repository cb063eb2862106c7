"""`sms-engine worker`: the long-lived process."""

from __future__ import annotations

import sys
from typing import Annotated

import structlog
from cyclopts import Parameter

from adapters.bootstrap import Role, service
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001  (cyclopts reads it)
from adapters.cli.signals import stop_on_signals
from adapters.telemetry.logs import configure
from adapters.watchdog import watched
from config.load import load
from config.settings import Settings  # noqa: TC001


def worker(
    *,
    config: Config = None,
    http_port: Annotated[int | None, Parameter(help="Port of /metrics, /livez, /readyz and /v1; 0 for any.")] = None,
    role: Annotated[
        list[Role] | None, Parameter(negative="", help="Only this part of the work; may be repeated.")
    ] = None,
    log_level: Annotated[str | None, Parameter(help="debug, info, warning or error.")] = None,
) -> None:
    """Take jobs and deliver them until SIGTERM or SIGINT, which finish what is under way first; a second one does not.

    With SMS_AMQP_URL, SMS_REDIS_URL and SMS_POSTGRES_URL set it runs on these servers (after `sms-engine init`) and
    waits for those that are away. With none set it runs embedded: everything in this process, jobs over HTTP.
    """
    settings = load({"config": config, "http_port": http_port, "log_level": log_level})
    configure(sys.stderr, settings.log_level)
    run(_work(settings, role or list(Role)))


async def _work(settings: Settings, roles: list[Role]) -> None:
    log = structlog.stdlib.get_logger("sms")
    stop = stop_on_signals()
    patience_s = min(seconds for _, seconds in settings.visibility_timeout_s) / 2
    async with watched(patience_s), service(settings, stop, roles=roles) as running:
        if settings.embedded:
            log.warning("embedded: no server is configured, and nothing survives this process")
        simulated = [channel.name for channel in settings.channels if channel.kind == "simulator"]
        if simulated:
            log.warning("simulated channels: their messages reach no phone", channels=simulated)
        log.info("listening", url=running.url, roles=[role.value for role in roles])
        await running.work(stop)
        log.info("drained")
