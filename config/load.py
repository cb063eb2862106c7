"""Where settings come from: flags > environment > the operator's file > `default.toml`."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

DEFAULTS = Path(__file__).with_name("default.toml")
_SECRET = ("url", "token", "password", "secret", "headers", "variables", "auth", "body")


class ConfigError(Exception):
    """A setting cannot be used; the message is one sentence with the key, the value and what is allowed."""


def load(flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; a flag that is None counts as not given.

    Raises:
        ConfigError: a file or a value cannot be used.
    """
    return checked(given(flags, environment), environment)


def given(flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What was given for every setting, not checked yet.

    Raises:
        ConfigError: a file cannot be read.
    """
    flagged = {key: value for key, value in (flags or {}).items() if value is not None}
    path = flagged.pop("config", None) or environment.get("SMS_CONFIG")
    values = _read(DEFAULTS)
    if path:
        values = _merged(values, _read(Path(path)))
    values = _merged(values, _from_environment(environment))
    return _merged(values, flagged)


def checked(values: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings with these values.

    Raises:
        ConfigError: one of them cannot be used.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as invalid:
        raise ConfigError(_say(invalid.errors()[0], environment)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} is not valid TOML: {error}.") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Top-level settings of one value each have a variable: SMS_HTTP_PORT for http_port; an empty one is not set."""
    return {key: environment[variable(key)] for key in _single_values() if environment.get(variable(key))}


def variable(key: str) -> str:
    """The environment variable of a top-level setting."""
    return f"SMS_{key.upper()}"


def _single_values() -> list[str]:
    many = [
        key
        for key, field in Settings.model_fields.items()
        if "list" in str(field.annotation) or _is_section(field.annotation)
    ]
    return [key for key in Settings.model_fields if key not in many]


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key, everything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merged(below, value) if both and isinstance(below, dict) else value
    return merged


def _say(error: ErrorDetails, environment: Mapping[str, str]) -> str:
    """One sentence: the key, the value unless it may be a secret, what is allowed."""
    allowed = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:  # one of our own checks over the whole, a sentence already
        return f"{allowed}."
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in _path(error)).lstrip(".")
    top = str(error["loc"][0])
    if environment.get(variable(top)):
        where += f" ({variable(top)})"
    if error["type"] == "missing":
        return f"{where} is missing: {allowed}."
    if error["type"] == "extra_forbidden":
        return f"{where} is not a setting: no such key is known there."
    value = error["input"]
    if error["type"].startswith("union_tag"):
        kinds = error.get("ctx", {}).get("expected_tags", "'http' or 'simulator'")
        return f"{where}.kind = {value.get('kind', 'nothing')!r}: allowed is {kinds}."
    rule = f"{allowed[0].lower()}{allowed[1:]}"
    if isinstance(value, dict):  # a whole table may hold a secret, and its name says enough
        return f"{where}: {rule}."
    secret = isinstance(value, SecretStr) or any(word in where.lower() for word in _SECRET)
    return f"{where} = {'(hidden)' if secret else repr(value):.80}: {rule}."


def _path(error: ErrorDetails) -> list[int | str]:
    """The location without the kinds that pydantic adds behind a channel's number and behind its `auth`."""
    where = list(error["loc"])
    if where[0] == "channels":
        del where[2:3]
        if where[2:3] == ["auth"]:
            del where[3:4]
    return where
