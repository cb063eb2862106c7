"""The Lua scripts of this folder, put together from their files, and the digest that keeps keys short."""

from __future__ import annotations

from binascii import b2a_base64
from hashlib import blake2b, sha1
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Word = str | bytes | int

_IN_KEYS = bytes.maketrans(b"+/", b"-_")


class Call(NamedTuple):
    """What is asked of Redis: a command, or a script with its keys and arguments."""

    words: tuple[Word, ...]
    script: Script | None = None


class Script:
    """A Lua script and the name Redis knows it by."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.sha: Final = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[Word]) -> Call:
        """A call of it, which may be sent more than once."""
        return Call(("EVALSHA", self.sha, len(keys), *keys, *args), self)


def load(*names: str) -> Script:
    """One script from several files, run in this order."""
    return Script("\n".join(Path(__file__).with_name(f"{name}.lua").read_text("utf-8") for name in names))


def digest(text: str) -> str:
    """Twelve characters that stand for a text of any length and any characters in a key."""
    name = b2a_base64(blake2b(text.encode(errors="surrogatepass"), digest_size=9).digest(), newline=False)
    return name.translate(_IN_KEYS).decode()
