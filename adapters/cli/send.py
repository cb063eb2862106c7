"""`sms-engine send`: hand in messages from a shell, to the broker or to an embedded worker."""

from __future__ import annotations

from itertools import islice
from pathlib import Path  # noqa: TC003  (cyclopts reads it)
from typing import TYPE_CHECKING, Annotated

import aiohttp
import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.cli import csv_jobs
from adapters.cli.errors import CommandError
from adapters.cli.loop import run
from adapters.cli.options import Config  # noqa: TC001
from adapters.rabbitmq.producer import JobFields, Producer, SendError, uuid7
from config.load import load
from config.servers import required
from engine.message import Category

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from config.settings import Settings

PER_REQUEST = 500
ANSWER_S = 60.0


def send(
    rows: Annotated[Path | None, Parameter(help="CSV file: to, signature, template, a column per variable.")] = None,
    /,
    *,
    to: Annotated[str | None, Parameter(help="Recipient, for a single message: +8613800000000.")] = None,
    signature: Annotated[str | None, Parameter(help="Name of an approved signature.")] = None,
    template: Annotated[str | None, Parameter(help="Code of an approved template.")] = None,
    param: Annotated[
        list[str] | None, Parameter(negative="", help="A variable, as NAME=VALUE; may be repeated.")
    ] = None,
    text: Annotated[str | None, Parameter(help="Instead of a template, for accounts that may.")] = None,
    category: Annotated[Category | None, Parameter(help="Of a text, or of a template not in these settings.")] = None,
    account: str = "default",
    ref: Annotated[str | None, Parameter(help="Your own reference, echoed in every receipt.")] = None,
    config: Config = None,
) -> None:
    """Enqueue one message, or every row of a CSV file, and print the ids of the jobs.

    They go to RabbitMQ if SMS_AMQP_URL is set, else over HTTP to the embedded worker on this machine (SMS_HTTP_PORT).
    """
    settings = load({"config": config})
    if (rows is None) == (to is None):
        raise CommandError("give either a CSV file or --to.")
    if rows is not None:
        jobs = [_from_row(row, settings, category) for row in csv_jobs.read(rows)]
    else:
        single = csv_jobs.Row(to or "", template or "", signature, account, ref, _params(param or []))
        jobs = [{**_from_row(single, settings, category), "text": text}]
    for job_id in run(_send(jobs, settings)):
        print(job_id)


def _from_row(row: csv_jobs.Row, settings: Settings, category: Category | None) -> JobFields:
    known = {template.code: template.category for template in settings.templates}
    return {
        "id": uuid7(),
        "to": row.to,
        "category": known.get(row.template) or category or Category.NOTIFICATION,
        "signature": row.signature,
        "template": row.template or None,
        "params": row.params,
        "account": row.account,
        "ref": row.ref,
    }


def _params(given: Sequence[str]) -> dict[str, str]:
    params = {}
    for each in given:
        name, separator, value = each.partition("=")
        if not (name and separator):
            raise CommandError(f"--param {each!r} is not NAME=VALUE.")
        params[name] = value
    return params


async def _send(jobs: Sequence[JobFields], settings: Settings) -> list[str]:
    columns = (TextColumn("enqueued"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), disable=len(jobs) < PER_REQUEST)
    with progress:
        bar = progress.add_task("", total=len(jobs))
        send = _over_http if settings.embedded else _over_amqp
        return await send(jobs, settings, lambda confirmed: progress.update(bar, completed=confirmed))


async def _over_amqp(jobs: Sequence[JobFields], settings: Settings, confirmed: Callable[[int], object]) -> list[str]:
    try:
        async with Producer(required(settings, "amqp_url"), prefix=settings.prefix) as sms:
            return [str(job) for job in await sms.send_many(jobs, on_confirmed=confirmed)]
    except (SendError, ValueError) as error:
        raise CommandError(str(error)) from None


async def _over_http(jobs: Sequence[JobFields], settings: Settings, confirmed: Callable[[int], object]) -> list[str]:
    url = f"http://{settings.http_host}:{settings.http_port}/v1/jobs"
    token = settings.api_token.get_secret_value() if settings.api_token else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    ids: list[str] = []
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as http:
        # A request has one category, for those of its jobs whose template the worker does not know.
        for category in Category:
            remaining = iter([job for job in jobs if job["category"] == category])
            while chunk := list(islice(remaining, PER_REQUEST)):
                ids += await _post(http, url, category, chunk)
                confirmed(len(ids))
    return ids


async def _post(http: aiohttp.ClientSession, url: str, category: Category, jobs: Sequence[JobFields]) -> list[str]:
    body = msgspec.json.encode([{name: value for name, value in job.items() if value is not None} for job in jobs])
    try:
        async with http.post(url, data=body, params={"category": category.value}) as answer:
            said = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CommandError(
            f"no worker answers at {url} ({type(error).__name__}): start `sms-engine worker`, or set SMS_AMQP_URL."
        ) from None
    if answer.status == 202:
        return list(said["ids"])
    reason = said.get("error") or said["errors"][0]["reason"]
    raise CommandError(f"the worker refused: {reason}")
