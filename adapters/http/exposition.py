"""Prometheus's text format: what several processes say, as one text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAMILY = re.compile(r"^(?=# HELP )", re.MULTILINE)
_HEAD = re.compile(r"(?:#.*\n)+")
_BARE = re.compile(r"^(\w+) ", re.MULTILINE)
_LABELLED = re.compile(r"^(\w+)\{", re.MULTILINE)


def together(texts: Mapping[str, str]) -> str:
    """Each family once, with the samples of all processes; each sample says in a label whose it is."""
    families: dict[str, list[str]] = {}
    for process, text in texts.items():
        label = f'process="{process}"'
        for family in filter(None, _FAMILY.split(text)):
            head = _HEAD.match(family)
            assert head
            labelled = _LABELLED.sub(rf"\1{{{label},", family[head.end() :])
            families.setdefault(head[0], []).append(_BARE.sub(rf"\1{{{label}}} ", labelled))
    return "".join(head + "".join(samples) for head, samples in families.items())
