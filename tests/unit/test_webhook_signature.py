"""Is a posted body signed by who shares a secret with us?"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.signature import MAX_FIELDS, Signature

BODY = Signature("X-Signature", "s3cret", prefix="sha256=")
TWILIO = Signature(
    "X-Twilio-Signature", "12345", "url_and_form", "sha1", "base64", url="https://mycompany.com/myapp.php"
)
CALL = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "To": "+18005551212"}


def test_a_signed_body_is_known_by_its_bytes() -> None:
    digest = hmac.new(b"s3cret", b'{"a":1}', hashlib.sha256).hexdigest()
    assert BODY.matches(f"sha256={digest}", "/", b'{"a":1}')
    assert BODY.matches(f"sha256={digest.upper()}", "/", b'{"a":1}')
    assert not BODY.matches(f"sha256={digest}", "/", b'{"a":2}')
    assert not BODY.matches(digest, "/", b'{"a":1}')
    assert not BODY.matches("", "/", b'{"a":1}')
    in_base64 = replace(BODY, encoding="base64", algorithm="sha512", prefix="")
    assert in_base64.matches(b64encode(hmac.new(b"s3cret", b"x", hashlib.sha512).digest()).decode(), "/", b"x")


@pytest.mark.parametrize(
    ("fields", "signature"),
    [
        # known answers: the examples of Twilio's documentation and of the tests of its Python library
        ({**CALL, "From": "+12349013030", "Caller": "+12349013030"}, "0/KCTR6DLpKmkAf8muzZqo1nDgQ="),
        ({**CALL, "From": "+14158675309", "Caller": "+14158675309"}, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (
            [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234")],
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
    ],
)
def test_a_signature_over_address_and_form_is_twilios(fields: dict[str, str], signature: str) -> None:
    body = urlencode(fields).encode()
    assert TWILIO.matches(signature, "/anything?foo=1&bar=2", body)
    assert not TWILIO.matches(signature, "/anything?foo=1&bar=3", body)
    assert not TWILIO.matches(signature, "/anything", body)
    assert not TWILIO.matches(signature, "/anything?foo=1&bar=2", body + b"&More=1")
    assert not replace(TWILIO, url="http://mycompany.com/myapp.php").matches(signature, "/?foo=1&bar=2", body)
    assert not replace(TWILIO, secret="12346").matches(signature, "/?foo=1&bar=2", body)


@given(given=st.text(), path=st.text(), body=st.binary())
def test_nothing_unsigned_passes_and_nothing_hostile_raises(given: str, path: str, body: bytes) -> None:
    assert not BODY.matches(given, path, body)
    assert not TWILIO.matches(given, path, body)


def test_a_form_of_too_many_fields_is_not_signed() -> None:
    body = urlencode([(f"f{n}", "") for n in range(MAX_FIELDS + 1)]).encode()
    text = TWILIO.url + "".join(sorted(f"f{n}" for n in range(MAX_FIELDS + 1)))
    signature = b64encode(hmac.new(b"12345", text.encode(), hashlib.sha1).digest()).decode()
    assert not TWILIO.matches(signature, "/", body)


def test_an_address_that_is_signed_must_be_known() -> None:
    with pytest.raises(ValueError, match="needs the webhook's URL"):
        Signature("X", "s3cret", "url_and_form")
    assert "s3cret" not in repr(BODY)
