"""A bind that is kept: made again with patience, told of once, and never let in on trust."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from adapters.carriers.smpp.bind import Backoff, Bind
from adapters.carriers.smpp.commands import Command, Status
from adapters.carriers.smpp.login import Login, Mode, trust
from adapters.carriers.smpp.session import Pace
from adapters.carriers.smpp.session_bodies import BindTransceiverResp
from adapters.clock import SystemClock
from engine.events import BindDown, BindUp
from tests.certificates import Certificates
from tests.smsc import Smsc, SmscLink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from adapters.carriers.smpp.pdu import Pdu
    from engine.events import Event

PATIENT = Pace(enquire_link_s=600, answer_s=60, connect_s=60)
AT_ONCE = Backoff(first_s=0.001, max_s=0.001, refused_s=0.001)


class Told(list[Any]):
    """What telemetry was told."""

    def emit(self, event: Event) -> None:
        self.append(event)


class Kept:
    """A bind that is being kept."""

    def __init__(self, bind: Bind, told: Told) -> None:
        self.bind = bind
        self.told = told
        self.changes = 0

    def changed(self) -> None:
        self.changes += 1

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def kept(
    port: int, *, backoff: Backoff = AT_ONCE, tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[Kept]:
    told = Told()
    login = Login("127.0.0.1", port, "user", "hunter2", tls=tls, server_name=server_name)
    bind = Bind(
        "alpha",
        Mode.TRANSCEIVER,
        login,
        10,
        pace=PATIENT,
        backoff=backoff,
        clock=SystemClock(),
        telemetry=told,
        rng=Random(1),
    )
    on = Kept(bind, told)

    async def take(body: object) -> None:
        raise AssertionError("nothing was to come")

    keeping = asyncio.create_task(bind.keep(take, on.changed))
    yield on
    await bind.close()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert "hunter2" not in repr((told, bind._login))


def test_the_wait_grows_to_its_bound_and_no_two_are_alike() -> None:
    backoff, rng = Backoff(first_s=1, max_s=30, refused_s=60), Random(1)
    waits = [[backoff.delay_s(failures, rng) for _ in range(200)] for failures in (1, 2, 3, 20, 10**6)]
    for drawn, most_s in zip(waits, (1, 2, 4, 30, 30), strict=True):
        assert most_s / 2 <= min(drawn) < 0.6 * most_s
        assert 0.9 * most_s < max(drawn) <= most_s
    refused = [backoff.delay_s(1, rng, refused=True) for _ in range(200)]
    assert min(refused) >= 30
    assert max(refused) <= 60


async def test_a_bind_that_ends_is_made_again() -> None:
    async with Smsc().running() as smsc, kept(smsc.port) as on:
        await on.until(lambda: on.bind.session)
        smsc.link.hang_up()
        await smsc.until(lambda: len(smsc.links) == 2)
        await on.until(lambda: on.bind.session)
    assert on.told[0] == BindUp("alpha", "transceiver")
    assert (on.told[1].reason, on.told[1].fatal) == ("the carrier hung up", False)
    assert on.told[1].up_s is not None
    assert on.told[2:] == [BindUp("alpha", "transceiver")]
    assert on.changes >= 3


async def test_an_outage_is_told_once_however_often_it_is_tried() -> None:
    async with Smsc().running() as smsc:
        pass
    async with kept(smsc.port) as on:
        await on.bind.tried.wait()
        await asyncio.sleep(0.05)
        assert on.told == [
            BindDown("alpha", "transceiver", "no connection to the carrier (ConnectionRefusedError)", False)
        ]
        async with smsc.running(port=smsc.port):
            await on.until(lambda: on.bind.session)
            assert on.told[1:] == [BindUp("alpha", "transceiver")]


async def test_a_wrong_password_is_told_as_fatal_and_tried_again_slowly() -> None:
    def refuse(link: SmscLink, pdu: Pdu) -> bool:
        if pdu.command == Command.BIND_TRANSCEIVER:
            link.send(BindTransceiverResp(), pdu.sequence, Status.ESME_RINVPASWD)
        return pdu.command == Command.BIND_TRANSCEIVER

    waited_as_refused: list[bool] = []

    class Noting(Backoff):
        def delay_s(self, failures: int, rng: Random, *, refused: bool = False) -> float:
            waited_as_refused.append(refused)
            return super().delay_s(failures, rng, refused=refused)

    async with Smsc(refuse).running() as smsc, kept(smsc.port, backoff=Noting(refused_s=600)) as on:
        await on.bind.tried.wait()
        assert on.bind.refused == "the carrier refuses the bind (ESME_RINVPASWD)"
        assert on.told == [BindDown("alpha", "transceiver", on.bind.refused, True)]
        assert waited_as_refused == [True]
        assert len(smsc.links) == 1


async def test_a_refusal_is_forgotten_once_the_bind_is_up() -> None:
    def refuse_once(link: SmscLink, pdu: Pdu) -> bool:
        if len(smsc.links) > 1:
            return False
        link.send(BindTransceiverResp(), pdu.sequence, Status.ESME_RINVPASWD)
        return True

    async with Smsc(refuse_once).running() as smsc, kept(smsc.port) as on:
        await on.until(lambda: on.bind.session)
        assert on.bind.refused is None


@pytest.mark.parametrize(("lasted_s", "waits"), [(0.0, [1, 1]), (3600.0, [1, 2, 3])])
async def test_only_a_bind_that_lasted_starts_the_waits_afresh(lasted_s: float, waits: list[int]) -> None:
    asked: list[int] = []

    class Counting(Backoff):
        def delay_s(self, failures: int, rng: Random, *, refused: bool = False) -> float:
            asked.append(failures)
            return 0.001

    def hang_up(link: SmscLink, pdu: Pdu) -> bool:
        link.behave(pdu)
        link.hang_up()
        return True

    async with Smsc(hang_up).running() as smsc, kept(smsc.port, backoff=Counting(lasted_s=lasted_s)) as on:
        await on.until(lambda: len(asked) >= len(waits))
        assert asked[: len(waits)] == waits


async def test_closing_takes_leave_and_is_no_outage() -> None:
    async with Smsc().running() as smsc:
        async with kept(smsc.port) as on:
            await on.until(lambda: on.bind.session)
        await smsc.until(lambda: smsc.link.over)
        assert [pdu.command for pdu in smsc.link.heard] == [Command.BIND_TRANSCEIVER, Command.UNBIND]
    assert on.told == [BindUp("alpha", "transceiver")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.sign("carrier", "DNS:smpp.example.com,IP:127.0.0.1")
    made.sign("elsewhere", "DNS:elsewhere.example.com")
    made.sign("us", "DNS:us.example.com")
    return made


def carrier_tls(certificates: Certificates, name: str = "carrier", *, wants_ours: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.path("ca.pem"))
    context.load_cert_chain(certificates.path(f"{name}.pem"), certificates.path(f"{name}.key"))
    if wants_ours:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_a_carrier_of_our_own_authority_is_trusted_and_sees_our_certificate(certificates: Certificates) -> None:
    ours = trust(certificates.path("ca.pem"), certificates.path("us.pem"), certificates.path("us.key"))
    async with Smsc().running(carrier_tls(certificates, wants_ours=True)) as smsc:
        async with kept(smsc.port, tls=ours) as on:
            await on.until(lambda: on.bind.session)
            seen: Any = smsc.link._writer.get_extra_info("peercert")
            assert ((("commonName", "us"),)) in seen["subject"]
        await smsc.until(lambda: smsc.link.over)
        assert smsc.link.only(Command.UNBIND)


async def test_without_our_certificate_a_carrier_that_wants_it_lets_nobody_in(certificates: Certificates) -> None:
    ours = trust(certificates.path("ca.pem"), None, None)
    theirs = carrier_tls(certificates, wants_ours=True)
    async with Smsc().running(theirs) as smsc, kept(smsc.port, tls=ours) as on:
        await on.bind.tried.wait()
        assert on.bind.session is None


@pytest.mark.parametrize(
    ("name", "ca", "words"),
    [("elsewhere", "ca.pem", "not valid for '127.0.0.1'"), ("carrier", None, "is not trusted")],
    ids=["another name", "an authority that is not ours"],
)
async def test_a_certificate_that_cannot_be_trusted_is_no_bind(
    certificates: Certificates, name: str, ca: str | None, words: str
) -> None:
    ours, theirs = trust(ca and certificates.path(ca), None, None), carrier_tls(certificates, name)
    async with Smsc().running(theirs) as smsc, kept(smsc.port, tls=ours) as on:
        await on.bind.tried.wait()
        assert words in on.told[0].reason
        assert not any(link.heard for link in smsc.links)


async def test_the_name_in_the_certificate_may_be_another_than_the_host_if_the_operator_says_so(
    certificates: Certificates,
) -> None:
    ours, theirs = trust(certificates.path("ca.pem"), None, None), carrier_tls(certificates, "elsewhere")
    name = "elsewhere.example.com"
    async with Smsc().running(theirs) as smsc, kept(smsc.port, tls=ours, server_name=name) as on:
        await on.until(lambda: on.bind.session)


def test_a_file_that_is_no_certificate_or_a_key_with_a_pass_phrase_is_an_error(
    certificates: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ssl.SSLError):
        trust(str(tmp_path / "empty.pem"), None, None)
    with pytest.raises(FileNotFoundError):
        trust(str(tmp_path / "nowhere.pem"), None, None)
    locked = str(tmp_path / "locked.key")
    command = ["openssl", "pkcs8", "-topk8", "-in", certificates.path("us.key"), "-out", locked, "-passout", "pass:x"]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(OSError, match="pass phrase"):
        trust(None, certificates.path("us.pem"), locked)
