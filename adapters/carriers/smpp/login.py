"""How are we let in by a carrier? From an address to a session that is bound."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from adapters.carriers.smpp.commands import Status, status_name
from adapters.carriers.smpp.session_bodies import BindReceiver, BindTransceiver, BindTransmitter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.carriers.smpp.session import Pace, Session

MAX_SYSTEM_ID, MAX_PASSWORD, MAX_SYSTEM_TYPE = 15, 8, 12  #: characters (SMPP 3.4, 5.2.1 to 5.2.3)
#: refusals that heal by themselves; after any other somebody has to act
_PASSING = frozenset(
    {
        Status.ESME_RALYBND,  # a bind of ours that broke off is not yet known to be gone there
        Status.ESME_RSYSERR,
        Status.ESME_RMSGQFUL,
        Status.ESME_RTHROTTLED,
        Status.ESME_RX_T_APPN,
    }
)


class Mode(StrEnum):
    """What a bind is for."""

    TRANSCEIVER = "transceiver"
    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"

    @property
    def submits(self) -> bool:
        """Whether messages can be submitted over it."""
        return self is not Mode.RECEIVER


_BODIES: Mapping[Mode, type[BindTransceiver | BindTransmitter | BindReceiver]] = {
    Mode.TRANSCEIVER: BindTransceiver,
    Mode.TRANSMITTER: BindTransmitter,
    Mode.RECEIVER: BindReceiver,
}


@dataclass(frozen=True, slots=True)
class Login:
    """Where a carrier is, and who we are there."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    tls: ssl.SSLContext | None = None
    server_name: str | None = None  #: that its certificate names; None: the host


class BindRefusedError(ConnectionError):
    """The carrier does not let us in; `lasting` if that does not heal by itself."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the carrier refuses the bind ({status_name(status)})")
        self.lasting = status not in _PASSING


async def bind(login: Login, mode: Mode, session: Session, pace: Pace) -> None:
    """Connect a new session and bind it.

    Raises:
        BindRefusedError: the carrier answered, and said no.
        OSError: there is no connection, or none that can be trusted, or it broke off.
        TimeoutError: it took too long.
    """
    asked = _BODIES[mode](login.system_id, login.password, login.system_type)
    try:
        async with asyncio.timeout(pace.connect_s):
            await asyncio.get_running_loop().create_connection(
                lambda: session.link,
                login.host,
                login.port,
                ssl=login.tls,
                server_hostname=(login.server_name or login.host) if login.tls else None,
            )
        async with asyncio.timeout(pace.answer_s):
            answer = await session.ask(asked)
        if answer.status:
            raise BindRefusedError(answer.status)
    except BaseException:
        session.end("it was not bound")
        raise


def said(error: Exception) -> str:
    """Why a connection did not come about, for a person; never what a library quotes of addresses or secrets."""
    if isinstance(error, BindRefusedError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the carrier's certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "the carrier does not answer"
    return f"no connection to the carrier ({type(error).__name__})"


def trust(ca_file: str | None, certificate_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """TLS to a carrier: its certificate is checked, with its name; ours is shown where there is one.

    `ca_file` None: the certificate authorities of the system. `key_file` None: the key is in the certificate's file.

    Raises:
        OSError: a file cannot be read, or is no such thing.
    """
    context = ssl.create_default_context(cafile=ca_file)
    if certificate_file:
        context.load_cert_chain(certificate_file, key_file, password=_no_password)
    return context


def _no_password() -> str:
    """A key with a pass phrase is an error, not a question at the terminal of a service."""
    raise OSError("the key has a pass phrase")
