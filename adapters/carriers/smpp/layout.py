"""How a PDU's mandatory fields follow one another (SMPP 3.4, 3.1)."""

from __future__ import annotations

OCTET = 0  #: a number of one octet
MESSAGE = -1  #: an octet of length, then that many octets
Layout = tuple[tuple[str, int], ...]  #: fields in their order; a number above 0 is the most octets of a C-octet string

MAX_MESSAGE = 254  #: octets of `short_message` (5.2.22); longer ones go into `message_payload`
