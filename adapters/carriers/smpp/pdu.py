"""PDUs to bytes and back, for both ends of a link (SMPP 3.4, part 3).

Whoever reads a stream feeds what came to `Frames` and takes PDUs until there are none:

    frames.feed(await reader.read(65536))
    while (pdu := frames.take()) is not None: ...

`take` raises `PduError`; unless that is `fatal`, the next `take` goes on behind the bad PDU.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812  (it is a class)
from typing import Any, NamedTuple

from adapters.carriers.smpp import message_bodies as message
from adapters.carriers.smpp import session_bodies as session
from adapters.carriers.smpp.commands import RESPONSE, Command, Status
from adapters.carriers.smpp.layout import MAX_MESSAGE, OCTET
from adapters.carriers.smpp.tlv import read_tlvs, write_tlvs

MAX_PDU = 65_536  #: octets, header included
MAX_STRING = 256  #: octets of a C-octet string we read; carriers exceed the specification's limits
_HEADER = Struct(">IIII")
_LENGTH = Struct(">I")

Body = (
    session.BindReceiver
    | session.BindTransmitter
    | session.BindTransceiver
    | session.BindReceiverResp
    | session.BindTransmitterResp
    | session.BindTransceiverResp
    | session.Outbind
    | session.Unbind
    | session.UnbindResp
    | session.EnquireLink
    | session.EnquireLinkResp
    | session.GenericNack
    | session.AlertNotification
    | message.SubmitSm
    | message.SubmitSmResp
    | message.DeliverSm
    | message.DeliverSmResp
    | message.DataSm
    | message.DataSmResp
    | message.QuerySm
    | message.QuerySmResp
)
_BODIES: dict[int, type[Body]] = {int(body.command): body for body in Body.__args__}


class Header(NamedTuple):
    """The sixteen octets every PDU begins with."""

    length: int
    command: int
    status: int
    sequence: int

    @property
    def is_response(self) -> bool:
        """Whether it answers; then it must not be answered itself."""
        return bool(self.command & RESPONSE)


@dataclass(frozen=True, slots=True)
class Pdu:
    """One protocol data unit; its command is the one of its body."""

    body: Body
    sequence: int
    status: int = Status.ESME_ROK

    @property
    def command(self) -> Command:
        """The command id."""
        return self.body.command


class PduError(Exception):
    """Octets that are no PDU.

    `status` is what to answer with; a `fatal` one leaves no way to tell where the next PDU would begin. The text names
    fields and sizes, never contents.
    """

    def __init__(self, header: Header, reason: str, status: Status, *, fatal: bool = False) -> None:
        super().__init__(f"{_command_name(header.command)}: {reason}")
        self.header = header
        self.status = status
        self.fatal = fatal


class Frames:
    """Cuts a stream of octets into PDUs, and holds at most one unfinished one."""

    def __init__(self, max_pdu: int = MAX_PDU) -> None:
        """`max_pdu`: octets of the longest PDU taken, header included."""
        self._max_pdu = max_pdu
        self._buffer = bytearray()
        self._start = 0  # of what was not taken yet

    def feed(self, data: bytes) -> None:
        """Add what came; `take` until it answers None before the next `feed`, or memory grows."""
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def take(self) -> Pdu | None:
        """The next PDU, or None while it is not there whole.

        Raises:
            PduError: it is malformed. Its length is judged by the header, before the rest is awaited.
        """
        buffer, start = self._buffer, self._start
        if len(buffer) - start < _HEADER.size:
            return None
        (length,) = _LENGTH.unpack_from(buffer, start)
        if not _HEADER.size <= length <= self._max_pdu:
            header = Header._make(_HEADER.unpack_from(buffer, start))
            raise PduError(header, f"a length of {length} octets", Status.ESME_RINVCMDLEN, fatal=True)
        end = start + length
        if len(buffer) < end:
            return None
        self._start = end
        return decode(bytes(buffer[start:end]))


def encode(pdu: Pdu) -> bytes:
    """The octets of a PDU. An error that answers a bind or submit_sm and says nothing more is a header alone.

    Raises:
        ValueError: a field holds what cannot be written; the message names the field only.
    """
    body = pdu.body
    out = bytearray(_HEADER.size)
    if not (pdu.status and isinstance(body, session.BindResp | message.SubmitSmResp) and body == type(body)()):
        for name, kind in body.layout:
            value = getattr(body, name)
            if kind > 0:
                out += _c_octets(name, value, kind)
            elif kind == OCTET:
                if not 0 <= value <= 0xFF:
                    raise ValueError(f"{name} is no number of one octet")
                out.append(value)
            else:
                if len(value) > MAX_MESSAGE:
                    raise ValueError(f"{name} has {len(value)} octets; {MAX_MESSAGE} are allowed")
                out.append(len(value))
                out += value
        if body.tlvs:
            out += write_tlvs(body.tlvs)
    try:
        _HEADER.pack_into(out, 0, len(out), body.command, pdu.status, pdu.sequence)
    except StructError:
        raise ValueError("the status or sequence number is no number of four octets") from None
    return bytes(out)


def _c_octets(name: str, value: str, limit: int) -> bytes:
    try:
        octets = value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds characters that are not Latin-1") from None
    if len(octets) >= limit:
        raise ValueError(f"{name} has {len(octets)} characters; {limit - 1} are allowed")
    if 0 in octets:
        raise ValueError(f"{name} holds a NUL")
    return octets + b"\0"


def decode(data: bytes) -> Pdu:
    """The PDU in exactly these octets.

    Sloppy carriers are understood: a response may end after any field, a C-octet string that ends the body needs no
    NUL, and what follows the mandatory fields and is no optional parameter is dropped.

    Raises:
        PduError: it is malformed, or of a command not known here.
    """
    if len(data) < _HEADER.size:
        raise PduError(Header(len(data), 0, 0, 0), "no whole header", Status.ESME_RINVCMDLEN, fatal=True)
    header = Header._make(_HEADER.unpack_from(data))
    if header.length != len(data):
        reason = f"{header.length} octets announced, {len(data)} there"
        raise PduError(header, reason, Status.ESME_RINVCMDLEN, fatal=True)
    body = _BODIES.get(header.command)
    if body is None:
        raise PduError(header, "an unknown command", Status.ESME_RINVCMDID)
    return Pdu(_read_body(body, header, data), header.sequence, header.status)


def _read_body(body: type[Body], header: Header, data: bytes) -> Body:
    values: dict[str, Any] = {}
    size, position = len(data), _HEADER.size
    for name, kind in body.layout:
        if position >= size:
            if header.is_response:
                break
            raise PduError(header, f"it ends before {name}", Status.ESME_RINVCMDLEN)
        if kind > 0:
            end = data.find(0, position, position + MAX_STRING)
            if end < 0:
                if size - position >= MAX_STRING:
                    raise PduError(header, f"{name} has no end", Status.ESME_RINVCMDLEN)
                end = size
            values[name] = data[position:end].decode("latin-1")
            position = end + 1
        elif kind == OCTET:
            values[name] = data[position]
            position += 1
        else:
            start = position + 1
            position = start + data[position]
            if position > size:
                raise PduError(header, f"{name} is longer than the PDU", Status.ESME_RINVMSGLEN)
            values[name] = data[start:position]
    return body(**values, tlvs=read_tlvs(data, position))


def _command_name(command: int) -> str:
    body = _BODIES.get(command)
    return body.command.name.lower() if body else f"command {command:#010x}"
