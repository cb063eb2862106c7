"""The settings: their types and what is allowed. `load` reads them from flags, environment and files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from config.channels import ChannelSettings
from config.section import Section
from engine.limits import parse_window
from engine.message import Category
from engine.opt_out import keywords

LEASE_MARGIN_S = 2.0  #: between the end of the longest submit and the end of the lease it runs under


def _url(*schemes: str) -> AfterValidator:
    starts = tuple(f"{scheme}://" for scheme in schemes)

    def check(value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(starts):
            raise ValueError(f"it must start with {' or '.join(starts)}")
        return value

    return AfterValidator(check)


def _window(value: str) -> str:
    parse_window(value)
    return value


Seconds = Annotated[float, Field(gt=0, le=31 * 86400)]
Consumers = Annotated[int, Field(ge=1, le=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=60)]


class PerCategory(Section):
    """A number of seconds for each category."""

    otp: Seconds
    notification: Seconds
    promotion: Seconds


class Concurrency(Section):
    """Messages under way at once, for each category."""

    otp: Consumers
    notification: Consumers
    promotion: Consumers


class OnUnknown(Section):
    """What is done, for each category, once an unknown outcome has waited for its grace time; never a second code."""

    otp: Literal["give_up"]
    notification: Literal["give_up", "resend"]
    promotion: Literal["give_up", "resend"]


class AccountSettings(Section):
    """An account that may send."""

    name: Name
    raw_text: bool = False


class SignatureSettings(Section):
    """An approved signature."""

    name: Annotated[str, Field(min_length=1, max_length=12)]
    account: Name = "default"


class TemplateSettings(Section):
    """An approved template; without an account every account may use it."""

    code: Name
    category: Category
    text: Annotated[str, Field(min_length=1)]
    account: Name | None = None


class InboundSettings(Section):
    """What people write to us."""

    account: Name
    opt_out: list[str]
    opt_in: list[str]

    @model_validator(mode="after")
    def _check_keywords(self) -> InboundSettings:
        keywords(self.opt_out, self.opt_in)
        return self


class LimitSettings(Section):
    """A rolling limit."""

    name: Name
    key: Annotated[list[Literal["account", "to", "signature", "template", "category"]], Field(min_length=1)]
    windows: Annotated[list[Annotated[str, AfterValidator(_window)]], Field(min_length=1)]
    categories: list[Category] | None = None


class Settings(Section):
    """Everything an operator decides; `config/default.toml` explains each key."""

    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]
    amqp_url: Annotated[SecretStr, _url("amqp", "amqps")] | None = None
    redis_url: Annotated[SecretStr, _url("redis", "rediss", "unix")] | None = None
    postgres_url: Annotated[SecretStr, _url("postgresql", "postgres")] | None = None
    http_host: Annotated[str, Field(min_length=1)]
    http_port: Annotated[int, Field(ge=0, le=65535)]
    api_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    log_level: Literal["debug", "info", "warning", "error"]
    processes: Annotated[int, Field(ge=1, le=256)]
    default_region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    operator_prefixes: Annotated[str, Field(min_length=1)] | None = None
    drain_timeout_s: Seconds
    retry_delays_s: Annotated[list[Seconds], Field(min_length=1)]
    concurrency: Concurrency
    visibility_timeout_s: PerCategory
    validity_s: PerCategory
    unknown_grace_s: PerCategory
    on_unknown: OnUnknown
    inbound: InboundSettings
    blocked: list[Annotated[str, Field(pattern=r"^\+[1-9][0-9]{5,14}$")]]
    accounts: list[AccountSettings]
    signatures: list[SignatureSettings]
    templates: list[TemplateSettings]
    limits: list[LimitSettings]
    channels: Annotated[list[ChannelSettings], Field(min_length=1)]

    @property
    def embedded(self) -> bool:
        """Whether everything runs in this process, because no server is configured."""
        return self.amqp_url is None and self.redis_url is None and self.postgres_url is None

    @model_validator(mode="after")
    def _check_names(self) -> Settings:
        for key, names in (
            ("channels", [channel.name for channel in self.channels]),
            ("templates", [template.code for template in self.templates]),
            ("limits", [limit.name for limit in self.limits]),
            ("accounts", [account.name for account in self.accounts]),
        ):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{key} = {twice!r} twice: each name may stand there once")
        return self

    @model_validator(mode="after")
    def _check_costs(self) -> Settings:
        with_cost, without = ([c.name for c in self.channels if (c.cost is None) is told] for told in (False, True))
        if with_cost and without:
            raise ValueError(
                f"channels: {with_cost[0]} has a cost and {without[0]} has none: they are compared, so give all or none"
            )
        return self

    @model_validator(mode="after")
    def _check_resends(self) -> Settings:
        for category, choice in self.on_unknown:
            grace_s, validity_s = (getattr(each, category) for each in (self.unknown_grace_s, self.validity_s))
            if choice == "resend" and grace_s >= validity_s:
                raise ValueError(
                    f"on_unknown.{category} = 'resend': unknown_grace_s.{category} ({grace_s:g}) must be less than "
                    f"validity_s.{category} ({validity_s:g}), or nothing would be left to send"
                )
        return self

    @model_validator(mode="after")
    def _check_leases(self) -> Settings:
        slowest = max(self.channels, key=lambda channel: channel.timeout_s)
        for category, lease_s in self.visibility_timeout_s:
            if lease_s < slowest.timeout_s + LEASE_MARGIN_S:
                raise ValueError(
                    f"visibility_timeout_s.{category} = {lease_s:g}: it must exceed the timeout_s of channel "
                    f"{slowest.name} ({slowest.timeout_s:g}) by at least {LEASE_MARGIN_S:g}"
                )
        return self
