"""How a carrier wants messages written, and what its words mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING

from adapters.carriers.json_values import text as storable
from adapters.carriers.smpp import statuses
from adapters.carriers.smpp.addresses import destination, source
from adapters.carriers.smpp.message_bodies import MessageResp, QuerySm, QuerySmResp, SubmitSm
from adapters.carriers.smpp.parts import Writing, cut
from adapters.carriers.smpp.receipts import read_answer
from adapters.carriers.smpp.text import decode
from engine.outcomes import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, tzinfo

    from adapters.carriers.http_answer import Verdict
    from adapters.carriers.smpp.parts import References
    from adapters.carriers.smpp.pdu import Pdu
    from engine.message import Message
    from engine.outcomes import Outcome
    from engine.receipts import DeliveryReceipt

RECEIPT_WANTED = 1  #: registered_delivery: of success and of failure (SMPP 3.4, 5.2.17)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an operator says of a carrier's SMPP."""

    sender: str = ""  #: empty: the carrier puts its own
    writing: Writing = field(default_factory=Writing)
    zone: tzinfo = UTC  #: of the dates in its receipts
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)  #: statuses that mean something else than usual

    def write(self, message: Message, references: References) -> Sequence[SubmitSm] | Refused:
        """The submits of a message in their order, or why it cannot be written."""
        sender = source(self.sender, message.job.extend)
        if isinstance(sender, Refused):
            return sender
        to = destination(message.recipient.number)
        next_reference = partial(references.next, sender.number, to.number)
        try:
            parts = cut(message.text, message.recipient.country, self.writing, next_reference)
        except ValueError as error:
            return Refused("TEXT_TOO_LONG", f"The message cannot be cut: {error}.")
        return [
            SubmitSm(
                source_addr_ton=sender.ton,
                source_addr_npi=sender.npi,
                source_addr=sender.number,
                dest_addr_ton=to.ton,
                dest_addr_npi=to.npi,
                destination_addr=to.number,
                esm_class=part.esm_class,
                registered_delivery=RECEIPT_WANTED,
                data_coding=part.data_coding,
                short_message=part.short_message,
                tlvs=part.tlvs,
            )
            for part in parts
        ]

    def outcome(self, answer: Pdu) -> Outcome:
        """What the answer to a submit means."""
        carrier_id = answer.body.message_id if isinstance(answer.body, MessageResp) else ""
        return statuses.outcome(answer.status, carrier_id, self.verdicts)

    def read(self, parts: Sequence[tuple[bytes, int]]) -> str:
        """The text of a message from a phone, by the octets and the data coding of its parts.

        Phones cut between any two octets, so parts of one coding are read as one.
        """
        codings = {coding for _, coding in parts}
        whole = [(b"".join(octets for octets, _ in parts), codings.pop())] if len(codings) == 1 else parts
        return storable("".join(decode(octets, coding, self.writing.default) for octets, coding in whole))

    def query(self, carrier_id: str) -> QuerySm:
        """The question what became of a message. Its sender has to be the one of the submit; `extend` is not known."""
        sender = source(self.sender, None)
        if isinstance(sender, Refused):
            return QuerySm(carrier_id)
        return QuerySm(carrier_id, *sender)

    def read_query(self, answer: Pdu, carrier_id: str, channel: str, now: datetime) -> DeliveryReceipt | None:
        """What the answer to the question says; an error says nothing, for the carrier may have forgotten."""
        if answer.status or not isinstance(answer.body, QuerySmResp):
            return None
        return read_answer(answer.body, channel, carrier_id, now)
