"""`sms-engine carrier`: a carrier to rehearse with, over SMPP and HTTP, well or ill as its script says."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from pathlib import Path  # noqa: TC003  (cyclopts reads it)
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators
from rich.console import Console
from rich.live import Live
from rich.text import Text

from adapters.bootstrap.carrier import LOOPBACK, Plan, PortTakenError, RunningCarrier
from adapters.bootstrap.carrier import carrier as running_carrier
from adapters.carriers.smpp.login import MAX_PASSWORD, MAX_SYSTEM_ID
from adapters.carriers.smsc.behaviour import WireBehaviour
from adapters.carriers.smsc.http_server import PATH
from adapters.carriers.smsc.script import Script, read_script
from adapters.cli.errors import CommandError
from adapters.cli.loop import run
from adapters.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

REFRESH_S, LINE_EVERY_S = 0.5, 10.0
WELL = Script((), repeat=False, always=WireBehaviour())

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))]


def carrier(
    *,
    smpp_port: Annotated[Port, Parameter(help="Where SMPP 3.4 is spoken; 0 for any free port.")] = 2775,
    http_port: Annotated[Port, Parameter(help=f"Where messages are taken by POST {PATH}.")] = 8080,
    control_port: Annotated[Port, Parameter(help="Where this machine changes it and looks at it.")] = 8081,
    host: Annotated[str, Parameter(help="Address of the first two; the third is loopback always.")] = LOOPBACK,
    login: Annotated[
        list[str] | None,
        Parameter(negative="", help="SYSTEM_ID:PASSWORD that may bind; may be repeated. Otherwise user:secret."),
    ] = None,
    script: Annotated[Path | None, Parameter(help="How it fares in time (TOML, see above).")] = None,
    webhook: Annotated[
        str | None, Parameter(help="URL that is posted the delivery receipts of messages that came by HTTP.")
    ] = None,
    inbound_webhook: Annotated[str | None, Parameter(help="URL that is posted replies to them.")] = None,
    log: Annotated[
        Path | None, Parameter(help="File that gets a line of JSON for each accepted message before it is answered.")
    ] = None,
    fsync: Annotated[bool, Parameter(negative="", help="And the line is on disk by then.")] = False,
    whole_numbers: Annotated[bool, Parameter(negative="", help="Do not mask phone numbers in the log.")] = False,
    tls_cert: Annotated[Path | None, Parameter(help="Certificate (PEM): SMPP is spoken over TLS only.")] = None,
    tls_key: Annotated[Path | None, Parameter(help="Its private key, unless it is in the same file.")] = None,
    tls_client_ca: Annotated[Path | None, Parameter(help="Clients need a certificate of this authority.")] = None,
    seed: Annotated[int | None, Parameter(help="Draw the same fates again.")] = None,
) -> None:
    """A carrier to rehearse with: it speaks SMPP and HTTP, behaves as its script says, and reaches no phone.

    A script is a TOML file. Under `[behaviour]` stands what is always so, under each `[[phases]]` for how long what is
    different:

        repeat = true
        [behaviour]
        latency_s = 0.05
        receipt_id_notation = "hex"
        [[phases]]
        for_s = 60
        [[phases]]
        name = "slow"
        for_s = 30
        latency_s = 4
        [[phases]]
        name = "dead"
        for_s = 20
        state = "down"

    `curl 127.0.0.1:8081/behaviour` lists all there is to a behaviour, `curl -X PATCH … -d '{"throttled": 0.5}'`
    changes it at once and ends the script. POST /inbound with sender, to and text is a message from a phone,
    POST /disconnect ends every bind, GET /stats counts, and GET /submits shows the newest messages.
    """
    plan = Plan(
        _script(script),
        smpp_port,
        http_port,
        control_port,
        host,
        _logins(login or ["user:secret"]),
        _tls(tls_cert, tls_key, tls_client_ca),
        webhook,
        inbound_webhook,
        log,
        fsync,
        whole_numbers,
        seed,
    )
    try:
        run(_serve(plan))
    except PortTakenError as error:
        raise CommandError(f"{error}.") from None
    except OSError as error:
        raise CommandError(f"{error.filename or 'a file'} cannot be written ({error.strerror}).") from None


def _script(path: Path | None) -> Script:
    if path is None:
        return WELL
    try:
        return read_script(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise CommandError(f"{path}: {error}.") from None


def _logins(pairs: Sequence[str]) -> dict[str, str]:
    logins = {}
    for pair in pairs:
        system_id, colon, password = pair.partition(":")
        if not (colon and 0 < len(system_id) <= MAX_SYSTEM_ID and len(password) <= MAX_PASSWORD):
            limits = f"{MAX_SYSTEM_ID} and {MAX_PASSWORD} characters at most"
            raise CommandError(f"--login wants SYSTEM_ID:PASSWORD, {limits}.")
        logins[system_id] = password
    return logins


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        if key or client_ca:
            raise CommandError("--tls-key and --tls-client-ca go with --tls-cert.")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # SSLError is one
        raise CommandError(f"the certificate or key cannot be used ({error.strerror or error}).") from None
    return context


async def _serve(plan: Plan) -> None:
    stop = stop_on_signals()
    async with running_carrier(plan) as running:
        console = Console()
        console.print(_welcome(plan, running), highlight=False, soft_wrap=True, markup=False)
        showing = asyncio.create_task(_show(console, running))
        await stop.wait()
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
        console.print(_line(running), highlight=False, soft_wrap=True)


async def _show(console: Console, running: RunningCarrier) -> None:
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            console.print(_line(running), highlight=False, soft_wrap=True)
    before, at = running.carrier.counts.copy(), time.monotonic()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(REFRESH_S)
            now = time.monotonic()
            rate = (running.carrier.counts["accepted"] - before["accepted"]) / (now - at)
            live.update(Text(f"{rate:,.0f}/s · {_line(running)}", no_wrap=True, overflow="ellipsis"), refresh=True)
            before, at = running.carrier.counts.copy(), now


def _line(running: RunningCarrier) -> str:
    stats = running.stats()
    counted = [f"{stats[name]:,} {word}" for name, word in _WORDS.items() if stats.get(name)]
    phase = f"{stats['phase']} · " if stats["phase"] else ""
    return f"{phase}{stats['state']} · {stats['binds']} binds · {' · '.join(counted) or 'nothing yet'}"


_WORDS = {
    "accepted": "accepted",
    "refused": "refused",
    "fault": "faults",
    "throttled": "throttled",
    "queue_full": "queue full",
    "silent": "never answered",
    "taken": "receipts taken",
    "not_taken": "not taken",
    "on_their_way": "on their way",
    "inbound": "inbound",
    "logins_refused": "logins refused",
    "malformed": "malformed",
}


def _welcome(plan: Plan, running: RunningCarrier) -> str:
    system_id, password = next(iter(plan.logins.items()))
    host = plan.host
    hook = "" if plan.receipts_url else " (no --webhook: these get no delivery receipts)"
    return f"""\
A carrier to rehearse with; no phone rings.
  SMPP     {host}:{running.smpp.port}{" over TLS" if plan.tls else ""}
  HTTP     POST http://{host}:{running.http.port}{PATH}{hook}
  control  http://{LOOPBACK}:{running.control.port}/behaviour, /stats, /submits, /inbound, /disconnect

To use it, put this into the settings file of the engine (SMS_CONFIG):

  [[channels]]
  name = "rehearsal"
  kind = "smpp"
  host = "{host}"
  port = {running.smpp.port}
  system_id = "{system_id}"
  password = "{password}"
"""
