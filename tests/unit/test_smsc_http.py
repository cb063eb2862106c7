"""The HTTP side of a carrier to rehearse with, its webhook and its control."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from adapters.carriers.smsc import outbox
from adapters.carriers.smsc.behaviour import WireBehaviour, read_behaviour
from adapters.carriers.smsc.carrier import Carrier
from adapters.carriers.smsc.http_server import ACCOUNT, PATH, HttpServer
from adapters.carriers.smsc.log import SubmitLog
from adapters.carriers.smsc.messages import Part, Submit
from adapters.carriers.smsc.webhook import Webhook
from tests.carriers import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = {"latency_s": 0.0, "receipt_delay_s": 0.0, "jitter": 0.0}
MESSAGE = {"recipient": "8613800001234", "message": "hello", "client_reference": "job-1"}


class Side:
    """The carrier, and a client of it."""

    def __init__(self, carrier: Carrier, server: HttpServer, session: aiohttp.ClientSession) -> None:
        self.carrier = carrier
        self.server = server
        self._session = session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{PATH}"

    async def post(self, body: object = MESSAGE) -> tuple[int, Any]:
        async with self._session.post(self.url, json=body) as answer:
            return answer.status, await answer.json()

    async def ask(self, reference: str) -> tuple[int, Any]:
        async with self._session.get(self.url, params={"client_reference": reference}) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def side(log: SubmitLog | None = None, **behaviour: object) -> AsyncIterator[Side]:
    carrier = Carrier(log, Random(7))
    behave(carrier, **behaviour)
    server = HttpServer(carrier, "127.0.0.1", 0)
    await server.open()
    async with aiohttp.ClientSession() as session:
        yield Side(carrier, server, session)
    await server.close()


def behave(carrier: Carrier, **behaviour: object) -> None:
    carrier.behave(read_behaviour(QUICK | behaviour, WireBehaviour()))


async def until(truth: Any) -> None:
    async with asyncio.timeout(20):
        while not truth():
            await asyncio.sleep(0.002)


class Client:
    """What the carrier posts to; it takes nothing the first `refusals` times."""

    def __init__(self, refusals: int = 0) -> None:
        self.posted: list[tuple[str, Any]] = []
        self.refusals = refusals

    async def answer(self, request: web.Request) -> web.Response:
        self.posted.append((request.path, await request.json()))
        self.refusals -= 1
        return web.Response(status=503 if self.refusals >= 0 else 200)


@asynccontextmanager
async def told(here: Side, client: Client, *, inbound: bool = True) -> AsyncIterator[None]:
    async with serving(client.answer) as url:
        webhook = Webhook(here.carrier, here.carrier.outbox(ACCOUNT), f"{url}/r", f"{url}/i" if inbound else None)
        await webhook.open()
        yield
        await webhook.close()


async def test_an_accepted_message_has_an_id_and_can_be_asked_for_by_our_reference() -> None:
    async with side() as here:
        status, answer = await here.post()
        assert status == 200
        found = {"message_id": answer["data"]["message_id"], "status": "DELIVRD"}
        await until(lambda: here.carrier.counts["receipts"])
        assert await here.ask("job-1") == (200, {"messages": [found]})
        assert (await here.ask("job-2"))[0] == 404


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        ({"refused": 1.0}, 400, "INVALID_RECIPIENT"),
        ({"fault": 1.0}, 503, "UNAVAILABLE"),
        ({"throttled": 1.0}, 429, "TOO_FAST"),
    ],
)
async def test_what_is_not_accepted_has_a_status_and_a_code(
    behaviour: dict[str, float], status: int, code: str
) -> None:
    async with side(**behaviour) as here:
        answered, body = await here.post()
        assert (answered, body["error"]["code"]) == (status, code)


@pytest.mark.parametrize("body", [[], {"recipient": "1"}, {"recipient": 1, "message": "x"}])
async def test_a_body_that_is_no_message_is_refused(body: object) -> None:
    async with side() as here:
        assert (await here.post(body))[0] == 400
        assert not here.carrier.counts["accepted"]


async def test_a_silent_submit_is_taken_and_never_answered() -> None:
    async with side(silent=1.0) as here:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await here.post()
        assert here.carrier.counts["silent"] == 1


async def test_a_carrier_that_is_down_is_not_there_until_it_is_up() -> None:
    async with side() as here:
        await here.post()  # its connection stays
        behave(here.carrier, state="down")
        await until(lambda: here.server._site is None)
        with pytest.raises(aiohttp.ClientConnectionError):
            await here.post()
        behave(here.carrier)
        await until(lambda: here.server._site is not None)
        assert (await here.post())[0] == 200


async def test_a_mute_carrier_answers_when_it_is_well_again() -> None:
    async with side() as here:
        behave(here.carrier, state="mute")
        await until(lambda: not here.server._heard.is_set())
        posting = asyncio.create_task(here.post())
        await asyncio.sleep(0.05)
        assert not posting.done()
        assert not here.carrier.counts["accepted"]
        behave(here.carrier)
        assert (await posting)[0] == 200


async def test_receipts_are_posted_together_until_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "AGAIN_S", 0.01)
    client = Client(refusals=2)
    async with side(undelivered=1.0) as here, told(here, client):
        ids = [(await here.post())[1]["data"]["message_id"] for _ in range(5)]
        await until(lambda: here.carrier.counts["taken"] == 5)
        taken = [report for path, body in client.posted[2:] for report in body["reports"] if path == "/r"]
        assert sorted(report["message_id"] for report in taken) == sorted(ids)
        assert {(report["status"], report["error_code"]) for report in taken} == {("UNDELIV", "001")}
        assert here.carrier.held == 0


async def test_replies_are_posted_to_an_address_of_their_own_or_discarded() -> None:
    client = Client()
    async with side() as here, told(here, client):
        carrier_id = here.carrier.receive(ACCOUNT, "86138", "1069", "TD")
        await until(lambda: client.posted)
        message = {"id": carrier_id, "from": "86138", "to": "1069", "text": "TD"}
        assert client.posted == [("/i", {"messages": [message]})]
    async with side() as here, told(here, client, inbound=False):
        here.carrier.receive(ACCOUNT, "86138", "1069", "TD")
        await until(lambda: here.carrier.counts["discarded"])
        assert here.carrier.held == 0


@pytest.mark.parametrize("fsync", [False, True])
async def test_an_accepted_message_is_in_the_log_before_it_is_answered(tmp_path: Path, *, fsync: bool) -> None:
    path = tmp_path / "log"
    log = SubmitLog(path, fsync=fsync, whole_numbers=False)
    async with side(log) as here:
        answers = await asyncio.gather(*(here.post() for _ in range(20)))
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert {line["id"] for line in lines} == {answer["data"]["message_id"] for _, answer in answers}
        assert {(line["to"], line["ref"], line["via"]) for line in lines} == {("*********1234", "job-1", "http")}
    await log.close()


async def test_an_accepted_message_is_on_disk_before_it_is_answered_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: disk.wait())
    log = SubmitLog(tmp_path / "log", fsync=True, whole_numbers=False)
    async with side(log) as here:
        posting = asyncio.create_task(here.post())
        await until(lambda: here.carrier.counts["accepted"])
        await asyncio.sleep(0.05)
        assert not posting.done()
        disk.set()
        assert (await posting)[0] == 200
    await log.close()


async def test_what_cannot_be_written_down_is_answered_as_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    log = SubmitLog(tmp_path / "log", fsync=True, whole_numbers=False)
    async with side(log) as here:
        assert (await here.post())[0] == 503
    await log.close()


async def test_the_log_has_whole_numbers_if_asked_and_never_a_text(tmp_path: Path) -> None:
    log = SubmitLog(tmp_path / "log", fsync=False, whole_numbers=True)
    submit = Submit("user", "1069", "8613800001234", "secret words", "smpp", part=Part(7, 1, 2))
    log.accepted(submit, "id-1", 1.5, answered=False)
    await log.close()
    line = json.loads((tmp_path / "log").read_text())
    assert line == {
        "at": 1.5,
        "id": "id-1",
        "via": "smpp",
        "account": "user",
        "to": "8613800001234",
        "ref": None,
        "part": [7, 1, 2],
        "segments": 1,
        "answered": False,
    }
