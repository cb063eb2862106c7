"""A broker behind TLS: consuming has a transport of its own, publishing the library's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from yarl import URL

from tests.certificates import Certificates
from tests.rabbitmq_setup import SOON_S, installation, job


@asynccontextmanager
async def behind_tls(amqp_url: str, certificates: Certificates) -> AsyncIterator[URL]:
    """The broker's address through a proxy whose certificate our authority signed."""
    broker = URL(amqp_url)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificates.path("broker.pem"), certificates.path("broker.key"))

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(broker.host, broker.port)
        await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield broker.with_scheme("amqps").with_host("127.0.0.1").with_port(port)


@pytest.mark.parametrize("trusted", [True, False])
async def test_jobs_are_taken_over_tls_from_a_broker_whose_certificate_we_trust(
    amqp_url: str, tmp_path: Path, trusted: bool
) -> None:
    certificates = Certificates(tmp_path)
    certificates.sign("broker", "IP:127.0.0.1")
    async with installation(amqp_url) as here, behind_tls(amqp_url, certificates) as url:
        if trusted:
            url = url.with_query(cafile=certificates.path("ca.pem"))
        put = job()
        async with here.intake() as intake, here.job_queue(str(url), publisher_url=str(url)) as queue:
            await intake.put([put])
            if trusted:
                delivery = await asyncio.wait_for(queue.take(put.category), SOON_S)
                assert delivery
                assert delivery.job == put
                await queue.defer(delivery, 0.0)
                again = await asyncio.wait_for(queue.take(put.category), SOON_S)
                assert again
                await queue.settle(again)
            else:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(queue.take(put.category), 1.0)
                assert queue.outage.away
        await here.counted(here.names.of_category(put.category), 0 if trusted else 1)
