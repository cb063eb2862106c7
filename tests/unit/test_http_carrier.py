"""The HTTP channel over real sockets: above all, which failures surely did not send."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from adapters.carriers.http import MAX_ANSWER_BYTES, HttpChannel
from adapters.carriers.http_carrier import HttpCarrier
from adapters.carriers.http_query import QueryFormat
from adapters.carriers.http_receipts import ReceiptFormat
from adapters.carriers.http_request import Encoding
from adapters.clock import SystemClock
from engine.outcomes import Accepted, ChannelFault, Unanswered
from engine.receipts import DeliveryReceipt, NotSent, State, receipt_for
from engine.routing import Profile
from tests.carriers import message, places, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from engine.receipts import Receipt


@asynccontextmanager
async def channel_to(url: str, *, timeout_s: float = 5.0, **carrier: Any) -> AsyncIterator[HttpChannel]:
    described = HttpCarrier(url, carrier.pop("body", {"to": "${to}"}), **carrier)
    channel = HttpChannel(Profile("alpha", timeout_s=timeout_s), places(), described, SystemClock())
    await channel.open(_nowhere)
    yield channel
    await channel.close()


async def _nowhere(dlr: DeliveryReceipt) -> None:
    raise AssertionError("no receipt was expected")


@asynccontextmanager
async def raw_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/send"


async def read_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.decode().split("\r\n") if line.lower().startswith("content-length"))
    await reader.readexactly(int(length.split(":")[1]))


async def test_the_request_is_json_with_the_configured_headers() -> None:
    seen: list[Any] = []

    async def carrier(request: web.Request) -> web.Response:
        seen.append((request.method, request.content_type, request.headers["X-Key"], await request.json()))
        return web.json_response({"id": "1"})

    async with serving(carrier) as url, channel_to(url, headers={"X-Key": "k"}) as channel:
        assert await channel.submit(message()) == Accepted("1")
    assert seen == [("POST", "application/json", "k", {"to": "+8613800001234"})]


async def test_a_refused_connection_is_a_fault() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with channel_to(f"http://127.0.0.1:{taken.getsockname()[1]}/") as channel:
            assert isinstance(await channel.submit(message()), ChannelFault)


@pytest.mark.parametrize("url", ["http://no-such-carrier.invalid/", "http://:80/", "http://127.0.0.1:99999/"])
async def test_an_address_that_leads_nowhere_is_a_fault(url: str) -> None:
    async with channel_to(url) as channel:
        assert isinstance(await channel.submit(message()), ChannelFault)


async def test_failing_tls_is_a_fault() -> None:
    async def carrier(request: web.Request) -> web.Response:
        raise AssertionError("the request must not get here")

    async with serving(carrier) as url, channel_to(url.replace("http:", "https:")) as channel:
        assert isinstance(await channel.submit(message()), ChannelFault)


async def test_a_connection_that_never_comes_about_is_a_fault_in_half_the_time() -> None:
    # A listener that accepts nobody, its queue filled: further connections hang in the handshake.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
            fillers.append(filler)
        async with channel_to(f"http://127.0.0.1:{deaf.getsockname()[1]}/", timeout_s=0.4) as channel:
            async with asyncio.timeout(20):
                outcome = await channel.submit(message())
        assert outcome == ChannelFault("No connection to the carrier (ConnectionTimeoutError).")
        for filler in fillers:
            filler.close()


async def test_a_connection_lost_after_the_request_leaves_it_open() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with raw_server(hang_up) as url, channel_to(url) as channel:
        assert isinstance(await channel.submit(message()), Unanswered)


async def test_a_reset_after_the_request_leaves_it_open() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with raw_server(reset) as url, channel_to(url) as channel:
        assert isinstance(await channel.submit(message()), Unanswered)


async def test_a_kept_connection_that_closes_under_a_request_leaves_it_open_and_is_not_posted_again() -> None:
    requests = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"id":"1"}')
        await writer.drain()
        await read_request(reader)
        requests += 1

    async with raw_server(once) as url, channel_to(url) as channel:
        assert await channel.submit(message()) == Accepted("1")
        assert isinstance(await channel.submit(message()), Unanswered)
    assert requests == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_no_request_that_broke_off_is_sent_again_whatever_its_method(method: str) -> None:
    requests = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1

    encoding = Encoding.QUERY if method == "GET" else Encoding.JSON
    async with raw_server(hang_up) as url, channel_to(url, method=method, encoding=encoding) as channel:
        assert isinstance(await channel.submit(message()), Unanswered)
    assert requests == 1


async def test_a_request_that_cannot_be_written_was_surely_not_sent() -> None:
    async with channel_to("http://carrier.example/${account}") as channel:
        assert isinstance(await channel.submit(message(account="half a \ud83d")), ChannelFault)
    async with channel_to("http://carrier.example/", body={"account": "${account}"}) as channel:
        assert isinstance(await channel.submit(message(account="half a \ud83d")), ChannelFault)


async def test_fields_in_the_query_arrive_as_they_were_written() -> None:
    seen: list[Any] = []

    async def carrier(request: web.Request) -> web.Response:
        seen.append((request.method, dict(request.query), await request.read(), request.headers.get("Content-Type")))
        return web.json_response({"id": "1"})

    body = {"to": "${to}", "text": "${text}"}
    async with serving(carrier) as url:
        for method in ("GET", "POST"):
            async with channel_to(url, method=method, encoding=Encoding.QUERY, body=body) as channel:
                assert await channel.submit(message()) == Accepted("1")
    fields = {"to": "+8613800001234", "text": "【Acme】Your code is 1234."}
    assert seen == [("GET", fields, b"", None), ("POST", fields, b"", None)]


@pytest.mark.parametrize(
    "answer",
    [
        b"no HTTP at all\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id":"1"}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_malformed_or_cut_answer_leaves_it_open(answer: bytes) -> None:
    async def mumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    async with raw_server(mumble) as url, channel_to(url) as channel:
        assert isinstance(await channel.submit(message()), Unanswered)


async def test_an_answer_beyond_the_bound_is_not_read_to_its_end() -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"id": "1", "more": "')
        while True:  # ends when the channel hangs up
            await response.write(b"x" * MAX_ANSWER_BYTES)

    async with serving(flood) as url, channel_to(url) as channel:
        async with asyncio.timeout(20):
            assert isinstance(await channel.submit(message()), Unanswered)


async def test_a_packed_answer_is_bounded_by_what_it_unpacks_to() -> None:
    async def bomb(request: web.Request) -> web.Response:
        response = web.Response(text='{"id": "1", "more": "' + "x" * 1_000_000 + '"}', content_type="application/json")
        response.enable_compression()
        return response

    async with serving(bomb) as url, channel_to(url) as channel:
        assert isinstance(await channel.submit(message()), Unanswered)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    paths: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=status, headers={"Location": "/other"})

    async with serving(elsewhere) as url, channel_to(f"{url}/send") as channel:
        assert isinstance(await channel.submit(message()), ChannelFault | Unanswered)
    assert paths == ["/send"]


async def test_a_carriers_cookies_are_not_kept() -> None:
    cookies: list[str | None] = []

    async def baker(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.json_response({"id": "1"}, headers={"Set-Cookie": "session=1"})

    async with serving(baker) as url, channel_to(url.replace("127.0.0.1", "localhost")) as channel:
        await channel.submit(message())
        await channel.submit(message())
    assert cookies == [None, None]


async def test_a_submit_given_up_drops_its_connection_and_the_next_is_answered_rightly() -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow_first(request: web.Request) -> web.Response:
        body = await request.json()
        if body["job"] == first:
            arrived.set()
            await release.wait()
        return web.json_response({"id": f"for-{body['job']}"})

    one, two = message(), message()
    first = str(one.job.id)
    async with serving(slow_first) as url, channel_to(url, body={"job": "${job}"}) as channel:
        submit = asyncio.create_task(channel.submit(one))
        await arrived.wait()
        submit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submit
        release.set()
        assert await channel.submit(two) == Accepted(f"for-{two.job.id}")


async def test_an_unknown_status_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with channel_to("http://carrier.example/", receipts=ReceiptFormat({"DELIVRD": State.DELIVERED})) as channel:
        for _ in range(2):
            channel.read(json.dumps({"id": "a", "status": "MOONED"}).encode())
    assert [record.getMessage() for record in caplog.records] == [
        "channel alpha reports a status that is not in its description: 'MOONED'"
    ]


def unknown(age_s: float = 3600.0) -> Receipt:
    one = message()
    at = SystemClock().now() - timedelta(seconds=age_s)
    return receipt_for(one.job, State.UNKNOWN, at, category=one.category, to=one.job.to)


async def test_a_question_carries_our_reference_and_the_headers() -> None:
    seen: list[tuple[str, str, str]] = []

    async def carrier(request: web.Request) -> web.Response:
        seen.append((request.method, request.path_qs, request.headers["X-Key"]))
        return web.json_response({"id": "1", "status": "ENROUTE"})

    async with serving(carrier) as url:
        query = QueryFormat(f"{url}/find?ref=${{job}}", {"ENROUTE": State.SUBMITTED})
        async with channel_to(url, headers={"X-Key": "k"}, body={"ref": "${job}"}, query=query) as channel:
            asked = unknown()
            found = await channel.ask(asked)
    assert isinstance(found, DeliveryReceipt)
    assert (found.channel, found.carrier_id, found.state) == ("alpha", "1", State.SUBMITTED)
    assert seen == [("GET", f"/find?ref={asked.job}", "k")]


async def test_a_message_is_not_known_to_be_unsent_before_the_carriers_books_settle() -> None:
    async def carrier(request: web.Request) -> web.Response:
        return web.Response(status=404)

    async with serving(carrier) as url:
        query = QueryFormat(f"{url}/${{job}}", {}, not_sent_statuses={404}, settles_after_s=600)
        async with channel_to(url, body={"ref": "${job}"}, query=query) as channel:
            assert await channel.ask(unknown(age_s=60)) is None
            assert await channel.ask(unknown(age_s=601)) == NotSent()


async def test_a_flood_of_an_answer_to_a_question_says_nothing() -> None:
    async def carrier(request: web.Request) -> web.Response:
        return web.json_response({"id": "1", "status": "ENROUTE", "more": "x" * MAX_ANSWER_BYTES})

    async with serving(carrier) as url:
        query = QueryFormat(f"{url}/${{job}}", {"ENROUTE": State.SUBMITTED})
        async with channel_to(url, body={"ref": "${job}"}, query=query) as channel:
            assert await channel.ask(unknown()) is None


async def test_a_carrier_that_cannot_be_asked_says_nothing() -> None:
    async with channel_to("http://carrier.example/") as channel:
        assert await channel.ask(unknown()) is None


def test_a_query_without_our_reference_in_the_submit_is_refused() -> None:
    query = QueryFormat("http://carrier.example/${job}", {})
    with pytest.raises(ValueError, match=r"needs \$\{job\} in the body"):
        HttpCarrier("http://carrier.example/", {"to": "${to}"}, query=query)


async def test_a_channel_without_receipts_reads_none() -> None:
    async with channel_to("http://carrier.example/") as channel:
        with pytest.raises(ValueError, match="takes no delivery receipts"):
            channel.read(b"{}")


async def test_a_channel_without_inbound_messages_reads_none() -> None:
    async with channel_to("http://carrier.example/") as channel:
        with pytest.raises(ValueError, match="takes no inbound messages"):
            channel.read_inbound(b"{}")
