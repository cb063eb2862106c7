"""Is it a delivery receipt, and what does it say? Parameters are believed first, then the text.

| `message_state` | words | state | code |
|---|---|---|---|
| 1 ENROUTE, 6 ACCEPTED | ENROUTE ACCEPTD BUFFRED SCHEDULED … | submitted | |
| 2 DELIVERED | DELIVRD DELIVERED | delivered | |
| 3 EXPIRED | EXPIRED | undelivered | EXPIRED |
| 4 DELETED | DELETED | undelivered | DELETED |
| 5 UNDELIVERABLE | UNDELIV UNDELIVERED UNDELIVERABLE FAILED | undelivered | UNDELIVERABLE |
| 8 REJECTED | REJECTD REJECTED | undelivered | REJECTED |
| 9 SKIPPED | SKIPPED | undelivered | SKIPPED |
| 7 UNKNOWN | UNKNOWN | submitted | STATUS_UNKNOWN: the carrier does not know, so neither do we |
| any other | any other | submitted | STATUS_UNRECOGNISED |

Where the network says that it was the phone (`network_error_code` of a GSM network, errors of 3GPP TS 29.002), an
undelivered message has that code: NUMBER_UNKNOWN, ABSENT, BARRED.
"""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from typing import TYPE_CHECKING

from adapters.carriers.json_values import message_id, sentence
from adapters.carriers.smpp.receipt_text import latest_instant, read_text
from adapters.carriers.smpp.tlv import Tag, number
from adapters.carriers.smpp.tlv import text as parameter
from adapters.carriers.smpp.user_data import user_data
from engine.receipts import DeliveryReceipt, State

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm, QuerySmResp

STATUS_UNKNOWN = "STATUS_UNKNOWN"
STATUS_UNRECOGNISED = "STATUS_UNRECOGNISED"  #: worth a count: a word that is not in the table above
OLDEST = timedelta(days=7)  #: a receipt tells of something older only by mistake

_UCS2 = 8  # data_coding (5.2.19)
_TYPE, _RECEIPT, _INTERMEDIATE = 0x3C, 0x04, 0x20  # of esm_class: its bits 2 to 5 (5.2.12)
_NAMES = {
    1: "ENROUTE",
    2: "DELIVERED",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIVERABLE",
    6: "ACCEPTED",
    7: "UNKNOWN",
    8: "REJECTED",
    9: "SKIPPED",
}
_ON_ITS_WAY = ("ENROUTE", "ACCEPTD", "ACCEPTED", "BUFFRED", "BUFFERED", "SCHEDULED", "PENDING", "QUEUED", "SENT")
_MEANINGS: dict[str, tuple[State, str | None]] = {
    **dict.fromkeys(_ON_ITS_WAY, (State.SUBMITTED, None)),
    **dict.fromkeys(("DELIVRD", "DELIVERED"), (State.DELIVERED, None)),
    **dict.fromkeys(("UNDELIV", "UNDELIVERED", "UNDELIVERABLE", "FAILED"), (State.UNDELIVERED, "UNDELIVERABLE")),
    **dict.fromkeys(("REJECTD", "REJECTED"), (State.UNDELIVERED, "REJECTED")),
    **{word: (State.UNDELIVERED, word) for word in ("EXPIRED", "DELETED", "SKIPPED")},
    "UNKNOWN": (State.SUBMITTED, STATUS_UNKNOWN),
}
_GSM = 3  # the network type of network_error_code (5.3.2.31)
_NETWORK_ERRORS = {1: "NUMBER_UNKNOWN", 6: "ABSENT", 13: "BARRED", 27: "ABSENT"}


def is_receipt(body: DeliverSm | DataSm) -> bool:
    """Whether a carrier's message reports on one of ours.

    By `esm_class`, other bits of which may be set, or by a parameter no phone can write. Never by the text alone, which
    anybody can write to us.
    """
    return body.esm_class & _TYPE in (_RECEIPT, _INTERMEDIATE) or Tag.RECEIPTED_MESSAGE_ID in body.tlvs


def read_receipt(
    body: DeliverSm | DataSm, channel: str, received_at: datetime, zone: tzinfo = UTC
) -> DeliveryReceipt | None:
    """What a receipt says; None if it does not say of which message. `zone` is the one of the carrier's dates.

    Its time is the done date, no later than it was received; it is when it was received where that date cannot be.
    """
    data = user_data(body).octets
    said = read_text(data.decode("utf-16-be" if body.data_coding == _UCS2 else "latin-1", "replace"))
    carrier_id = message_id(parameter(body.tlvs, Tag.RECEIPTED_MESSAGE_ID)) or message_id(said.id)
    if carrier_id is None:
        return None
    word = _NAMES.get(number(body.tlvs, Tag.MESSAGE_STATE) or 0) or said.stat or ""
    state, code = _MEANINGS.get(word.upper(), (State.SUBMITTED, STATUS_UNRECOGNISED))
    if body.esm_class & _TYPE == _INTERMEDIATE:
        state = State.SUBMITTED
    network, error = _network_error(body)
    if state is State.UNDELIVERED and network == _GSM:
        code = _NETWORK_ERRORS.get(error, code)
    err = said.err or (f"{network}.{error}" if network else None)
    status = sentence(f"{said.stat or word} err:{err}" if err else said.stat or word)
    at = _time(latest_instant(said.done, zone) if said.done else None, received_at)
    return DeliveryReceipt(channel, carrier_id, state, at, code, status, body.source_addr or None)


def read_answer(body: QuerySmResp, channel: str, carrier_id: str, received_at: datetime) -> DeliveryReceipt | None:
    """What a carrier says of a message it was asked about; None if it says nothing."""
    word = _NAMES.get(body.message_state)
    if word is None:
        return None
    state, code = _MEANINGS[word]
    return DeliveryReceipt(channel, carrier_id, state, _time(_absolute(body.final_date), received_at), code, word)


def _network_error(body: DeliverSm | DataSm) -> tuple[int, int]:
    value = body.tlvs.get(Tag.NETWORK_ERROR_CODE, b"")
    return (value[0], int.from_bytes(value[1:], "big")) if len(value) == 3 else (0, 0)


def _time(at: datetime | None, received_at: datetime) -> datetime:
    return received_at if at is None or at < received_at - OLDEST else min(at, received_at)


def _absolute(date: str) -> datetime | None:
    """An absolute time YYMMDDhhmmsstnnp (7.1.1), `nn` quarters of an hour before or behind UTC."""
    quarters, side = date[13:15], date[15:]
    if not (quarters.isascii() and quarters.isdigit() and side in ("+", "-")) or int(quarters) > 48:
        return None
    offset = timedelta(minutes=15 * int(side + quarters))
    return latest_instant(date[:12], timezone(offset))
