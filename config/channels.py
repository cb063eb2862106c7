"""The settings of one way to a carrier, by its kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from engine.message import Category

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86400)]
Path = Annotated[str, Field(min_length=1)]
Answer = Literal["delivered", "undelivered", "submitted", "not_sent"]
Status = Annotated[int, Field(ge=100, le=599)]
Verdict = Literal["accepted", "refused", "fault", "throttled", "unanswered"]
Country = Annotated[str, Field(pattern=r"^([A-Z]{2}|001|\*)$")]


class Section(BaseModel):
    """A table of the settings; a key that is not known is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Channel(Section):
    """What every kind of channel has."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,40}$")]
    countries: Annotated[list[Country], Field(min_length=1)] = ["*"]
    categories: Annotated[list[Category], Field(min_length=1)] = list(Category)
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    rate: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    window: Annotated[int, Field(ge=1, le=10_000)] = 50
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 8.0


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


class AnswerSettings(Section):
    """Where the JSON answer of a carrier says what (dotted paths), and what its words mean."""

    id_path: Path = "id"
    status_path: Path | None = None
    values: dict[str, Verdict] = {}
    code_path: Path | None = None
    reason_path: Path | None = None
    statuses: dict[Status, Verdict] = {}


class ReceiptSettings(Section):
    """Where a delivery receipt that a carrier posts to the webhook says what, and what its status words mean."""

    id_path: Path = "id"
    status_path: Path = "status"
    code_path: Path | None = None
    list_path: Path | None = None
    states: Annotated[dict[str, Literal["delivered", "undelivered", "submitted"]], Field(min_length=1)]


class QuerySettings(Section):
    """Where a carrier is asked for a message by our reference, and what its answer means."""

    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    id_path: Path = "id"
    status_path: Path = "status"
    code_path: Path | None = None
    states: Annotated[dict[str, Answer], Field(min_length=1)]
    not_sent_statuses: list[Status] = []
    settles_after_s: Seconds = 60.0


class HttpSettings(Channel):
    """A carrier that takes JSON over HTTP."""

    kind: Literal["http"]
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    headers: dict[str, str] = {}
    headers_env: dict[str, str] = {}
    body: Annotated[dict[str, Any], Field(min_length=1)]
    answer: AnswerSettings = AnswerSettings()
    receipts: ReceiptSettings | None = None
    query: QuerySettings | None = None
    webhook_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    webhook_token_env: str | None = None

    @property
    def answers_queries(self) -> bool:
        """Whether the carrier can be asked what became of a message."""
        return self.query is not None


ChannelSettings = Annotated[SimulatorSettings | HttpSettings, Field(discriminator="kind")]
