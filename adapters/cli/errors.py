"""What goes wrong with a command."""

from __future__ import annotations


class CommandError(Exception):
    """The command cannot do what was asked; the message is one sentence."""
