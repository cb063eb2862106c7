"""From a job to a message: is its signature approved, does its template exist, what will the phone show?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from engine import segments
from engine.message import MAINLAND_CHINA, Category, Message, Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.message import Job, Recipient

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: brackets would let a value pose as a second signature; control characters other than line ends garble phones
_SMUGGLED = re.compile(r"[【】\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
MAX_REF, MAX_EXTEND, MAX_SIGNATURE, MAX_SEGMENTS = 256, 20, 12, 20


@dataclass(frozen=True, slots=True)
class Template:
    """An approved template; `account` None means every account may use it."""

    code: str
    category: Category
    text: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything that was approved, by its key."""

    signatures: frozenset[tuple[str, str]]  #: (account, name)
    templates: Mapping[str, Template]
    raw_text_accounts: frozenset[str]  #: accounts that may send `text` without a template
    blocked: frozenset[str] = frozenset()  #: E.164 numbers that get nothing


def compose(job: Job, recipient: Recipient | None, directory: Directory) -> Message | Rejection:
    """The message a job stands for, or why there is none; `recipient` is None where the number cannot exist."""
    if recipient is None:
        return Rejection("NUMBER_INVALID", "The recipient is not a phone number that can exist.")
    if broken := _broken_field(job):
        return broken
    if recipient.number in directory.blocked:
        return Rejection("BLOCKED", "The number is on the block list.")
    if refused := _refused_signature(job, recipient, directory):
        return refused
    match _body(job, directory):
        case Rejection() as rejection:
            return rejection
        case category, body:
            text = f"【{job.signature}】{body}" if job.signature else body
            parts = segments.count(text, recipient.country)
            if parts > MAX_SEGMENTS:
                return Rejection("TEXT_TOO_LONG", f"The text takes {parts} segments; {MAX_SEGMENTS} are allowed.")
            return Message(job, recipient, category, text, parts)


def render(template: Template, params: Mapping[str, str]) -> str | Rejection:
    """A template's text with every variable replaced, once: what a value contains is never read as a variable."""
    pieces = _pieces(template.text)
    names = pieces[1::2]
    if missing := sorted({name for name in names if name not in params}):
        return Rejection("PARAM_MISSING", f"Template {template.code} needs a value for {', '.join(missing)}.")
    for name in names:
        if _SMUGGLED.search(params[name]):
            return Rejection("PARAM_INVALID", f"The value of {name} contains 【, 】 or a control character.")
    return "".join(params[piece] if position % 2 else piece for position, piece in enumerate(pieces))


@cache
def _pieces(text: str) -> tuple[str, ...]:
    """A template's text, cut up: what stands there and the names of variables in turn; kept for every template."""
    return tuple(VARIABLE.split(text))


def _broken_field(job: Job) -> Rejection | None:
    if job.ref is not None and len(job.ref) > MAX_REF:
        return Rejection("REF_INVALID", f"ref has {len(job.ref)} characters; {MAX_REF} are allowed.")
    if job.extend is not None and not re.fullmatch(rf"[0-9]{{1,{MAX_EXTEND}}}", job.extend):
        return Rejection("EXTEND_INVALID", f"extend must be 1 to {MAX_EXTEND} digits.")
    return None


def _refused_signature(job: Job, recipient: Recipient, directory: Directory) -> Rejection | None:
    if job.signature is None:
        if recipient.country == MAINLAND_CHINA:
            return Rejection("SIGNATURE_MISSING", "A message to mainland China needs a signature.")
        return None
    if not 1 <= len(job.signature) <= MAX_SIGNATURE:
        return Rejection("SIGNATURE_INVALID", f"A signature has 1 to {MAX_SIGNATURE} characters.")
    if (job.account, job.signature) not in directory.signatures:
        return Rejection("SIGNATURE_UNKNOWN", "The signature is not approved for this account.")
    return None


def _body(job: Job, directory: Directory) -> tuple[Category, str] | Rejection:
    if job.template is not None and job.text is not None:
        return Rejection("TEXT_AMBIGUOUS", "A job has either a template or a text, not both.")
    if job.template is not None:
        template = directory.templates.get(job.template)
        if template is None or template.account not in (None, job.account):
            return Rejection("TEMPLATE_UNKNOWN", "The template is not approved for this account.")
        body = render(template, job.params)
        return body if isinstance(body, Rejection) else (template.category, body)
    if not job.text:
        return Rejection("TEXT_MISSING", "A job needs a template or a text.")
    if job.account not in directory.raw_text_accounts:
        return Rejection("TEXT_NOT_ALLOWED", "This account may send approved templates only.")
    if _SMUGGLED.search(job.text):
        return Rejection("TEXT_INVALID", "The text contains 【, 】 or a control character.")
    return job.category, job.text
