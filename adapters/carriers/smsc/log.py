"""The log of accepted submits: each line is in the file before its submit is answered, and on disk if asked."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.carriers.smsc.messages import Submit

SHOWN = 4  #: last digits of a masked number


class SubmitLog:
    """JSON lines added to a file."""

    def __init__(self, path: Path, *, fsync: bool, whole_numbers: bool) -> None:
        """Open it; phone numbers are masked unless whole ones are asked for.

        Raises:
            OSError: it cannot be written.
        """
        self._file = path.open("ab", buffering=0)  # a line is the kernel's as soon as it is written
        self._fsync = fsync
        self._whole_numbers = whole_numbers
        self._encode = msgspec.json.Encoder().encode
        self._waiting: list[asyncio.Future[None]] = []
        self._syncing: asyncio.Task[None] | None = None

    def accepted(self, submit: Submit, carrier_id: str, at_s: float, *, answered: bool) -> asyncio.Future[None] | None:
        """Write a line; what is to be waited for until it is on disk, if anything.

        Raises:
            OSError: it could not be written.
        """
        line: dict[str, Any] = {
            "at": round(at_s, 6),
            "id": carrier_id,
            "via": submit.via,
            "account": submit.account,
            "to": submit.to if self._whole_numbers else _masked(submit.to),
            "ref": submit.reference,
            "part": submit.part,
            "segments": submit.segments,
            "answered": answered,
        }
        self._file.write(self._encode(line) + b"\n")
        if not self._fsync:
            return None
        safe = asyncio.get_running_loop().create_future()
        self._waiting.append(safe)
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync())
        return safe

    async def close(self) -> None:
        """Close the file once all is safe."""
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
        self._file.close()

    async def _sync(self) -> None:
        try:
            while waiting := self._waiting:  # those of one moment share one sync
                self._waiting = []
                try:
                    await asyncio.to_thread(os.fsync, self._file.fileno())
                except OSError as error:
                    for safe in waiting:
                        safe.set_exception(error)
                else:
                    for safe in waiting:
                        safe.set_result(None)
        finally:
            self._syncing = None


def _masked(number: str) -> str:
    return "*" * (len(number) - SHOWN) + number[-SHOWN:] if len(number) > SHOWN else "*"
