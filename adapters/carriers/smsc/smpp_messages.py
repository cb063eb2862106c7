"""Messages as SMPP carries them: submits read, receipts and replies written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adapters.carriers.smpp.message_bodies import DataSm, DeliverSm, QuerySmResp, SubmitSm
from adapters.carriers.smpp.parts import Writing, cut
from adapters.carriers.smpp.text import decode
from adapters.carriers.smpp.tlv import Tag, number
from adapters.carriers.smpp.user_data import user_data
from adapters.carriers.smsc.messages import Inbound, Item, Part, Receipt, Submit

if TYPE_CHECKING:
    from adapters.carriers.smsc.known import Known

TEXT_SHOWN = 20  #: characters of a message that receipts repeat
REPORT = {1: "always", 2: "on_failure"}  #: bits 0 and 1 of registered_delivery (SMPP 3.4, 5.2.17)
RECEIPT_TYPE, INTERMEDIATE_TYPE = 0x04, 0x20  #: of esm_class (5.2.12)
#: message_state (5.2.28) of the words that receipts use
STATES = {
    "ENROUTE": 1,
    "DELIVRD": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "ACCEPTD": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
}


def read_submit(body: SubmitSm | DataSm, account: str) -> Submit:
    """What a client hands in; a text that cannot be read becomes one of replacement characters, never an error."""
    data = user_data(body)
    fragment = data.fragment
    own = number(body.tlvs, Tag.USER_MESSAGE_REFERENCE)
    return Submit(
        account,
        body.source_addr,
        body.destination_addr,
        decode(data.octets, body.data_coding),
        "smpp",
        None if own is None else str(own),
        Part(fragment.reference, fragment.number, fragment.total) if fragment else None,
        report=REPORT.get(body.registered_delivery & 3, "never"),
    )


def delivery(item: Item, receipt_in: str) -> list[DeliverSm]:
    """The PDUs that tell an item; `receipt_in` says where: text, tlv or both."""
    return [_receipt(item, receipt_in)] if isinstance(item, Receipt) else _inbound(item)


def known_answer(known: Known) -> QuerySmResp:
    """What a query about a message is answered."""
    final_at = "" if known.final_at_s is None else f"{_utc(known.final_at_s):%y%m%d%H%M%S}000+"
    return QuerySmResp(known.carrier_id, final_at, STATES.get(known.status, STATES["UNKNOWN"]))


def _receipt(receipt: Receipt, receipt_in: str) -> DeliverSm:
    submit, delivered = receipt.submit, receipt.status == "DELIVRD"
    tlvs: dict[int, bytes] = {}
    if receipt_in != "text":
        tlvs[Tag.RECEIPTED_MESSAGE_ID] = receipt.carrier_id.encode() + b"\0"
        tlvs[Tag.MESSAGE_STATE] = bytes([STATES.get(receipt.status, STATES["UNKNOWN"])])
    text = ""
    if receipt_in != "tlv":  # as in appendix B, which most carriers follow
        text = (
            f"id:{receipt.carrier_id} sub:001 dlvrd:{delivered:03d} submit date:{_utc(receipt.submitted_s):%y%m%d%H%M} "
            f"done date:{_utc(receipt.at_s):%y%m%d%H%M} stat:{receipt.status} err:{0 if delivered else 1:03d} "
            f"text:{submit.text[:TEXT_SHOWN].encode('ascii', 'replace').decode()}"
        )
    return DeliverSm(
        source_addr=submit.to,
        destination_addr=submit.sender,
        esm_class=INTERMEDIATE_TYPE if receipt.status == "ENROUTE" else RECEIPT_TYPE,
        short_message=text.encode("ascii"),
        tlvs=tlvs,
    )


def _inbound(inbound: Inbound) -> list[DeliverSm]:
    parts = cut(inbound.text, "", Writing(), lambda: inbound.number)
    return [
        DeliverSm(
            source_addr=inbound.sender,
            destination_addr=inbound.to,
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            short_message=part.short_message,
        )
        for part in parts
    ]


def _utc(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
