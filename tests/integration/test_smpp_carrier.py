"""Our channels against our own carrier to rehearse with, over SMPP and HTTP."""

from __future__ import annotations

import asyncio
import ssl
import tomllib
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from adapters.bootstrap import http_carrier
from adapters.bootstrap.carrier import Plan, RunningCarrier
from adapters.bootstrap.carrier import carrier as running_carrier
from adapters.carriers.http import HttpChannel
from adapters.carriers.smsc.behaviour import WireBehaviour, read_behaviour
from adapters.carriers.smsc.http_server import PATH
from adapters.carriers.smsc.script import Phase, Script
from adapters.clock import SystemClock
from config.channels import HttpSettings
from engine.outcomes import Accepted, ChannelFault, Throttled, Unanswered
from engine.receipts import State, receipt_for
from engine.routing import Profile
from tests.carriers import message, places, serving
from tests.certificates import Certificates
from tests.smpp_channel import ours, until
from tests.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.receipts import DeliveryReceipt

WELL = read_behaviour({"latency_s": 0.0, "receipt_delay_s": 0.02}, WireBehaviour())


@asynccontextmanager
async def rehearsal(script: Script | None = None, **more: Any) -> AsyncIterator[RunningCarrier]:
    plan = Plan(script or Script((), repeat=False, always=WELL), 0, 0, 0, logins={"user": "secret"}, **more)
    async with running_carrier(plan) as running:
        yield running


def behave(running: RunningCarrier, **told: object) -> None:
    running.carrier.behave(read_behaviour(told, WELL))


@pytest.mark.parametrize(
    ("answers", "receipts"),
    [("decimal", "hex"), ("hex_upper", "decimal_padded"), ("hex_padded", "hex"), ("uuid", "uuid")],
)
async def test_whatever_the_notation_each_message_is_answered_and_reported_on(answers: str, receipts: str) -> None:
    async with rehearsal() as running, ours(running.smpp.port, binds=2) as here:
        behave(running, id_notation=answers, receipt_id_notation=receipts)
        outcomes = await asyncio.gather(*(here.submit() for _ in range(50)))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        await here.until(lambda: len(here.news) == 50)
        assert {dlr.state for dlr in here.news} == {State.DELIVERED}
        await here.until(lambda: running.carrier.held == 0)


async def test_a_receipt_our_side_could_not_keep_comes_until_it_is_kept() -> None:
    async with rehearsal() as running, ours(running.smpp.port) as here:
        here.refusals = 2
        await here.submit()
        await here.until(lambda: here.news)
        assert running.carrier.counts["not_taken"] == 2


async def test_a_carrier_that_dies_is_not_ready_and_is_bound_again_when_it_lives() -> None:
    async with rehearsal() as running, ours(running.smpp.port) as here:
        behave(running, state="down")
        await here.until(lambda: not here.channel.ready)
        assert isinstance(await here.channel.submit(message()), ChannelFault)
        behave(running)
        await here.until(lambda: here.channel.ready)
        assert isinstance(await here.submit(), Accepted)


async def test_a_carrier_that_breaks_off_in_the_middle_of_an_answer_leaves_it_open() -> None:
    async with rehearsal() as running, ours(running.smpp.port) as here:
        behave(running, disconnect_after=1, disconnect_by="mid_pdu")
        assert isinstance(await here.submit(), Unanswered)
        assert running.carrier.counts["accepted"] == 1
        await here.until(lambda: here.news)  # over the next bind


async def test_its_rate_and_window_are_felt_as_throttling() -> None:
    async with rehearsal() as running, ours(running.smpp.port) as here:
        behave(running, rate=1)
        assert isinstance(await here.submit(), Accepted)
        assert isinstance(await here.submit(), Throttled)
        behave(running, window=1, latency_s=0.2)
        outcomes = await asyncio.gather(here.submit(), here.submit())
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Accepted", "Throttled"]


async def test_a_message_can_be_asked_for_by_the_carrier_s_id() -> None:
    async with rehearsal() as running, ours(running.smpp.port, answers_queries=True) as here:
        one = message()
        accepted = await here.submit(one)
        assert isinstance(accepted, Accepted)
        await here.until(lambda: here.news)
        now = SystemClock().now()
        sent = receipt_for(one.job, State.SUBMITTED, now, category=one.category, to=one.job.to)
        answer = await here.channel.ask(sent._replace(carrier_id=accepted.carrier_id))
        assert answer is not None
        assert getattr(answer, "state", None) is State.DELIVERED


async def test_phones_write_back_in_one_part_or_several() -> None:
    async with rehearsal() as running, ours(running.smpp.port) as here:
        for text in ("TD", "退订 " * 60):
            running.carrier.receive("user", "8613800001234", "1069", text)
        await here.until(lambda: len(here.news) == 2)
        assert {news.text for news in here.news} == {"TD", "退订 " * 60}


async def test_a_script_is_felt_by_the_channel() -> None:
    down = read_behaviour({"state": "down"}, WELL)
    script = Script((Phase("well", 2.0, WELL), Phase("dead", 0.4, down)), repeat=True, always=WELL)
    async with rehearsal(script) as running, ours(running.smpp.port) as here:
        for _ in range(2):
            await here.until(lambda: here.channel.ready)
            await here.until(lambda: not here.channel.ready)


async def test_a_script_ends_with_its_carrier() -> None:
    down = read_behaviour({"state": "down"}, WELL)
    script = Script((Phase("well", 0.01, WELL), Phase("dead", 0.01, down)), repeat=True, always=WELL)
    async with rehearsal(script) as running:
        await until(lambda: running.phase == "dead")
    for _ in range(20):
        await asyncio.sleep(0.005)
        assert running.smpp._server is None


async def test_over_tls_both_sides_show_a_certificate(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.sign("carrier", "IP:127.0.0.1")
    certificates.sign("us", "DNS:us.example.com")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.path("ca.pem"))
    tls.load_cert_chain(certificates.path("carrier.pem"), certificates.path("carrier.key"))
    tls.verify_mode = ssl.CERT_REQUIRED
    trust = {"ca_file": certificates.path("ca.pem")}
    shown = {"certificate_file": certificates.path("us.pem"), "key_file": certificates.path("us.key")}
    async with rehearsal(tls=tls) as running:
        async with ours(running.smpp.port, tls=trust | shown) as here:
            assert isinstance(await here.submit(), Accepted)
        async with ours(running.smpp.port, tls=trust) as here:
            assert not here.channel.ready


async def test_its_http_side_speaks_as_the_example_of_an_http_channel_expects() -> None:
    news: list[DeliveryReceipt] = []
    example = tomllib.loads((ROOT / "config" / "channels.example.toml").read_text(encoding="utf-8"))["channels"][0]
    environment = dict.fromkeys(("AGGREGATOR_KEY", "AGGREGATOR_TENANT_KEY"), "secret")
    carrier: list[HttpChannel] = []

    async def hook(request: web.Request) -> web.Response:
        news.extend(carrier[0].read(await request.read()))
        return web.Response()

    async def tell(_: object) -> None:
        raise AssertionError("the webhook has it")

    async with serving(hook) as url, rehearsal(receipts_url=url) as running:
        ours_url = f"http://127.0.0.1:{running.http.port}{PATH}"
        example["url"] = ours_url
        example["query"] |= {"url": f"{ours_url}?client_reference=${{job}}", "settles_after_s": 0}
        described = http_carrier.describe(HttpSettings(**example), environment)
        channel = HttpChannel(Profile("aggregator"), places(), described, SystemClock())
        carrier.append(channel)
        await channel.open(tell)
        one = message()
        accepted = await channel.submit(one)
        assert isinstance(accepted, Accepted)
        await until(lambda: news)
        assert [(dlr.carrier_id, dlr.state) for dlr in news] == [(accepted.carrier_id, State.DELIVERED)]
        sent = receipt_for(one.job, State.UNKNOWN, SystemClock().now(), category=one.category, to=one.job.to)
        answer = await channel.ask(sent)
        assert getattr(answer, "carrier_id", None) == accepted.carrier_id
        behave(running, throttled=1.0)
        assert isinstance(await channel.submit(message()), Throttled)
        behave(running, fault=1.0)
        assert isinstance(await channel.submit(message()), ChannelFault)
        await channel.close()
