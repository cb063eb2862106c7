"""The settings as the engine's own types."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from config.load import ConfigError
from engine.compose import Directory, Template
from engine.limits import Rule, parse_window
from engine.message import Category
from engine.opt_out import keywords
from engine.policy import Policy
from engine.routing import Profile

MAX_PASSWORD, MAX_LONG_PASSWORD = 8, 64  #: characters; the first is SMPP's own limit (3.4, 5.2.2)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.channels import Channel, ChannelSettings, HttpSettings, SmppSettings
    from config.settings import PerCategory, Settings
    from engine.opt_out import Keywords


def directory(settings: Settings) -> Directory:
    """What was approved."""
    return Directory(
        signatures=frozenset((signature.account, signature.name) for signature in settings.signatures),
        templates={t.code: Template(t.code, t.category, t.text, t.account) for t in settings.templates},
        raw_text_accounts=frozenset(account.name for account in settings.accounts if account.raw_text),
        blocked=frozenset(settings.blocked),
    )


def rules(settings: Settings) -> tuple[Rule, ...]:
    """The rolling limits."""
    return tuple(
        Rule(
            name=limit.name,
            key=tuple(limit.key),
            windows=tuple(parse_window(window) for window in limit.windows),
            categories=frozenset(limit.categories) if limit.categories is not None else None,
        )
        for limit in settings.limits
    )


def inbound_keywords(settings: Settings) -> Keywords:
    """The words by which people opt out of promotions, and in again."""
    return keywords(settings.inbound.opt_out, settings.inbound.opt_in)


def policy(settings: Settings) -> Policy:
    """How deliveries are treated."""
    return Policy(
        visibility_s=_by_category(settings.visibility_timeout_s),
        validity={category: timedelta(seconds=s) for category, s in _by_category(settings.validity_s).items()},
        unknown_grace={
            category: timedelta(seconds=s) for category, s in _by_category(settings.unknown_grace_s).items()
        },
        resend=frozenset(Category(name) for name, choice in settings.on_unknown if choice == "resend"),
        retry_delays_s=tuple(settings.retry_delays_s),
    )


def profile(channel: ChannelSettings) -> Profile:
    """What the operator says of a channel."""
    return Profile(
        name=channel.name,
        countries=None if "*" in channel.countries else frozenset(channel.countries),
        categories=frozenset(channel.categories),
        accounts=frozenset(channel.accounts) if channel.accounts else None,
        signatures=frozenset(channel.signatures) if channel.signatures else None,
        operators=frozenset(channel.operators) if channel.operators else None,
        weight=channel.weight,
        cost=channel.cost or 1.0,
        timeout_s=channel.timeout_s,
        answers_queries=channel.answers_queries,
    )


def headers(channel: HttpSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """The headers of a channel's requests, with those whose values stand in the environment.

    Raises:
        ConfigError: a variable is not set.
    """
    found = {name: _variable(channel, name_of, environment) for name, name_of in channel.headers_env.items()}
    return {**channel.headers, **found}


def variables(channel: HttpSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """A channel's own variables, with those whose values stand in the environment.

    Raises:
        ConfigError: a variable of the environment is not set.
    """
    found = {name: _variable(channel, name_of, environment) for name, name_of in channel.variables_env.items()}
    own = {"webhook_url": channel.webhook_url} if channel.webhook_url else {}
    return {**channel.variables, **found, **own}


def smpp_password(channel: SmppSettings, environment: Mapping[str, str]) -> str:
    """The password of a channel's binds.

    Raises:
        ConfigError: its variable is not set, or it is one that SMPP has no room for.
    """
    if channel.password_env is not None:
        password = _variable(channel, channel.password_env, environment)
    else:
        password = channel.password.get_secret_value() if channel.password else ""
    most = MAX_LONG_PASSWORD if channel.long_password else MAX_PASSWORD
    if len(password) > most or not (password.isascii() and password.isprintable()):
        longer = (
            "" if channel.long_password else ", unless long_password = true says that the carrier takes longer ones"
        )
        raise ConfigError(f"Channel {channel.name}: a password has up to {most} ASCII characters{longer}.")
    return password


def webhook_token(channel: HttpSettings, environment: Mapping[str, str]) -> str | None:
    """The token a carrier shows at its webhook, if one is wanted.

    Raises:
        ConfigError: the variable is not set.
    """
    if channel.webhook_token_env is not None:
        return _variable(channel, channel.webhook_token_env, environment)
    return channel.webhook_token.get_secret_value() if channel.webhook_token else None


def concurrency(settings: Settings) -> dict[Category, int]:
    """Messages under way at once."""
    return {Category(name): count for name, count in settings.concurrency}


def may_wait(settings: Settings) -> dict[Category, int]:
    """Messages that may wait for one channel: with several, half of what is under way, so that none blocks the others.

    With one channel all may: what waits for it in the worker need not be put back into the queue.
    """
    if len(settings.channels) == 1:
        return {}
    return {category: max(1, count // 2) for category, count in concurrency(settings).items()}


def prefetch(settings: Settings) -> dict[Category, int]:
    """Messages held ready: twice what is under way, but not more than 600, where throughput stops growing."""
    return {category: max(count, min(2 * count, 600)) for category, count in concurrency(settings).items()}


def _by_category(section: PerCategory) -> dict[Category, float]:
    return {Category(name): seconds for name, seconds in section}


def _spans(section: PerCategory) -> dict[Category, timedelta]:
    return {category: timedelta(seconds=seconds) for category, seconds in _by_category(section).items()}


def _variable(channel: Channel, name: str, environment: Mapping[str, str]) -> str:
    if value := environment.get(name):
        return value
    raise ConfigError(f"Channel {channel.name} takes a secret from {name}: set this environment variable.")
