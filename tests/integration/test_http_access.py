"""Who is answered over HTTP, and who is not."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from adapters.http import access
from tests.http_api import SECRET, Api, job, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests seem to come from another machine."""
    monkeypatch.setattr(access, "_is_loopback", lambda request: False)


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer wrong", SECRET, f"Basic {SECRET}", f"Bearer {SECRET}x"])
async def test_with_a_token_the_api_answers_nobody_without_it(given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    async with serving(api_token=SECRET) as api:
        assert (await api.post_jobs(job(text="hi"), headers=headers))[0] == 401
        assert (await api.ask("GET", f"/v1/jobs/{uuid4()}", headers=headers))[0] == 401
        assert not api.intake.jobs


@pytest.mark.usefixtures("stranger")
async def test_with_a_token_the_api_answers_whoever_has_it() -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with serving(api_token=SECRET) as api:
        assert (await api.post_jobs(job(text="hi"), headers=headers))[0] == 202
        assert (await api.ask("GET", f"/v1/jobs/{uuid4()}", headers=headers))[0] == 404


@pytest.mark.usefixtures("stranger")
async def test_without_a_token_strangers_are_refused_whatever_their_headers_claim(api: Api) -> None:
    headers = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-IP": "127.0.0.1"}
    assert (await api.post_jobs(job(text="hi"), headers=headers))[0] == 403
    assert (await api.ask("GET", f"/v1/jobs/{uuid4()}", headers=headers))[0] == 403
    assert (await api.ask("POST", "/v1/receipts/alpha", data="[]", headers=headers))[0] == 403
    assert not api.intake.jobs


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        (("127.0.0.1", 1), True),
        (("127.8.8.8", 1), True),
        (("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True),
        (("::ffff:10.0.0.1", 1, 0, 0), False),
        (("10.0.0.1", 1), False),
        (("fe80::1%eth0", 1, 0, 2), False),
        (None, False),
        ("", False),
    ],
)
def test_the_peer_of_the_socket_decides_who_is_a_stranger(peer: object, local: bool) -> None:
    class Request:
        class transport:  # noqa: N801
            @staticmethod
            def get_extra_info(name: str) -> object:
                return {"peername": peer}[name]

    assert access._is_loopback(Request) is local  # type: ignore[arg-type]


async def test_a_web_page_in_a_browser_on_this_machine_is_a_stranger(api: Api) -> None:
    headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    assert (await api.post_jobs(job(text="hi"), headers=headers))[0] == 403
    assert not api.intake.jobs


@pytest.mark.usefixtures("stranger")
@pytest.mark.parametrize(
    ("query", "status"), [(f"?token={SECRET}", 200), ("?token=wrong", 403), ("?token=", 403), ("", 403)]
)
async def test_with_a_token_a_channels_webhook_wants_it(query: str, status: int) -> None:
    async with serving(webhook_token=SECRET) as api:
        assert (await api.ask("POST", f"/v1/receipts/alpha{query}", data='["a"]'))[0] == status
        assert api.carrier.taken == (["a"] if status == 200 else [])


def test_a_token_of_broken_bytes_is_merely_wrong() -> None:
    assert not access.same("Bearer \udcff", f"Bearer {SECRET}")
    assert access.same(f"Bearer {SECRET}", f"Bearer {SECRET}")
