"""The configured ways to carriers, and the webhooks by which they report."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

from adapters.bootstrap import http_carrier, smpp_carrier
from adapters.carriers.behaviour import Behaviour
from adapters.carriers.http import HttpChannel
from adapters.carriers.place import Places
from adapters.carriers.simulator import SimulatedChannel
from adapters.carriers.smpp.channel import SmppChannel
from adapters.carriers.smpp.session import Pace
from config import policy
from config.channels import HttpSettings, SimulatorSettings, SmppSettings
from config.load import ConfigError
from engine.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.carriers.place import RateCap
    from config.channels import ChannelSettings
    from config.settings import Settings
    from engine.ports import Clock, Telemetry

Channels = dict[str, SimulatedChannel | HttpChannel | SmppChannel]


def build(
    settings: Settings,
    rate_cap: RateCap,
    clock: Clock,
    telemetry: Telemetry,
    environment: Mapping[str, str] = os.environ,
) -> Channels:
    """Every configured channel by its name.

    Raises:
        ConfigError: a channel's description is at odds with itself, or a secret is missing.
    """
    channels: Channels = {}
    for channel in settings.channels:
        try:
            channels[channel.name] = _build(channel, rate_cap, clock, telemetry, environment)
        except ValueError as error:
            raise ConfigError(f"Channel {channel.name}: {error}.") from None
    return channels


def terms(settings: Settings) -> list[Terms]:
    """What each channel is held to."""
    return [Terms(policy.profile(channel), channel.rate) for channel in settings.channels]


def _build(
    channel: ChannelSettings, rate_cap: RateCap, clock: Clock, telemetry: Telemetry, environment: Mapping[str, str]
) -> SimulatedChannel | HttpChannel | SmppChannel:
    profile = policy.profile(channel)
    places = Places(channel.name, channel.window, channel.rate, rate_cap, channel.burst)
    match channel:
        case SimulatorSettings():
            return SimulatedChannel(profile, places, _behaviour(channel), clock, Random())
        case HttpSettings():
            return HttpChannel(profile, places, http_carrier.describe(channel, environment), clock)
        case SmppSettings():
            return SmppChannel(
                profile,
                places,
                smpp_carrier.login(channel, environment),
                smpp_carrier.modes(channel),
                smpp_carrier.dialect(channel),
                clock=clock,
                telemetry=telemetry,
                rng=Random(),
                pace=Pace(channel.enquire_link_s),
            )


def _behaviour(channel: SimulatorSettings) -> Behaviour:
    return Behaviour(**{name: getattr(channel, name) for name in Behaviour.__dataclass_fields__})
