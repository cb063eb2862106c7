"""The example for Alibaba Cloud SMS, against a stand-in that checks the signature of every request."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from engine.inbound import InboundMessage
from engine.outcomes import Accepted, ChannelFault, Refused, Throttled, Unanswered
from engine.receipts import DeliveryReceipt, State, receipt_for
from tests.aliyun import KEY, SECRET, Aliyun
from tests.carriers import message, serving
from tests.examples import example

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.message import Message
    from engine.outcomes import Outcome
    from engine.receipts import Receipt
    from tests.examples import Example

ENVIRONMENT = {
    "ALIYUN_ACCESS_KEY_ID": KEY,
    "ALIYUN_ACCESS_KEY_SECRET": SECRET,
    "ALIYUN_WEBHOOK_TOKEN": "t0ken",
}


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Aliyun, Example]]:
    aliyun = Aliyun()
    async with (
        serving(aliyun.answer) as url,
        example("aliyun", "https://dysmsapi.aliyuncs.com", url, ENVIRONMENT) as ours,
    ):
        yield aliyun, ours


async def test_a_message_is_handed_in_as_signature_template_and_params() -> None:
    one = message(signature="测试签名", template="SMS_1001", params={"code": "1234", "a": "& =+~*ü"}, extend="90999")
    async with running() as (aliyun, ours):
        assert await ours.channel.submit(one) == Accepted("336006646937050331^0")
    assert aliyun.taken == [
        {
            "PhoneNumbers": "8613800001234",
            "SignName": "测试签名",
            "TemplateCode": "SMS_152550005",
            "TemplateParam": '{"code":"1234","a":"& =+~*ü"}',
            "SmsUpExtendCode": "90999",
            "OutId": str(one.job.id),
        }
    ]


async def test_what_a_message_does_not_have_is_left_out_and_a_code_of_no_table_is_the_same() -> None:
    one = message(template="SMS_7", params={})
    async with running() as (aliyun, ours):
        await ours.channel.submit(one)
    assert aliyun.taken == [
        {"PhoneNumbers": "8613800001234", "SignName": "Acme", "TemplateCode": "SMS_7", "OutId": str(one.job.id)}
    ]


async def test_a_raw_text_is_refused() -> None:
    async with running() as (_, ours):
        outcome = await ours.channel.submit(message(template=None, params={}, text="Hello"))
    assert outcome == Refused("MissingTemplateCode", "It is as it is.")


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (200, "isv.BUSINESS_LIMIT_CONTROL", Refused("isv.BUSINESS_LIMIT_CONTROL", "It is as it is.")),
        (200, "isv.MOBILE_NUMBER_ILLEGAL", Refused("isv.MOBILE_NUMBER_ILLEGAL", "It is as it is.")),
        (200, "isv.TEMPLATE_MISSING_PARAMETERS", Refused("isv.TEMPLATE_MISSING_PARAMETERS", "It is as it is.")),
        (200, "isv.AMOUNT_NOT_ENOUGH", ChannelFault("The carrier answered isv.AMOUNT_NOT_ENOUGH.", fatal=True)),
        (200, "isv.PRODUCT_UN_SUBSCRIPT", ChannelFault("The carrier answered isv.PRODUCT_UN_SUBSCRIPT.", fatal=True)),
        (200, "isv.DAY_LIMIT_CONTROL", ChannelFault("The carrier answered isv.DAY_LIMIT_CONTROL.", fatal=True)),
        (400, "Throttling.User", Throttled("The carrier answered Throttling.User.")),
        (200, "isp.RAM_PERMISSION_DENY", ChannelFault("The carrier answered isp.RAM_PERMISSION_DENY.", fatal=True)),
        (200, "isp.SYSTEM_ERROR", Unanswered("The carrier answered isp.SYSTEM_ERROR.")),
        (200, "a.NEW_CODE", Unanswered("The carrier answered a.NEW_CODE.")),
        (400, "SignatureNonceUsed", Unanswered("The carrier answered SignatureNonceUsed.")),
        (403, "Forbidden.RAM", ChannelFault("The carrier answered Forbidden.RAM.", fatal=True)),
        (500, "InternalError", Unanswered("The carrier answered HTTP 500.")),
        (503, "ServiceUnavailable", ChannelFault("The carrier answered HTTP 503.")),
    ],
)
async def test_each_kind_of_error_has_its_outcome(status: int, code: str, outcome: Outcome) -> None:
    async with running() as (aliyun, ours):
        aliyun.errors["8613800001234"] = (status, code)
        assert await ours.channel.submit(message()) == outcome
    assert aliyun.taken == []


async def test_a_wrong_secret_is_fatal() -> None:
    async with running() as (aliyun, ours):
        aliyun.secret = "changed"
        outcome = await ours.channel.submit(message())
    assert outcome == ChannelFault("The carrier answered SignatureDoesNotMatch.", fatal=True)


async def test_no_two_requests_have_the_same_nonce() -> None:
    async with running() as (aliyun, ours):
        for _ in range(3):
            assert isinstance(await ours.channel.submit(message()), Accepted)
    assert len(aliyun.nonces) == 3


async def push(to: str, items: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.post(to, json=items) as response:
        return response.status, await response.json()


REPORT = {
    "phone_number": "13800001234",
    "send_time": "2017-01-01 00:00:00",
    "report_time": "2017-01-01 00:00:00",
    "success": True,
    "err_code": "DELIVERED",
    "err_msg": "用户接收成功",
    "sms_size": "1",
    "biz_id": "12345^0",
    "out_id": "67890",
}
REPLY = {
    "phone_number": "13800001234",
    "send_time": "2017-09-01 00:00:00",
    "content": "内容",
    "sign_name": "签名",
    "dest_code": "1234",
    "sequence_id": 1234567890,
}


async def test_pushed_reports_are_delivery_receipts_and_are_thanked_for_as_it_wants() -> None:
    failed = REPORT | {"success": False, "err_code": "MOBILE_NOT_ON_SERVICE", "biz_id": "12346^0"}
    async with running() as (_, ours):
        answer = await push(f"{ours.server}/v1/receipts/aliyun?token=t0ken", [REPORT, failed])
    assert answer == (200, {"code": 0, "msg": "OK"})
    assert [(dlr.carrier_id, dlr.state, dlr.code) for dlr in ours.told if isinstance(dlr, DeliveryReceipt)] == [
        ("12345^0", State.DELIVERED, "DELIVERED"),
        ("12346^0", State.UNDELIVERED, "MOBILE_NOT_ON_SERVICE"),
    ]


async def test_pushed_replies_are_inbound_messages() -> None:
    async with running() as (_, ours):
        answer = await push(f"{ours.server}/v1/inbound/aliyun?token=t0ken", [REPLY, REPLY | {"sequence_id": "1"}])
    assert answer == (200, {"code": 0, "msg": "OK"})
    heard = [news for news in ours.told if isinstance(news, InboundMessage)]
    assert [(each.sender, each.to, each.text, each.carrier_id) for each in heard] == [
        ("13800001234", "1234", "内容", "1234567890"),
        ("13800001234", "1234", "内容", "1"),
    ]


@pytest.mark.parametrize("token", ["", "?token=", "?token=guessed"])
async def test_what_is_pushed_without_the_token_is_not_taken(token: str) -> None:
    async with running() as (_, ours):
        for path, item in (("receipts", REPORT), ("inbound", REPLY)):
            assert (await push(f"{ours.server}/v1/{path}/aliyun{token}", [item]))[0] == 403
    assert ours.told == []


def unanswered(one: Message, at: datetime) -> Receipt:
    return receipt_for(one.job, State.UNKNOWN, at, category=one.category, to=one.recipient.number)


async def test_a_message_whose_answer_never_came_is_found_among_those_of_its_number_and_day() -> None:
    one = message()
    details = {"PhoneNum": "13800001234", "SendStatus": 3, "ErrCode": "DELIVERED", "OutId": str(one.job.id)}
    late_evening = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)  # the 23rd in Beijing
    async with running() as (aliyun, ours):
        aliyun.silent = True
        assert isinstance(await ours.channel.submit(one), Unanswered)
        assert await ours.channel.ask(unanswered(one, late_evening)) is None
        aliyun.details = [details | {"OutId": "another", "SendStatus": 2}, details]
        found = await ours.channel.ask(unanswered(one, late_evening))
        aliyun.details = [details | {"SendStatus": 2, "ErrCode": "USER_REJECT"}]
        failed = await ours.channel.ask(unanswered(one, late_evening))
        aliyun.details = [details | {"SendStatus": 1}]
        assert await ours.channel.ask(unanswered(one, late_evening)) is None
    assert isinstance(found, DeliveryReceipt)
    assert found.state is State.DELIVERED
    assert isinstance(failed, DeliveryReceipt)
    assert (failed.state, failed.code) == (State.UNDELIVERED, "USER_REJECT")
    question = {"PhoneNumber": "13800001234", "SendDate": "20261123", "PageSize": "50", "CurrentPage": "1"}
    assert aliyun.asked == [question] * 4
