"""What goes wrong with a command."""

from __future__ import annotations

from adapters.rabbitmq.connection import BrokerError


class CommandError(Exception):
    """The command cannot do what was asked; the message is one sentence."""


def broker_away(error: ConnectionError, so_far: str = "") -> CommandError:
    """What a failure of RabbitMQ's means to a person."""
    said = str(error) if isinstance(error, BrokerError) else f"RabbitMQ does not answer ({type(error).__name__})"
    return CommandError(f"{said}{so_far}.")
