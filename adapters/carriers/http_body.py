"""The JSON body that hands a message to a carrier: a template out of configuration, filled in without running code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import phonenumbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.message import Message

_VARIABLE = re.compile(r"\$\{([a-z_]+)\}")


def _national(message: Message) -> str:
    return phonenumbers.national_significant_number(phonenumbers.parse(message.recipient.number))


def _body(message: Message) -> str:
    return message.text.removeprefix(f"【{message.job.signature}】")


#: what a template may name
VARIABLES: Mapping[str, Callable[[Message], str | int | dict[str, str] | None]] = {
    "to": lambda message: message.recipient.number,
    "digits": lambda message: message.recipient.number.removeprefix("+"),  # E.164 without its plus
    "national": _national,  # without the country code
    "country": lambda message: message.recipient.country,
    "text": lambda message: message.text,  # as the phone shows it
    "body": _body,  # without the signature in front, for carriers that add it
    "signature": lambda message: message.job.signature,
    "template": lambda message: message.job.template,
    "params": lambda message: dict(message.job.params) or None,
    "segments": lambda message: message.segments,
    "category": lambda message: message.category.value,
    "job": lambda message: str(message.job.id),
    "account": lambda message: message.job.account,
    "extend": lambda message: message.job.extend,
}


def check(template: object) -> set[str]:
    """Make sure that a template can be filled; answers the variables that it names.

    Raises:
        ValueError: a string of it names a variable that does not exist.
    """
    names = _names(template)
    for name in sorted(names - VARIABLES.keys()):
        raise ValueError(f"there is no variable {name!r}; there are {', '.join(VARIABLES)}")
    return names


def fill(template: object, message: Message) -> object:
    """The template with every variable replaced, once: what a value contains is never read as a variable.

    A string that is nothing but one variable becomes its value (`params` an object, `segments` a number), and is left
    out of its object or list where the message has none; within other text a variable is written out.
    """
    if isinstance(template, dict):
        filled = {key: fill(value, message) for key, value in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(template, list | tuple):
        return [value for value in (fill(item, message) for item in template) if value is not None]
    if not isinstance(template, str):
        return template
    if alone := _VARIABLE.fullmatch(template):
        return VARIABLES[alone[1]](message)
    return _VARIABLE.sub(lambda found: _written(VARIABLES[found[1]](message)), template)


def _written(value: str | int | dict[str, str] | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _names(template: object) -> set[str]:
    if isinstance(template, dict):
        return set().union(*map(_names, template.values()))
    if isinstance(template, list | tuple):
        return set().union(*map(_names, template))
    return set(_VARIABLE.findall(template)) if isinstance(template, str) else set()
