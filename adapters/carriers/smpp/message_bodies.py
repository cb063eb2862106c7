"""What PDUs about messages carry, one type per command.

Fields are named and ordered as in SMPP 3.4, part 4. Strings are C-octet strings and hold Latin-1 characters only; what
must not be logged is not in the `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from adapters.carriers.smpp.commands import Command
from adapters.carriers.smpp.layout import MESSAGE, OCTET, Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADDRESSES: Layout = (
    ("source_addr_ton", OCTET),
    ("source_addr_npi", OCTET),
    ("source_addr", 21),
    ("dest_addr_ton", OCTET),
    ("dest_addr_npi", OCTET),
    ("destination_addr", 21),
)


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """What `submit_sm` and `deliver_sm` share."""

    layout: ClassVar[Layout] = (
        ("service_type", 6),
        *_ADDRESSES,
        ("esm_class", OCTET),
        ("protocol_id", OCTET),
        ("priority_flag", OCTET),
        ("schedule_delivery_time", 17),
        ("validity_period", 17),
        ("registered_delivery", OCTET),
        ("replace_if_present_flag", OCTET),
        ("data_coding", OCTET),
        ("sm_default_msg_id", OCTET),
        ("short_message", MESSAGE),
    )
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = field(default="", repr=False)
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = field(default="", repr=False)
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = field(default=b"", repr=False)
    tlvs: Mapping[int, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class SubmitSm(ShortMessage):
    """A message for a phone."""

    command: ClassVar = Command.SUBMIT_SM


@dataclass(frozen=True, slots=True)
class DeliverSm(ShortMessage):
    """A message from a phone, or a delivery receipt."""

    command: ClassVar = Command.DELIVER_SM


@dataclass(frozen=True, slots=True)
class DataSm:
    """A message either way, its text in `message_payload`."""

    command: ClassVar = Command.DATA_SM
    layout: ClassVar[Layout] = (
        ("service_type", 6),
        ("source_addr_ton", OCTET),
        ("source_addr_npi", OCTET),
        ("source_addr", 65),
        ("dest_addr_ton", OCTET),
        ("dest_addr_npi", OCTET),
        ("destination_addr", 65),
        ("esm_class", OCTET),
        ("registered_delivery", OCTET),
        ("data_coding", OCTET),
    )
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = field(default="", repr=False)
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = field(default="", repr=False)
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: Mapping[int, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class MessageResp:
    """What the answers to messages share: the carrier's id of the message, as it wrote it."""

    layout: ClassVar[Layout] = (("message_id", 65),)
    message_id: str = ""
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubmitSmResp(MessageResp):
    """Answers `SubmitSm`."""

    command: ClassVar = Command.SUBMIT_SM_RESP


@dataclass(frozen=True, slots=True)
class DeliverSmResp(MessageResp):
    """Answers `DeliverSm`; its id stays empty."""

    command: ClassVar = Command.DELIVER_SM_RESP


@dataclass(frozen=True, slots=True)
class DataSmResp(MessageResp):
    """Answers `DataSm`."""

    command: ClassVar = Command.DATA_SM_RESP


@dataclass(frozen=True, slots=True)
class QuerySm:
    """Asks what became of a message."""

    command: ClassVar = Command.QUERY_SM
    layout: ClassVar[Layout] = (
        ("message_id", 65),
        ("source_addr_ton", OCTET),
        ("source_addr_npi", OCTET),
        ("source_addr", 21),
    )
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = field(default="", repr=False)
    tlvs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuerySmResp:
    """Answers `QuerySm`; `message_state` 0 says nothing."""

    command: ClassVar = Command.QUERY_SM_RESP
    layout: ClassVar[Layout] = (("message_id", 65), ("final_date", 17), ("message_state", OCTET), ("error_code", OCTET))
    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0
    tlvs: Mapping[int, bytes] = field(default_factory=dict)
