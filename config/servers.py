"""Where the servers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.load import ConfigError, variable

if TYPE_CHECKING:
    from config.settings import Settings


def urls(settings: Settings) -> tuple[str, str, str]:
    """The addresses of RabbitMQ, Redis and Postgres.

    Raises:
        ConfigError: one of them is not set.
    """
    return (
        required(settings, "amqp_url"),
        required(settings, "redis_url"),
        required(settings, "postgres_url"),
    )


def required(settings: Settings, key: str) -> str:
    """The address of one server.

    Raises:
        ConfigError: it is not set.
    """
    url = getattr(settings, key)
    if url is None:
        raise ConfigError(f"{key} ({variable(key)}) is not set: set all three servers, or none to run embedded.")
    return str(url.get_secret_value())
