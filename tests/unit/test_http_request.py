"""What goes out over HTTP for a message, as its description says?"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from adapters.carriers.http_auth import Acs3, Basic, Bearer, Hmac, Sealed
from adapters.carriers.http_carrier import HttpCarrier
from adapters.carriers.http_request import Encoding, Request
from adapters.carriers.http_variables import Moment, Submission
from tests.carriers import message

BODY = {"to": "${to}", "text": "${text}", "extend": "${extend}", "params": "${params}", "n": 3, "dry": False}


class At:
    """A clock that stands still."""

    def __init__(self, at: datetime = datetime(2026, 11, 22, 9, 52, 35, 123000, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


def request(url: str = "https://carrier.example/send", of: Any = None, **described: Any) -> Request:
    """The request for a message, with all of its headers."""
    write = HttpCarrier(url, described.pop("body", BODY), **described).submits()
    written = write(Submission(of or message(), At()))
    return replace(written, headers={**write.fixed, **(written.headers or {})})


def test_fields_travel_as_json() -> None:
    sent = request()
    assert sent.method == "POST"
    assert sent.headers == {"Content-Type": "application/json"}
    assert json.loads(sent.payload or b"") == {
        "to": "+8613800001234",
        "text": "【Acme】Your code is 1234.",
        "params": {"code": "1234"},
        "n": 3,
        "dry": False,
    }


IN_TEXT = [
    ("to", "+8613800001234"),
    ("text", "【Acme】Your code is 1234."),
    ("params", '{"code":"1234"}'),
    ("n", "3"),
    ("dry", "false"),
]


def test_fields_travel_as_a_form_with_objects_written_as_json() -> None:
    sent = request(encoding=Encoding.FORM, method="PUT")
    assert sent.method == "PUT"
    assert sent.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert parse_qsl((sent.payload or b"").decode(), strict_parsing=True) == IN_TEXT


@pytest.mark.parametrize("url", ["https://carrier.example/send", "https://carrier.example/send?v=1"])
def test_fields_travel_in_the_query_with_no_body(url: str) -> None:
    sent = request(url, encoding=Encoding.QUERY, method="GET")
    assert (sent.payload, sent.headers) == (None, {})
    pairs = parse_qsl(urlsplit(str(sent.url)).query, strict_parsing=True)
    assert pairs == ([("v", "1")] if "?" in url else []) + IN_TEXT


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_no_value_can_leave_its_place_in_a_form_or_an_address(value: str) -> None:
    sly = message()._replace(text=value)
    form = request(of=sly, body={"a": "${text}", "b": "1"}, encoding=Encoding.FORM)
    assert parse_qsl((form.payload or b"").decode(), keep_blank_values=True) == [("a", value), ("b", "1")]
    url = request("https://carrier.example/x/${text}/y?q=${text}&z=1", of=sly, body={"a": "b"}).url
    assert isinstance(url, URL)
    assert (url.host, url.fragment) == ("carrier.example", "")
    assert url.raw_path.count("/") == 3
    assert parse_qsl(url.raw_query_string, keep_blank_values=True) == [("q", value), ("z", "1")]


def test_headers_hold_what_a_message_says_and_cannot_be_ended_by_it() -> None:
    sly = message(account="a\r\nX-Evil: 1\x00é")
    sent = request(of=sly, headers={"Idempotency-Key": "${job}", "X-Account": "at ${account}"})
    assert sent.headers["Idempotency-Key"] == str(sly.job.id)
    assert sent.headers["X-Account"] == "at a%0D%0AX-Evil: 1%00%C3%A9"


def test_own_variables_stand_anywhere_and_are_escaped_in_the_address() -> None:
    sent = request(
        "https://carrier.example/${tenant}/send",
        body={"key": "${key}"},
        headers={"X-Key": "${key}"},
        variables={"tenant": "a/b", "key": "s3cret"},
    )
    assert str(sent.url) == "https://carrier.example/a%2Fb/send"
    assert sent.headers["X-Key"] == "s3cret"
    assert sent.payload == b'{"key":"s3cret"}'


def test_whom_we_talk_to_does_not_depend_on_the_message() -> None:
    with pytest.raises(ValueError, match="host in the url cannot depend"):
        request("https://${account}.carrier.example/send")
    for url in ("https://carrier.example:99999/${to}", "https://:80/${to}", "ftp://carrier.example/${to}"):
        with pytest.raises(ValueError, match="names no host"):
            request(url)
    for more in ({"encoding": Encoding.QUERY}, {"auth": Hmac("X", "s3cret")}):
        with pytest.raises(ValueError, match="names no host"):
            request("https://carrier.example:99999/", **more)
    with pytest.raises(ValueError, match="must be percent-encoded"):
        request("https://carrier.example/发/${to}")
    sent = request("https://${region}.carrier.example/${to}", variables={"region": "eu"})
    assert str(sent.url) == "https://eu.carrier.example/%2B8613800001234"


def test_what_cannot_be_sent_as_described_is_refused_when_it_is_described() -> None:
    with pytest.raises(ValueError, match="the header X-Key holds a line end"):
        request(headers={"X-Key": "${key}"}, variables={"key": "s3cret\n"})
    with pytest.raises(ValueError, match="cannot be the name of a header"):
        request(headers={"X Key": "1"})
    with pytest.raises(ValueError, match="the field a is a table"):
        request(body={"a": {"b": "c"}}, encoding=Encoding.FORM)


def test_an_own_content_type_stands() -> None:
    assert request(headers={"content-type": "application/vnd.sms+json"}).headers == {
        "content-type": "application/vnd.sms+json"
    }


def test_a_bearer_token_and_a_password_are_shown() -> None:
    assert request(auth=Bearer("t0ken")).headers["Authorization"] == "Bearer t0ken"
    assert request(auth=Bearer("a${b}")).headers["Authorization"] == "Bearer a${b}"
    with pytest.raises(ValueError, match="the header Authorization holds a line end"):
        request(auth=Bearer("t0ken\n"))
    # RFC 7617, 2 and 2.1
    assert request(auth=Basic("Aladdin", "open sesame")).headers["Authorization"] == (
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    )
    assert request(auth=Basic("test", "123£")).headers["Authorization"] == "Basic dGVzdDoxMjPCow=="


def test_an_hmac_signs_the_body_as_it_is_sent() -> None:
    sent = request(auth=Hmac("X-Signature", "s3cret", prefix="sha256="))
    expected = hmac.new(b"s3cret", sent.payload or b"", hashlib.sha256).hexdigest()
    assert sent.headers["X-Signature"] == f"sha256={expected}"


def test_an_hmac_signs_named_parts_of_the_request() -> None:
    signed = "${method}\n${path}\n${query}\n${now_unix}\n${nonce}\n${payload_sha256}"
    sent = request(
        "https://carrier.example/v1/send?account=${account}",
        headers={"X-Nonce": "${nonce}"},
        auth=Hmac("X-Signature", "s3cret", signed, "sha512", "base64"),
    )
    nonce, digest = sent.headers["X-Nonce"], hashlib.sha256(sent.payload or b"").hexdigest()
    text = f"POST\n/v1/send\naccount=default\n1795341155\n{nonce}\n{digest}"
    expected = b64encode(hmac.new(b"s3cret", text.encode(), hashlib.sha512).digest()).decode()
    assert sent.headers["X-Signature"] == expected
    with pytest.raises(ValueError, match="no variable 'text'"):
        Hmac("X-Signature", "s3cret", "${text}")


def test_alibaba_clouds_signature_is_the_one_of_its_documentation() -> None:
    """The sample of its page on signature version 3, where the nonce and the time are given."""
    moment = Moment(At(datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC)))
    moment.nonce = "3156853299f313e23d1673dc12e1703d"
    url = URL(
        "https://ecs.cn-shanghai.aliyuncs.com/"
        "?RegionId=cn-shanghai&ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        encoded=True,
    )
    headers = {"x-acs-action": "RunInstances", "x-acs-version": "2014-05-26", "X-Unsigned": "1"}
    added = Acs3("YourAccessKeyId", "YourAccessKeySecret").headers(Sealed("POST", url, headers, b"", moment))
    assert added["Authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_alibaba_clouds_signature_over_a_form_is_the_one_of_its_own_library() -> None:
    """A request of @alicloud/dysmsapi20170525 4.6.0 for Node, with a key of no account."""
    moment = Moment(At(datetime(2026, 11, 22, 9, 53, 46, tzinfo=UTC)))
    moment.nonce = "62ce187c84189cc8ee61df0f805830a5c160863201f55fa052ae1d6823b4791b"
    form = (
        b"PhoneNumberJson=%5B%2213800000001%22%2C%2213800000002%22%5D&SignNameJson=%5B%22%E6%B5%8B%E8%AF%95%E7%AD%BE%E5%90"
        b"%8D%22%2C%22%E6%B5%8B%E8%AF%95%E7%AD%BE%E5%90%8D%22%5D&TemplateParamJson=%5B%7B%22code%22%3A%221234%22%7D%2C%20%7B"
        b"%22code%22%3A%221234%22%7D%5D"
    )
    headers = {
        "x-acs-action": "SendBatchSms",
        "x-acs-version": "2017-05-25",
        "x-acs-credentials-provider": "static_ak",
        "Content-Type": "application/x-www-form-urlencoded",
        "accept": "application/json",
    }
    url = URL("http://127.0.0.1:18199/?TemplateCode=SMS_152550005", encoded=True)
    auth = Acs3("LTAI5tFakeKeyId000001", "FakeSecretFakeSecretFakeSecret")
    added = auth.headers(Sealed("POST", url, headers, form, moment))
    assert added["Host"] == "127.0.0.1:18199"
    assert added["x-acs-content-sha256"] == "c38793c2063fa323043c629c7f1c5aef4175788b96a78e41bb8d6b2e3ded4366"
    assert added["Authorization"] == (
        "ACS3-HMAC-SHA256 Credential=LTAI5tFakeKeyId000001,SignedHeaders=content-type;host;x-acs-action;"
        "x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=c8c9d43516f24949187353456554b7bb6138999c0c9a5c368d898de76bf84e2c"
    )


@pytest.mark.parametrize("auth", [Bearer("s3cret"), Basic("me", "s3cret"), Hmac("X", "s3cret"), Acs3("me", "s3cret")])
def test_ways_to_authenticate_do_not_show_their_secrets(auth: Any) -> None:
    assert "s3cret" not in repr(auth)
    assert "s3cret" not in repr(request(auth=auth))
