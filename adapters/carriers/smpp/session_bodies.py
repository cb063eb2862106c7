"""What PDUs about the session itself carry, one type per command.

Fields are named and ordered as in SMPP 3.4, part 4. Strings are C-octet strings and hold Latin-1 characters only; what
must not be logged is not in the `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from adapters.carriers.smpp.commands import Command
from adapters.carriers.smpp.layout import OCTET, Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PASSWORD = 65  #: octets; the specification says 9, and some carriers hand out longer ones: settings decide


@dataclass(frozen=True, slots=True)
class Bind:
    """What the three binds share."""

    layout: ClassVar[Layout] = (
        ("system_id", 16),
        ("password", MAX_PASSWORD),
        ("system_type", 13),
        ("interface_version", OCTET),
        ("addr_ton", OCTET),
        ("addr_npi", OCTET),
        ("address_range", 41),
    )
    system_id: str = ""
    password: str = field(default="", repr=False)
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BindReceiver(Bind):
    """Asks to receive only."""

    command: ClassVar = Command.BIND_RECEIVER


@dataclass(frozen=True, slots=True)
class BindTransmitter(Bind):
    """Asks to submit only."""

    command: ClassVar = Command.BIND_TRANSMITTER


@dataclass(frozen=True, slots=True)
class BindTransceiver(Bind):
    """Asks to submit and receive."""

    command: ClassVar = Command.BIND_TRANSCEIVER


@dataclass(frozen=True, slots=True)
class BindResp:
    """What the answers to the three binds share."""

    layout: ClassVar[Layout] = (("system_id", 16),)
    system_id: str = ""
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BindReceiverResp(BindResp):
    """Answers `BindReceiver`."""

    command: ClassVar = Command.BIND_RECEIVER_RESP


@dataclass(frozen=True, slots=True)
class BindTransmitterResp(BindResp):
    """Answers `BindTransmitter`."""

    command: ClassVar = Command.BIND_TRANSMITTER_RESP


@dataclass(frozen=True, slots=True)
class BindTransceiverResp(BindResp):
    """Answers `BindTransceiver`."""

    command: ClassVar = Command.BIND_TRANSCEIVER_RESP


@dataclass(frozen=True, slots=True)
class Outbind:
    """A carrier that came to us asks us to bind."""

    command: ClassVar = Command.OUTBIND
    layout: ClassVar[Layout] = (("system_id", 16), ("password", MAX_PASSWORD))
    system_id: str = ""
    password: str = field(default="", repr=False)
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertNotification:
    """A phone can be reached again; it is not answered."""

    command: ClassVar = Command.ALERT_NOTIFICATION
    layout: ClassVar[Layout] = (
        ("source_addr_ton", OCTET),
        ("source_addr_npi", OCTET),
        ("source_addr", 65),
        ("esme_addr_ton", OCTET),
        ("esme_addr_npi", OCTET),
        ("esme_addr", 65),
    )
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = field(default="", repr=False)
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = field(default="", repr=False)
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unbind:
    """Says goodbye."""

    command: ClassVar = Command.UNBIND
    layout: ClassVar[Layout] = ()
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnbindResp:
    """Answers `Unbind`."""

    command: ClassVar = Command.UNBIND_RESP
    layout: ClassVar[Layout] = ()
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnquireLink:
    """Asks whether anybody is there."""

    command: ClassVar = Command.ENQUIRE_LINK
    layout: ClassVar[Layout] = ()
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnquireLinkResp:
    """Answers `EnquireLink`."""

    command: ClassVar = Command.ENQUIRE_LINK_RESP
    layout: ClassVar[Layout] = ()
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GenericNack:
    """Answers what could not be understood."""

    command: ClassVar = Command.GENERIC_NACK
    layout: ClassVar[Layout] = ()
    tlvs: Mapping[int, bytes] = field(default_factory=dict)
