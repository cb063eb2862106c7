"""The settings of one way to a carrier, by its kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from config.http_tables import (
    AnswerSettings,
    AuthSettings,
    InboundSettings,
    QuerySettings,
    ReceiptSettings,
    SignatureSettings,
    Url,
    VariableName,
    Verdict,
)
from config.section import Seconds, Section
from config.smpp_tables import Latin, Sender, TlsSettings
from engine.message import MAINLAND_CHINA, Category

Share = Annotated[float, Field(ge=0, le=1)]
Country = Annotated[str, Field(pattern=r"^([A-Z]{2}|001|\*)$")]
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=60)]], Field(min_length=1)]


class Channel(Section):
    """What every kind of channel has."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,40}$")]
    countries: Annotated[list[Country], Field(min_length=1)] = ["*"]
    categories: Annotated[list[Category], Field(min_length=1)] = list(Category)
    accounts: Names | None = None
    signatures: Names | None = None
    operators: Names | None = None
    cost: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    rate: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    burst: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    window: Annotated[int, Field(ge=1, le=10_000)] = 50
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 8.0

    @model_validator(mode="after")
    def _check_burst(self) -> Self:
        if self.burst > 1 and self.rate is None:
            raise ValueError(f"burst = {self.burst} counts with a rate only, and there is none")
        return self

    @model_validator(mode="after")
    def _check_operators(self) -> Self:
        if self.operators and MAINLAND_CHINA in self.countries:
            raise ValueError(
                "operators are told by the prefix of a number, and in mainland China they cannot be: a channel with"
                f" operators must not name {MAINLAND_CHINA} among its countries"
            )
        return self


class SimulatorSettings(Channel):
    """A carrier that exists in this process only; shares are drawn per message."""

    kind: Literal["simulator"]
    latency_s: Seconds = 0.05
    jitter: Share = 0.5
    refused: Share = 0.0
    fault: Share = 0.0
    throttled: Share = 0.0
    silent: Share = 0.0
    receipt_delay_s: Seconds = 1.0
    undelivered: Share = 0.0
    receipt_twice: Share = 0.0
    receipt_early: Share = 0.0
    receipt_late: Share = 0.0
    receipt_late_s: Seconds = 60.0
    receipt_never: Share = 0.0
    answers_queries: bool = False

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if self.refused + self.fault + self.throttled + self.silent > 1:
            raise ValueError("the shares refused, fault, throttled and silent add up to more than 1")
        return self


class HttpSettings(Channel):
    """A carrier that takes messages over HTTP."""

    kind: Literal["http"]
    method: Literal["POST", "PUT", "GET"] = "POST"
    url: Url
    encoding: Literal["json", "form", "query"] = "json"
    headers: dict[str, str] = {}
    headers_env: dict[str, str] = {}
    body: Annotated[dict[str, Any], Field(min_length=1)]
    auth: AuthSettings | None = None
    variables: dict[VariableName, str] = {}
    variables_env: dict[VariableName, str] = {}
    sender: str | None = None
    senders: dict[str, str] = {}
    template_codes: dict[str, str] = {}
    answer: AnswerSettings = AnswerSettings()
    receipts: ReceiptSettings | None = None
    inbound: InboundSettings | None = None
    query: QuerySettings | None = None
    webhook_url: Url | None = None
    webhook_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    webhook_token_env: str | None = None
    webhook_signature: SignatureSettings | None = None

    @property
    def answers_queries(self) -> bool:
        """Whether the carrier can be asked what became of a message."""
        return self.query is not None


class SmppSettings(Channel):
    """A carrier that speaks SMPP 3.4."""

    kind: Literal["smpp"]
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)]
    system_id: Annotated[Latin, Field(max_length=15)]
    password: Annotated[SecretStr, Field(min_length=1)] | None = None
    password_env: str | None = None
    long_password: bool = False
    system_type: Annotated[Latin, Field(max_length=12)] = ""
    mode: Literal["transceiver", "transmitter+receiver"] = "transceiver"
    binds: Annotated[int, Field(ge=1, le=100)] = 1
    tls: TlsSettings | None = None
    enquire_link_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    sender: Sender = ""
    encoding: Literal["gsm7", "ascii", "latin1"] = "gsm7"
    latin1: bool = False
    long_messages: Literal["udh", "sar", "payload"] = "udh"
    time_zone: str = "UTC"
    statuses: dict[str, Verdict] = {}
    answers_queries: bool = False

    @model_validator(mode="after")
    def _check_password(self) -> Self:
        if (self.password is None) == (self.password_env is None):
            raise ValueError("either password or password_env is needed")
        return self


ChannelSettings = Annotated[SimulatorSettings | HttpSettings | SmppSettings, Field(discriminator="kind")]
