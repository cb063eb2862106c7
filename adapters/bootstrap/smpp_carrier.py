"""A carrier that speaks SMPP, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapters.carriers.http_answer import Verdict
from adapters.carriers.smpp.commands import Status
from adapters.carriers.smpp.dialect import Dialect
from adapters.carriers.smpp.login import Login, Mode, trust
from adapters.carriers.smpp.parts import Way, Writing
from adapters.carriers.smpp.text import Alphabet
from config import policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from config.channels import SmppSettings
    from config.smpp_tables import TlsSettings


def modes(channel: SmppSettings) -> list[Mode]:
    """What each bind of the channel is for."""
    each = [Mode.TRANSCEIVER] if channel.mode == "transceiver" else [Mode.TRANSMITTER, Mode.RECEIVER]
    return each * channel.binds


def login(channel: SmppSettings, environment: Mapping[str, str]) -> Login:
    """Where the carrier is, and who we are there.

    Raises:
        ConfigError: the password is missing or cannot be one.
        ValueError: a file of the TLS settings is not what it should be.
    """
    password = policy.smpp_password(channel, environment)
    tls, server_name = (_tls(channel.tls), channel.tls.server_name) if channel.tls else (None, None)
    return Login(channel.host, channel.port, channel.system_id, password, channel.system_type, tls, server_name)


def dialect(channel: SmppSettings) -> Dialect:
    """How the carrier wants its messages, and what its words mean.

    Raises:
        ValueError: a status or a time zone is not known.
    """
    try:
        zone = ZoneInfo(channel.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"time_zone = {channel.time_zone!r} is not known on this machine") from None
    return Dialect(
        sender=channel.sender,
        writing=Writing(Alphabet(channel.encoding), channel.latin1, Way(channel.long_messages)),
        zone=zone,
        verdicts={_status(name): Verdict(verdict) for name, verdict in channel.statuses.items()},
    )


def _tls(tls: TlsSettings) -> SSLContext:
    try:
        return trust(tls.ca_file, tls.certificate_file, tls.key_file)
    except OSError as error:
        raise ValueError(f"tls cannot be set up from its files ({error.strerror or error})") from None


def _status(name: str) -> int:
    """A command status by its name or its number, such as 0x0400."""
    if name in Status.__members__:
        return Status[name]
    try:
        return int(name, 0)
    except ValueError:
        raise ValueError(f"statuses: {name!r} is neither a command status nor a number") from None
