"""What a carrier's answer to a submit means: which of the five outcomes its command status is.

What is about the message itself is refused, and so neutral for the channel. What the channel's own settings decide,
such as a type of number, is a fault of the channel, and so is everything unknown: another channel may well take it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.carriers.http_answer import Verdict
from adapters.carriers.json_values import message_id
from adapters.carriers.smpp.commands import Status, status_name
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled, Unanswered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.outcomes import Outcome

#: unless configured; every other status is a fault
VERDICTS: Mapping[int, Verdict] = {
    Status.ESME_ROK: Verdict.ACCEPTED,
    Status.ESME_RMSGQFUL: Verdict.THROTTLED,
    Status.ESME_RTHROTTLED: Verdict.THROTTLED,
    Status.ESME_RINVMSGLEN: Verdict.REFUSED,
    Status.ESME_RINVSRCADR: Verdict.REFUSED,  # a sender that this carrier lets nobody, or not us, use
    Status.ESME_RINVDSTADR: Verdict.REFUSED,
    Status.ESME_RX_P_APPN: Verdict.REFUSED,
    Status.ESME_RX_R_APPN: Verdict.REFUSED,
    Status.ESME_RDELIVERYFAILURE: Verdict.REFUSED,
    Status.ESME_RBINDFAIL: Verdict.FATAL,
    Status.ESME_RINVPASWD: Verdict.FATAL,
    Status.ESME_RINVSYSID: Verdict.FATAL,
    Status.ESME_RINVSYSTYP: Verdict.FATAL,
}
_REASONS: Mapping[int, str] = {
    Status.ESME_RINVMSGLEN: "the message has a length it does not take",
    Status.ESME_RINVCMDLEN: "the PDU has a length it does not take",
    Status.ESME_RINVCMDID: "it does not know the command",
    Status.ESME_RINVBNDSTS: "the link is not bound for this",
    Status.ESME_RALYBND: "the link is bound already",
    Status.ESME_RINVPRTFLG: "the priority is wrong",
    Status.ESME_RINVREGDLVFLG: "receipts cannot be asked for in this way",
    Status.ESME_RSYSERR: "it has an error of its own",
    Status.ESME_RINVSRCADR: "the sender is not allowed or not valid",
    Status.ESME_RINVDSTADR: "the recipient is not valid",
    Status.ESME_RBINDFAIL: "it lets nobody bind",
    Status.ESME_RINVPASWD: "the password is wrong",
    Status.ESME_RINVSYSID: "the system id is wrong",
    Status.ESME_RMSGQFUL: "its queue is full",
    Status.ESME_RINVSERTYP: "the service type is wrong",
    Status.ESME_RINVESMCLASS: "the esm_class is wrong",
    Status.ESME_RSUBMITFAIL: "it could not take the message",
    Status.ESME_RINVSRCTON: "the sender's type of number is wrong",
    Status.ESME_RINVSRCNPI: "the sender's numbering plan is wrong",
    Status.ESME_RINVDSTTON: "the recipient's type of number is wrong",
    Status.ESME_RINVDSTNPI: "the recipient's numbering plan is wrong",
    Status.ESME_RINVSYSTYP: "the system type is wrong",
    Status.ESME_RTHROTTLED: "we send too fast",
    Status.ESME_RINVSCHED: "the time to send at is wrong",
    Status.ESME_RINVEXPIRY: "the validity period is wrong",
    Status.ESME_RX_T_APPN: "it cannot take the message now",
    Status.ESME_RX_P_APPN: "it will not take the message",
    Status.ESME_RX_R_APPN: "it rejects the message",
    Status.ESME_RINVOPTPARSTREAM: "the optional parameters are wrong",
    Status.ESME_ROPTPARNOTALLWD: "an optional parameter is not allowed",
    Status.ESME_RINVPARLEN: "an optional parameter has a wrong length",
    Status.ESME_RMISSINGOPTPARAM: "an optional parameter is missing",
    Status.ESME_RINVOPTPARAMVAL: "an optional parameter has a wrong value",
    Status.ESME_RDELIVERYFAILURE: "the message could not be delivered",
    Status.ESME_RUNKNOWNERR: "it does not say why",
    Status.ESME_RSERTYPUNAUTH: "we may not use the service type",
    Status.ESME_RPROHIBITED: "we may not do this",
    Status.ESME_RSERTYPUNAVAIL: "the service type is not available",
    Status.ESME_RSERTYPDENIED: "the service type is denied",
    Status.ESME_RINVDCS: "the data coding is wrong",
}


def outcome(status: int, carrier_id: str, overrides: Mapping[int, Verdict] | None = None) -> Outcome:
    """What a submit ended in that was answered with a status and an id; `overrides` are the channel's own meanings.

    Accepted without an id, by which its receipts could be known, is no answer.
    """
    verdict = (overrides or {}).get(status) or VERDICTS.get(status, Verdict.FAULT)
    said = reason(status)
    match verdict:
        case Verdict.ACCEPTED:
            known = message_id(carrier_id)
            return Accepted(known) if known else Unanswered("The carrier's answer names no message id.")
        case Verdict.REFUSED:
            return Refused(_code(status), said)
        case Verdict.THROTTLED:
            return Throttled(said)
        case Verdict.UNANSWERED:
            return Unanswered(said)
    return ChannelFault(said, fatal=verdict is Verdict.FATAL)


def reason(status: int) -> str:
    """A sentence for a person."""
    named = f"The carrier answered {status_name(status)}"
    why = _REASONS.get(status)
    return f"{named}: {why}." if why else f"{named}."


def _code(status: int) -> str:
    name = status_name(status)
    return f"SMPP_{status:08X}" if name.startswith("0x") else name
