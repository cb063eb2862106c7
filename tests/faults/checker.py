"""Do the invariants I1 to I9 hold of what a run left behind? (I10, the time to recover, is measured, not judged.)

Each is recounted by brute force from the records; nothing is asked of the engine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.limits import parse_window
from tests.faults.jobs import LIMITS, TIMEOUT_S, VISIBILITY_S
from tests.window_oracle import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.faults.callback import Arrival
    from tests.faults.jobs import Limit
    from tests.faults.records import Call, Records

#: answers of the carrier that leave nothing open
CLEAR = ("accept", "refuse", "throttle", "unavailable")


@dataclass
class Findings:
    """What was found, as the table shows it, and what is wrong, one sentence each."""

    jobs: int
    lost: int
    duplicates: int
    breaches: int
    unknown: int
    wrong: list[str] = field(default_factory=list)


def check(records: Records, *, redis_lost: bool = False, cut: bool = False, struck: Collection[int] = ()) -> Findings:
    """Judge a run.

    `redis_lost`: Redis lost its data, so fences may start anew and its logs need not hold what was sent before.
    `cut`: answers of the carrier were lost on the way, so any call may have ended in an unknown outcome.
    `struck`: processes that were killed, frozen or stuck; what they held may be unknown.
    """
    standing = {job: _standing(records.arrivals.get(job, [])) for job in records.confirmed}
    lost = [job for job, arrival in standing.items() if arrival is None or arrival.rank == 1]
    accepts = Counter(call.job for call in records.accepts)
    duplicates = sum(found - 1 for found in accepts.values())
    unknown = {job for job in records.confirmed if _was_unknown(records.arrivals.get(job, []))}
    breaches = list(_breaches(records))
    findings = Findings(len(records.confirmed), len(lost), duplicates, len(breaches), len(unknown))
    findings.wrong += [f"I1: job {job} was confirmed and is lost ({_story(records, job)})" for job in lost]
    findings.wrong += [
        f"I2: job {job} was accepted {n} times ({_story(records, job)})" for job, n in accepts.items() if n > 1
    ]
    findings.wrong += [f"I3: {breach}" for breach in breaches]
    findings.wrong += _overlaps(records, unknown)
    if not redis_lost:
        findings.wrong += _fences(records)
        findings.wrong += _charges(records, unknown)
    findings.wrong += _receipts(records, standing)
    findings.wrong += _stored(records, standing)
    findings.wrong += [f"I9: {depth} messages are left in {queue}" for queue, depth in records.depths.items() if depth]
    if not cut:
        findings.wrong += _uncaused(records, unknown, struck)
    return findings


def _standing(arrivals: list[Arrival]) -> Arrival | None:
    return max(arrivals, key=lambda arrival: arrival.rank, default=None)


def _was_unknown(arrivals: list[Arrival]) -> bool:
    return any(arrival.receipt["state"] == "unknown" for arrival in arrivals)


def _breaches(records: Records) -> Iterator[str]:
    """I3: a message is charged up to a lease before the carrier logs it, so windows are recounted that much shorter."""
    for limit in LIMITS:
        scopes: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for call in records.accepts:
            if limit.categories is None or call.scope["category"] in limit.categories:
                assert call.accepted_at is not None
                scopes[tuple(call.scope[name] for name in limit.key)].append(round(call.accepted_at * 1_000_000))
        for scope, times in scopes.items():
            yield from _overfull(limit, scope, sorted(times))


def _overfull(limit: Limit, scope: tuple[str, ...], times: list[int]) -> Iterator[str]:
    for text in limit.windows:
        window = parse_window(text)
        if len(times) <= window.limit:
            continue
        shorter = replace(window, seconds=window.seconds - round(VISIBILITY_S))
        if (most := max(count(times, shorter, until) for until in times)) > window.limit:
            yield f"{most} accepted within {text} of {limit.name!r} for …{scope[0][-4:]}"


def _overlaps(records: Records, unknown: set[str]) -> Iterator[str]:
    """I4: calls for one job follow one another, unless the earlier one was given up as unknown."""
    earlier: dict[str, Call] = {}
    for call in records.calls:
        before = earlier.get(call.job)
        if before is not None and call.began_at < before.ended_at and call.job not in unknown:
            yield f"I4: two calls for job {call.job} at the same time, to {before.channel} and {call.channel}"
        earlier[call.job] = call


def _fences(records: Records) -> Iterator[str]:
    """I5: the fences of a job's grants strictly increase."""
    last: dict[str, int] = {}
    for note in sorted(records.journal, key=lambda note: float(note["at"])):
        if note["event"] == "begun" and "fence" in note:
            if note["fence"] <= last.get(note["job"], 0):
                yield f"I5: job {note['job']} got fence {note['fence']} after {last[note['job']]}"
            last[note["job"]] = note["fence"]


def _receipts(records: Records, standing: dict[str, Arrival | None]) -> Iterator[str]:
    """I6: exactly one final receipt by id (and one more for an unknown that evidence resolved), and a true one."""
    accepted = {call.job for call in records.accepts}
    for job, arrivals in records.arrivals.items():
        finals = {arrival.receipt["id"]: arrival.receipt["state"] for arrival in arrivals if arrival.receipt["final"]}
        if sum(state != "unknown" for state in finals.values()) > 1 or len(finals) > 2:
            yield f"I6: job {job} has several final receipts: {sorted(finals.values())}"
        final = standing.get(job)
        state = final.receipt["state"] if final else "unknown"
        if state in ("rejected", "failed", "expired") and job in accepted:
            yield f"I6: job {job} is told to be {state}, but a carrier accepted it ({_story(records, job)})"
        if state in ("submitted", "delivered", "undelivered") and job not in accepted:
            yield f"I6: job {job} is told to be {state}, but no carrier accepted it ({_story(records, job)})"


def _stored(records: Records, standing: dict[str, Arrival | None]) -> Iterator[str]:
    """I7: each row is its job's standing receipt, every receipt is stored, every carrier's word counts or is kept."""
    published = {arrival.receipt["id"] for arrivals in records.arrivals.values() for arrival in arrivals}
    if published != records.stored:
        yield f"I7: {len(published - records.stored)} receipts not stored, {len(records.stored - published)} unheard of"
    if records.rejected:
        yield f"I7: Postgres put {records.rejected} receipts aside"
    for job, arrival in standing.items():
        row = records.rows.get(job)
        if arrival is None:
            continue
        state = arrival.receipt["state"], arrival.receipt["final"]
        if row is None or (row["state"], row["final"]) != state:
            yield f"I7: the row of job {job} is {row and (row['state'], row['final'])}, its standing receipt {state}"
    for report in records.reports:
        arrival = standing.get(report.get("job", ""))
        if report["kind"] == "stray" and (report["channel"], report["id"]) not in records.strays:
            yield f"I7: the delivery receipt of a message nobody knows, {report['id']}, is not kept"
        if report["kind"] == "report" and arrival is not None and arrival.rank == 2:
            yield f"I7: the delivery receipt of job {report['job']} was taken and has no effect"


def _charges(records: Records, unknown: set[str]) -> Iterator[str]:
    """I8: what a carrier took is charged in every log of its number, and nothing else is but what may have been."""
    per_number: defaultdict[str, set[str]] = defaultdict(set)
    for call in records.accepts:
        rules = [rule for rule in LIMITS if rule.categories is None or call.scope["category"] in rule.categories]
        logs = sum("to" in rule.key for rule in rules)
        number = call.scope["to"]
        per_number[number].add(call.job)
        if sum(call.job in log for log in records.charged.get(number, [])) != logs:
            yield f"I8: job {call.job} was accepted, but its charges were given back"
    for number, logs_of in records.charged.items():
        for job in set().union(*logs_of) - per_number[number] - unknown:
            yield f"I8: job {job} is charged, but no carrier can have it ({_story(records, job)})"


def _uncaused(records: Records, unknown: set[str], struck: Collection[int]) -> Iterator[str]:
    """An outcome is unknown only where a carrier left it open, or the worker that held the job was struck down."""
    open_calls = {
        call.job for call in records.calls if call.answer not in CLEAR or call.ended_at - call.began_at > TIMEOUT_S / 2
    }
    held: set[str] = set()
    for note in records.journal:
        if note["pid"] in struck and note["event"] == "asked":
            held.add(note["job"])
    for job in unknown - open_calls - held:
        yield f"unknown without a cause: job {job} ({_story(records, job)})"


def _story(records: Records, job: str) -> str:
    """Everything about a job in a line, for a person who reads that it went wrong."""
    events = [(note["at"], f"{note['event']} {note.get('verdict', '')} by {note['pid']}") for note in records.journal
              if note["job"] == job]  # fmt: skip
    events += [(call.began_at, f"call to {call.channel}: {call.answer}") for call in records.calls if call.job == job]
    events += [
        (arrival.at, f"{arrival.receipt['state']}{'!' if arrival.receipt['final'] else ''} {arrival.receipt['code']}")
        for arrival in records.arrivals.get(job, [])
    ]
    events.sort()
    start = events[0][0] if events else 0.0
    return ", ".join(f"{at - start:.2f} s {what}" for at, what in events)
