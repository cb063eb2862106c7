"""What the engine needs of the world for inbound messages, beside its other `ports`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from engine.inbound import InboundMessage
    from engine.opt_out import OptOut
    from engine.replies import Reply


class InboundIntake(Protocol):
    """Where inbound messages wait until it is found out whose they are."""

    async def put(self, message: InboundMessage) -> None:
        """Returns once the message is safe; it may come out more than once."""
        ...


class ReplyPublisher(Protocol):
    """Where inbound messages go out to the business services."""

    async def publish(self, reply: Reply) -> None:
        """Returns once the reply is safe; it may arrive more than once."""
        ...


class ReplyStore(Protocol):
    """The record of what people wrote, and of who opted out."""

    async def keep(self, reply: Reply) -> Reply:
        """Store a reply; answers it as it was stored first."""
        ...

    async def note(self, words: Sequence[OptOut]) -> Sequence[OptOut]:
        """Note what one number said, where it is its latest word; answers all that is known of the number then.

        An opt-in also lifts opt-outs of other accounts that were written to the same number of ours.
        """
        ...

    async def standing(self, after: OptOut | None, limit: int) -> Sequence[OptOut]:
        """So many of the opt-outs that were not lifted, by recipient and account, after that one."""
        ...


class OptOuts(Protocol):
    """What the ledger knows of opt-outs."""

    async def hold(self, recipient: str, message: UUID, save: Callable[[], Awaitable[None]]) -> None:
        """Save a message that may opt out, and have the recipient's promotions wait until it is settled."""
        ...

    async def settle(self, recipient: str, known: Sequence[OptOut], message: UUID | None = None) -> None:
        """From now on this is what the ledger goes by, where it is newer; the message holds nothing up any more."""
        ...
