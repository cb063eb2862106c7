"""What an operator decides about deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from engine.message import Category, Job


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator decides about deliveries, per category where urgency differs."""

    visibility_s: Mapping[Category, float]  #: how long a taken job is nobody else's
    validity: Mapping[Category, timedelta]  #: of a job that names no `expires_at`
    unknown_grace: Mapping[Category, timedelta]  #: how long an unknown outcome waits for evidence
    resend: frozenset[Category] = frozenset()  #: categories in which it is then submitted once more
    retry_delays_s: tuple[float, ...] = (5.0, 30.0, 120.0, 300.0)  #: between rounds in which no channel took it

    def expires_at(self, job: Job, category: Category) -> datetime:
        """When it is no longer worth sending."""
        starts_at = max(job.enqueued_at, job.not_before or job.enqueued_at)
        return job.expires_at or starts_at + self.validity[category]

    def retry_delay_s(self, rounds: int) -> float:
        """How long to wait after so many rounds; the last delay repeats."""
        return self.retry_delays_s[min(rounds, len(self.retry_delays_s) - 1)]
