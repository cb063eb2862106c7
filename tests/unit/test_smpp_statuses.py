"""What a carrier's answer to a submit means."""

from __future__ import annotations

import pytest

from adapters.carriers.http_answer import Verdict
from adapters.carriers.smpp.commands import Status
from adapters.carriers.smpp.statuses import outcome, reason
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled, Unanswered

ALL = [*Status, 0x400, 0xFFFFFFFF]


def test_a_message_with_an_id_is_accepted() -> None:
    assert outcome(0, "0A1b-9") == Accepted("0A1b-9")


@pytest.mark.parametrize("carrier_id", ["", "a\x00b", "x" * 257])
def test_without_an_id_nobody_knows_what_became_of_it(carrier_id: str) -> None:
    assert isinstance(outcome(0, carrier_id), Unanswered)


@pytest.mark.parametrize("status", [Status.ESME_RTHROTTLED, Status.ESME_RMSGQFUL])
def test_throttling_and_a_full_queue_slow_the_channel_and_fail_nothing(status: int) -> None:
    assert isinstance(outcome(status, ""), Throttled)


@pytest.mark.parametrize(
    "status", [Status.ESME_RINVDSTADR, Status.ESME_RINVSRCADR, Status.ESME_RINVMSGLEN, Status.ESME_RX_R_APPN]
)
def test_what_is_about_the_message_is_refused_by_its_name(status: Status) -> None:
    refused = outcome(status, "")
    assert isinstance(refused, Refused)
    assert refused.code == status.name


@pytest.mark.parametrize("status", [Status.ESME_RBINDFAIL, Status.ESME_RINVPASWD, Status.ESME_RINVSYSID])
def test_a_login_refused_is_a_fault_that_lasts(status: int) -> None:
    assert outcome(status, "") == ChannelFault(reason(status), fatal=True)


@pytest.mark.parametrize("status", [Status.ESME_RSYSERR, Status.ESME_RSUBMITFAIL, Status.ESME_RINVSRCTON, 0x400])
def test_whatever_else_it_is_another_channel_may_take_the_message(status: int) -> None:
    assert outcome(status, "1") == ChannelFault(reason(status))


def test_a_channel_may_have_its_own_meanings() -> None:
    overrides = {0x400: Verdict.REFUSED, 0x401: Verdict.FATAL, 0x402: Verdict.UNANSWERED, 0x58: Verdict.FAULT}
    assert outcome(0x400, "", overrides) == Refused("SMPP_00000400", "The carrier answered 0x00000400.")
    assert outcome(0x401, "", overrides) == ChannelFault("The carrier answered 0x00000401.", fatal=True)
    assert isinstance(outcome(0x402, "", overrides), Unanswered)
    assert isinstance(outcome(0x58, "", overrides), ChannelFault)


@pytest.mark.parametrize("status", ALL)
def test_every_status_has_a_sentence_and_only_success_is_accepted(status: int) -> None:
    assert reason(status).endswith(".")
    assert isinstance(outcome(status, "1"), Accepted) == (status == 0)
