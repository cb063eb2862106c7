"""Where a client that submits over HTTP is told what there is: posts of several items each, again until taken.

Receipts are posted as `{"reports": [{"message_id", "status", "error_code"}]}`, messages from phones as
`{"messages": [{"id", "from", "to", "text"}]}`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from adapters.carriers.smsc.messages import Inbound, Receipt

if TYPE_CHECKING:
    from adapters.carriers.smsc.carrier import Carrier
    from adapters.carriers.smsc.messages import Item
    from adapters.carriers.smsc.outbox import Outbox

AT_ONCE = 100  #: items in one post
POSTS = 4  #: under way at the same time
TIMEOUT_S = 10.0


class Webhook:
    """Posts what an outbox holds."""

    def __init__(self, carrier: Carrier, outbox: Outbox, receipts_url: str | None, inbound_url: str | None) -> None:
        """What has no address is discarded."""
        self._carrier = carrier
        self._outbox = outbox
        self._urls = {Receipt: receipts_url, Inbound: inbound_url}
        self._waiting: list[Item] = []
        self._posts: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Post from now on."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        self._carrier.watch(self._outbox.pump)
        self._outbox.add(self)

    async def close(self) -> None:
        """Post no more; what is under way may be posted again by another."""
        for post in self._posts:
            post.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)
        self._outbox.remove(self, self._waiting)
        if self._session is not None:
            await self._session.close()

    @property
    def room(self) -> bool:
        """Whether it takes one more item now."""
        return len(self._waiting) < AT_ONCE and self._carrier.behaviour.state == "up"

    def send(self, item: Item) -> None:
        """Post an item with the next ones."""
        self._waiting.append(item)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._post)

    def _post(self) -> None:
        if not self._waiting or len(self._posts) >= POSTS:
            return
        waiting, self._waiting = self._waiting, []
        for kind, url in self._urls.items():
            batch = [item for item in waiting if isinstance(item, kind)]
            if batch and url is None:
                self._carrier.counts["discarded"] += len(batch)
                self._outbox.taken(len(batch))
            elif batch and url is not None:
                post = asyncio.create_task(self._tell(url, batch))
                self._posts.add(post)
                post.add_done_callback(self._posted)
        self._outbox.pump()

    def _posted(self, post: asyncio.Task[None]) -> None:
        self._posts.discard(post)
        self._post()

    async def _tell(self, url: str, batch: list[Item]) -> None:
        taken = False
        try:
            assert self._session is not None
            async with self._session.post(url, data=_body(batch), headers=_JSON) as response:
                taken = response.ok
        except (aiohttp.ClientError, TimeoutError):
            pass
        finally:
            if taken:
                self._outbox.taken(len(batch))
            else:
                for item in batch:
                    self._outbox.not_taken(item)


_JSON = {"Content-Type": "application/json"}


def _body(batch: list[Item]) -> bytes:
    receipts, messages = [], []
    for item in batch:
        if isinstance(item, Receipt):
            error = "000" if item.status in ("DELIVRD", "ENROUTE") else "001"
            receipts.append({"message_id": item.carrier_id, "status": item.status, "error_code": error})
        else:
            told = {"id": item.carrier_id, "from": item.sender, "to": item.to, "text": item.text}
            messages.append(told)
    return msgspec.json.encode({"reports": receipts} if receipts else {"messages": messages})
