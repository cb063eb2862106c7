"""The configured ways to carriers, and the webhooks by which they report."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

from adapters.carriers.behaviour import Behaviour
from adapters.carriers.http import HttpCarrier, HttpChannel
from adapters.carriers.http_answer import AnswerFormat, Verdict
from adapters.carriers.http_query import QueryFormat
from adapters.carriers.http_receipts import ReceiptFormat
from adapters.carriers.place import Places
from adapters.carriers.simulator import SimulatedChannel
from config import policy
from config.channels import HttpSettings, SimulatorSettings
from config.load import ConfigError
from engine.receipts import NotSent, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.carriers.place import RateCap
    from config.channels import ChannelSettings, QuerySettings, ReceiptSettings
    from config.settings import Settings
    from engine.ports import Clock

Channels = dict[str, SimulatedChannel | HttpChannel]


def build(settings: Settings, rate_cap: RateCap, clock: Clock, environment: Mapping[str, str] = os.environ) -> Channels:
    """Every configured channel by its name.

    Raises:
        ConfigError: a channel's description is at odds with itself, or a secret is missing.
    """
    channels: Channels = {}
    for channel in settings.channels:
        try:
            channels[channel.name] = _build(channel, rate_cap, clock, environment)
        except ValueError as error:
            raise ConfigError(f"Channel {channel.name}: {error}.") from None
    return channels


def _build(
    channel: ChannelSettings, rate_cap: RateCap, clock: Clock, environment: Mapping[str, str]
) -> SimulatedChannel | HttpChannel:
    profile = policy.profile(channel)
    places = Places(channel.name, channel.window, channel.rate, rate_cap)
    match channel:
        case SimulatorSettings():
            return SimulatedChannel(profile, places, _behaviour(channel), clock, Random())
        case HttpSettings():
            return HttpChannel(profile, places, _carrier(channel, environment), clock)


def _behaviour(channel: SimulatorSettings) -> Behaviour:
    return Behaviour(**{name: getattr(channel, name) for name in Behaviour.__dataclass_fields__})


def _carrier(channel: HttpSettings, environment: Mapping[str, str]) -> HttpCarrier:
    answer = channel.answer
    return HttpCarrier(
        url=channel.url,
        body=channel.body,
        headers=policy.headers(channel, environment),
        answer=AnswerFormat(
            id_path=answer.id_path,
            status_path=answer.status_path,
            values={value: Verdict(verdict) for value, verdict in answer.values.items()},
            code_path=answer.code_path,
            reason_path=answer.reason_path,
            statuses={status: Verdict(verdict) for status, verdict in answer.statuses.items()},
        ),
        receipts=_receipts(channel.receipts) if channel.receipts else None,
        query=_query(channel.query) if channel.query else None,
    )


def _query(query: QuerySettings) -> QueryFormat:
    return QueryFormat(
        url=query.url,
        states={word: NotSent() if state == "not_sent" else State(state) for word, state in query.states.items()},
        id_path=query.id_path,
        status_path=query.status_path,
        code_path=query.code_path,
        not_sent_statuses=frozenset(query.not_sent_statuses),
        settles_after_s=query.settles_after_s,
    )


def _receipts(receipts: ReceiptSettings) -> ReceiptFormat:
    return ReceiptFormat(
        states={word: State(state) for word, state in receipts.states.items()},
        id_path=receipts.id_path,
        status_path=receipts.status_path,
        code_path=receipts.code_path,
        list_path=receipts.list_path,
    )
