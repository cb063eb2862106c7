"""One message from the queue to its receipt, over the memory ledger and a clock of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import inf
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.memory.correlator import MemoryCorrelator
from adapters.memory.health_board import MemoryHealthBoard
from adapters.memory.ledger import MemoryLedger
from adapters.memory.replies import MemoryOptOuts
from adapters.memory.schedule import MemorySchedule
from engine.claims import Claim, Granted
from engine.compose import Directory, Template
from engine.correlation import Correlation
from engine.deliver import Deliver
from engine.events import Event
from engine.evidence import Evidence
from engine.inbound import InboundMessage
from engine.limits import Rule, parse_window
from engine.message import Category, Job, Message, Recipient
from engine.opt_out import OptOut
from engine.outcomes import Accepted, ChannelFault, Outcome, Refused, Throttled, Unanswered
from engine.policy import Policy
from engine.ports import Delivery
from engine.receipts import DeliveryReceipt, LateAnswer, NotSent, Receipt, State
from engine.record_receipt import RecordReceipt, StillInHand
from engine.resolve import Resolve
from engine.routing import Profile
from engine.submit import Submit
from engine.take_late import TakeLateAnswer
from engine.terms import Terms

NUMBER = "+8613800000000"
GRACE_S = 600
PER_MINUTE = Rule("otp per number", ("to",), (parse_window("1/1m"),), frozenset({Category.OTP}))


class OwnClock:
    """Stands still until told to go on."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def go(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


class OneChannel:
    """Answers as it is told; a text of each submit is kept."""

    def __init__(self) -> None:
        self.profile = Profile("alpha", timeout_s=8)
        self.ready = True
        self.load = 0.0
        self.says: Outcome = Accepted("77")
        self.texts: list[str] = []
        self.before_answer: Callable[[], Awaitable[None]] | None = None
        self.knows: DeliveryReceipt | NotSent | None = None
        self.asked: list[Receipt] = []

    def place(self, message: Message, within_s: float, rate: float = inf) -> AbstractAsyncContextManager[bool]:
        return nullcontext(True)

    async def submit(self, message: Message) -> Outcome:
        self.texts.append(message.text)
        if self.before_answer:
            await self.before_answer()
        return self.says

    async def ask(self, receipt: Receipt) -> DeliveryReceipt | NotSent | None:
        self.asked.append(receipt)
        return self.knows

    async def open(self, tell: Callable[[DeliveryReceipt | InboundMessage], Awaitable[None]]) -> None: ...
    async def close(self) -> None: ...


class Operators:
    """Everybody is the same operator's subscriber; how often it was asked is counted."""

    def __init__(self) -> None:
        self.asked = 0

    async def operator_of(self, recipient: Recipient) -> str | None:
        self.asked += 1
        return "first"


@dataclass
class World:
    """The parts of an engine around one channel; queue, publisher, store and telemetry just write down."""

    clock: OwnClock = field(default_factory=OwnClock)
    channel: OneChannel = field(default_factory=OneChannel)
    published: list[Receipt] = field(default_factory=list)
    settled: list[UUID] = field(default_factory=list)
    deferred: list[tuple[UUID, float]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    kept: list[Evidence] = field(default_factory=list)
    resend: frozenset[Category] = frozenset()

    def __post_init__(self) -> None:
        policy = Policy(
            visibility_s=dict.fromkeys(Category, 30.0),
            validity=dict.fromkeys(Category, timedelta(minutes=5)),
            unknown_grace=dict.fromkeys(Category, timedelta(seconds=GRACE_S)),
            resend=self.resend,
        )
        channels = {"alpha": self.channel}
        self.operators = Operators()
        self.schedule = MemorySchedule()
        self.opt_outs = MemoryOptOuts()
        self.ledger = MemoryLedger(self.clock, self.opt_outs)
        self.correlator = MemoryCorrelator(self.clock)
        terms = [Terms(self.channel.profile)]
        self.health = MemoryHealthBoard(terms, self, self.clock, self, Random(1))
        self.correlation = Correlation(self.correlator)
        self.record = RecordReceipt(self.correlation, self.ledger, self, self, self, self.clock, self, self.health)
        self.take_late = TakeLateAnswer(self.correlation, self.ledger, self, self.record, self.clock, self)
        self.deliver = Deliver(
            queue=self,
            schedule=self.schedule,
            ledger=self.ledger,
            submit=Submit(channels, self.health, self.clock, self, Random(1)),
            resolve=Resolve(self.ledger, channels, self.clock, self, policy),
            correlation=self.correlation,
            publisher=self,
            record_receipt=self.record,
            numbers=self,
            operators=self.operators,
            clock=self.clock,
            telemetry=self,
            directory=Directory(
                signatures=frozenset({("default", "Acme")}),
                templates={
                    "CODE": Template("CODE", Category.OTP, "Your code is ${code}."),
                    "SALE": Template("SALE", Category.PROMOTION, "Everything 20% off."),
                },
                raw_text_accounts=frozenset(),
            ),
            rules=(PER_MINUTE,),
            policy=policy,
        )

    async def take(self, category: Category) -> Delivery | None:
        raise NotImplementedError

    async def settle(self, delivery: Delivery) -> None:
        self.settled.append(delivery.job.id)

    async def defer(self, delivery: Delivery, delay_s: float) -> None:
        self.deferred.append((delivery.job.id, delay_s))

    async def bury(self, delivery: Delivery, reason: str) -> None:
        raise NotImplementedError

    def close_intake(self) -> None: ...

    async def publish(self, receipt: Receipt) -> None:
        self.published.append(receipt)

    async def put(self, evidence: Evidence) -> None:
        self.kept.append(evidence)

    async def merge(self, receipts: Any) -> None: ...

    async def latest(self, job: UUID) -> Receipt | None:
        return next((receipt for receipt in reversed(self.published) if receipt.job == job), None)

    def read(self, to: str) -> Recipient | None:
        return Recipient(to, "CN") if to.startswith("+") else None

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def job(self, **fields: Any) -> Job:
        base = Job(uuid4(), NUMBER, Category.OTP, self.clock.now(), "Acme", "CODE", {"code": "1234"}, ref="r1")
        return base._replace(**fields)

    async def released(self, due_by: datetime) -> list[Job]:
        """What the schedule hands over; it is kept there."""
        found: list[Job] = []

        async def look(jobs: Sequence[Job]) -> bool:
            found.extend(jobs)
            return False

        await self.schedule.release(due_by, look)
        return found

    async def run(self, job: Job, deferrals: int = 0) -> Receipt:
        await self.deliver(Delivery(job, deferrals))
        return self.published[-1]

    def claim_of(self, receipt: Receipt) -> Claim:
        """A wish for the job of a receipt, without its charges."""
        return Claim(receipt.job, NUMBER, (), 30.0)

    async def lose_worker(self, job: Job) -> None:
        """A worker takes the job and is never heard of again."""
        await self.ledger.begin(Claim(job.id, NUMBER, (), 30.0))
        self.clock.go(31)

    def dlr(self, state: State = State.DELIVERED, carrier_id: str = "77") -> DeliveryReceipt:
        return DeliveryReceipt("alpha", carrier_id, state, self.clock.now(), status=state.name)

    @property
    def states(self) -> list[tuple[State, bool]]:
        return [(receipt.state, receipt.final) for receipt in self.published]


async def test_an_accepted_job_is_reported_submitted_and_settled() -> None:
    world = World()
    job = world.job()
    receipt = await world.run(job)
    assert (receipt.state, receipt.final, receipt.carrier_id, receipt.ref) == (State.SUBMITTED, False, "77", "r1")
    assert world.channel.texts == ["【Acme】Your code is 1234."]
    assert world.settled == [job.id]


async def test_a_job_enqueued_again_is_reported_again_and_not_sent_again() -> None:
    world = World()
    job = world.job()
    first = await world.run(job)
    again = await world.run(job)
    assert again.id == first.id
    assert len(world.channel.texts) == 1
    assert world.settled == [job.id, job.id]


async def test_a_job_in_the_hands_of_another_worker_is_put_back() -> None:
    world = World()
    job = world.job()
    world.channel.before_answer = lambda: world.deliver(Delivery(job))
    await world.run(job)
    assert len(world.channel.texts) == 1
    assert world.deferred == [(job.id, pytest.approx(30.0))]


async def test_a_job_whose_worker_vanished_is_unknown_and_not_sent_again() -> None:
    world = World()
    job = world.job()
    await world.lose_worker(job)
    receipt = await world.run(job)
    assert (receipt.state, receipt.final, receipt.code, receipt.attempts) == (State.UNKNOWN, False, "WORKER_LOST", 1)
    assert world.channel.texts == []
    assert world.deferred == [(job.id, GRACE_S)]


async def test_an_unanswered_submit_waits_for_evidence_and_then_stays_unknown_for_good() -> None:
    world = World()
    world.channel.says = Unanswered("reset")
    job = world.job()
    await world.run(job)
    assert world.deferred == [(job.id, GRACE_S)]
    world.clock.go(GRACE_S - 1)
    await world.run(job, 1)
    assert world.deferred[-1] == (job.id, 1)
    world.clock.go(1)
    await world.run(job, 2)
    assert world.states == [(State.UNKNOWN, False), (State.UNKNOWN, False), (State.UNKNOWN, True)]
    assert len({receipt.id for receipt in world.published}) == 2
    assert world.settled == [job.id]
    assert len(world.channel.texts) == 1


async def test_an_unknown_outcome_keeps_its_charge() -> None:
    world = World()
    world.channel.says = Unanswered("reset")
    await world.run(world.job())
    assert (await world.run(world.job())).code == "LIMIT_OTP_PER_NUMBER"


async def test_a_second_code_within_the_window_is_rejected_and_stays_rejected() -> None:
    world = World()
    await world.run(world.job())
    second = world.job()
    receipt = await world.run(second)
    assert (receipt.state, receipt.final, receipt.code) == (State.REJECTED, True, "LIMIT_OTP_PER_NUMBER")
    assert "2026-11-22T10:01:00Z" in (receipt.reason or "")
    world.clock.go(61)
    assert (await world.run(second)).id == receipt.id
    assert (await world.run(world.job())).state is State.SUBMITTED


async def test_a_job_that_no_carrier_takes_gives_its_charge_back() -> None:
    world = World()
    world.channel.says = Refused("BAD_NUMBER", "No such number.")
    receipt = await world.run(world.job())
    assert (receipt.state, receipt.final, receipt.code) == (State.FAILED, True, "BAD_NUMBER")
    world.channel.says = Accepted("78")
    assert (await world.run(world.job())).state is State.SUBMITTED


async def test_a_job_is_tried_again_later_until_its_validity_ends() -> None:
    world = World()
    world.channel.says = ChannelFault("down")
    job = world.job()
    delays = []
    for deferrals in range(6):
        await world.deliver(Delivery(job, deferrals))
        if world.published:
            break
        delays.append(world.deferred[-1][1])
        world.clock.go(delays[-1])
    assert delays == [5, 30, 120, 145]
    receipt = world.published[-1]
    assert (receipt.state, receipt.final, receipt.attempts) == (State.EXPIRED, True, 4)
    assert world.settled == [job.id]
    assert sum(delays) == 300


async def test_a_channel_for_the_numbers_operator_carries_the_message_and_one_for_another_does_not() -> None:
    world = World()
    world.channel.profile = Profile("alpha", operators=frozenset({"second"}))
    assert (await world.run(world.job())).code == "NO_CHANNEL"
    world.channel.profile = Profile("alpha", operators=frozenset({"first"}))
    assert (await world.run(world.job())).state is State.SUBMITTED


async def test_the_operator_is_looked_up_once_and_only_for_what_is_about_to_be_sent() -> None:
    world = World()
    await world.run(world.job())
    assert world.operators.asked == 1
    assert (await world.run(world.job())).code == "LIMIT_OTP_PER_NUMBER"
    await world.run(world.job(template="NONE"))
    await world.run(world.job(to="nowhere"))
    assert world.operators.asked == 1


async def test_a_scheduled_job_waits_for_its_time_uncharged() -> None:
    world = World()
    job = world.job(not_before=world.clock.now() + timedelta(hours=1))
    await world.deliver(Delivery(job))
    assert world.deferred == [(job.id, 3600)]
    assert (await world.run(world.job())).state is State.SUBMITTED
    world.clock.go(3600)
    assert (await world.run(job)).state is State.SUBMITTED


async def test_a_job_of_a_far_off_time_waits_in_the_schedule_and_leaves_the_queue() -> None:
    world = World()
    due_at = world.clock.now() + timedelta(hours=2)
    job = world.job(not_before=due_at)
    await world.deliver(Delivery(job))
    assert (world.deferred, world.settled) == ([], [job.id])
    assert await world.released(due_at - timedelta(seconds=1)) == []
    assert await world.released(due_at) == [job]
    assert world.channel.texts == []


async def test_a_job_that_the_schedule_cannot_keep_waits_in_the_queue_and_the_schedule_is_asked_again() -> None:
    world = World()
    world.deliver = replace(world.deliver, schedule=MemorySchedule(max_jobs=0))
    job = world.job(not_before=world.clock.now() + timedelta(days=30))
    await world.deliver(Delivery(job))
    assert (world.deferred, world.settled) == ([(job.id, 3600)], [])
    world.deliver = replace(world.deliver, schedule=world.schedule)
    await world.deliver(Delivery(job, 1))
    assert world.settled == [job.id]


@pytest.mark.parametrize("hours", [0.5, 48])
async def test_a_job_whose_validity_ends_before_its_time_is_expired_when_it_ends(hours: float) -> None:
    world = World()
    ends_at = world.clock.now() + timedelta(hours=hours)
    job = world.job(not_before=ends_at + timedelta(days=30), expires_at=ends_at)
    await world.deliver(Delivery(job))
    if hours > 1:
        assert await world.released(ends_at) == [job]
    else:
        assert world.deferred == [(job.id, hours * 3600)]
    world.clock.go(hours * 3600)
    assert (await world.run(job)).state is State.EXPIRED
    assert world.channel.texts == []


async def test_a_job_past_its_validity_is_expired_unsent() -> None:
    world = World()
    job = world.job(expires_at=world.clock.now())
    assert (await world.run(job)).state is State.EXPIRED
    assert world.channel.texts == []


async def test_a_number_that_cannot_exist_is_rejected_as_it_came() -> None:
    world = World()
    receipt = await world.run(world.job(to="nonsense"))
    assert (receipt.state, receipt.code, receipt.to) == (State.REJECTED, "NUMBER_INVALID", "nonsense")


async def test_a_delivery_receipt_makes_the_job_final() -> None:
    world = World()
    await world.run(world.job())
    await world.record(world.dlr())
    assert world.states == [(State.SUBMITTED, False), (State.DELIVERED, True)]
    assert world.published[-1].ref == "r1"


async def test_a_delivery_receipt_before_the_answer_to_the_submit_is_kept_and_used() -> None:
    world = World()
    world.channel.before_answer = lambda: world.record(world.dlr())
    await world.run(world.job())
    assert world.states == [(State.SUBMITTED, False), (State.DELIVERED, True)]


async def test_a_message_that_was_throttled_before_it_was_taken_finds_its_delivery_receipt() -> None:
    world = World()
    job = world.job()
    for says in (Throttled("slow down"), Throttled("slow down"), Accepted("77")):
        world.channel.says = says
        await world.deliver(Delivery(job))
        world.clock.go(5)
    await world.record(world.dlr())
    assert world.states == [(State.SUBMITTED, False), (State.DELIVERED, True)]


async def test_a_repeated_delivery_receipt_is_published_as_the_same_receipt() -> None:
    world = World()
    await world.run(world.job())
    await world.record(world.dlr())
    await world.record(world.dlr())
    assert len({receipt.id for receipt in world.published}) == 2


async def test_a_contradicting_later_delivery_receipt_changes_nothing() -> None:
    world = World()
    await world.run(world.job())
    await world.record(world.dlr())
    await world.record(world.dlr(State.UNDELIVERED))
    assert world.states[-1] == (State.DELIVERED, True)
    assert len(world.published) == 2


async def test_an_intermediate_status_is_not_published() -> None:
    world = World()
    await world.run(world.job())
    await world.record(world.dlr(State.SUBMITTED))
    assert world.states == [(State.SUBMITTED, False)]


async def test_a_late_worker_whose_answer_came_after_its_lease_still_corrects_unknown() -> None:
    world = World()
    job = world.job()

    async def pause() -> None:
        world.clock.go(31)
        world.channel.before_answer = None
        await world.deliver(Delivery(job))

    world.channel.before_answer = pause
    await world.run(job)
    assert world.states == [(State.UNKNOWN, False), (State.SUBMITTED, False)]
    assert len(world.channel.texts) == 1


async def test_a_delivery_receipt_resolves_what_was_given_up_before_the_late_workers_answer_came() -> None:
    world = World()
    job = world.job()

    async def pause() -> None:
        world.channel.before_answer = None
        world.clock.go(31)
        await world.run(job)
        world.clock.go(GRACE_S)
        await world.run(job, 1)

    world.channel.before_answer = pause
    await world.run(job)
    await world.record(world.dlr())
    assert world.states[:2] == [(State.UNKNOWN, False), (State.UNKNOWN, True)]
    assert world.states[-1] == (State.DELIVERED, True)


async def test_the_carriers_word_on_a_submit_counts_though_another_worker_sent_the_job_since() -> None:
    world = World(resend=frozenset(Category))
    job = world.job(expires_at=world.clock.now() + timedelta(days=1))

    async def pause() -> None:
        world.channel.before_answer = None
        world.clock.go(31)
        await world.run(job)
        world.clock.go(GRACE_S)
        world.channel.says = Accepted("78")
        await world.run(job, 1)
        await world.record(world.dlr(carrier_id="77"))
        world.channel.says = Accepted("77")

    world.channel.before_answer = pause
    await world.run(job)
    assert world.states == [(State.UNKNOWN, False), (State.SUBMITTED, False), (State.DELIVERED, True)]


async def test_a_delivery_receipt_for_a_job_in_hand_is_asked_for_again() -> None:
    world = World()
    job = world.job()
    await world.run(job)
    held = job._replace(id=uuid4(), to="+8613900000000")
    verdict = await world.ledger.begin(Claim(held.id, held.to, (), 30.0))
    assert isinstance(verdict, Granted)
    await world.correlation.remember("alpha", "99", held.to, held.id)
    world.published.append(world.published[0]._replace(job=held.id, to=held.to))
    with pytest.raises(StillInHand):
        await world.record(world.dlr(carrier_id="99"))


async def test_nothing_told_holds_a_number_or_a_text() -> None:
    world = World()
    await asyncio.gather(world.run(world.job()), world.run(world.job()))
    told = "".join(str(e._replace(receipt=None)) if hasattr(e, "receipt") else str(e) for e in world.events)
    assert NUMBER not in told
    assert "1234" not in told


@pytest.mark.parametrize("queued_as", list(Category))
async def test_a_promotion_to_a_number_that_opted_out_is_rejected_whatever_queue_it_came_by(
    queued_as: Category,
) -> None:
    world = World()
    await world.opt_outs.settle(NUMBER, [OptOut(NUMBER, "default", world.clock.now())])
    job = world.job(category=queued_as, template="SALE", params={})
    receipt = await world.run(job)
    assert (receipt.state, receipt.final, receipt.code, receipt.attempts) == (State.REJECTED, True, "BLOCKED", 0)
    assert receipt.category is Category.PROMOTION
    assert NUMBER not in (receipt.reason or "")
    assert world.channel.texts == []
    assert world.settled == [job.id]


@pytest.mark.parametrize("queued_as", list(Category))
async def test_a_code_to_a_number_that_opted_out_goes_whatever_queue_it_came_by(queued_as: Category) -> None:
    world = World()
    await world.opt_outs.settle(NUMBER, [OptOut(NUMBER, "default", world.clock.now())])
    assert (await world.run(world.job(category=queued_as))).state is State.SUBMITTED


async def test_a_promotion_that_is_broken_anyway_says_why_and_not_that_its_number_opted_out() -> None:
    world = World()
    await world.opt_outs.settle(NUMBER, [OptOut(NUMBER, "default", world.clock.now())])
    assert (await world.run(world.job(category=Category.PROMOTION, template="NONE"))).code == "TEMPLATE_UNKNOWN"


async def test_a_promotion_waits_while_its_number_may_have_opted_out() -> None:
    world = World()
    message = uuid4()

    async def save() -> None: ...

    await world.opt_outs.hold(NUMBER, message, save)
    job = world.job(category=Category.PROMOTION, template="SALE", params={})
    await world.deliver(Delivery(job))
    assert [each for each, _ in world.deferred] == [job.id]
    assert (world.published, world.channel.texts) == ([], [])
    await world.opt_outs.settle(NUMBER, [], message)
    assert (await world.run(job)).state is State.SUBMITTED


async def test_a_receipt_echoes_the_extend_of_its_job() -> None:
    world = World()
    assert (await world.run(world.job(extend="07"))).extend == "07"


def late(world: World, job: Job, carrier_id: str = "77") -> LateAnswer:
    return LateAnswer("alpha", carrier_id, NUMBER, job.id)


async def test_an_answer_that_comes_late_makes_the_job_submitted_and_lets_its_receipt_find_it() -> None:
    world = World()
    world.channel.says = Unanswered("No answer within 8 s.")
    job = world.job()
    assert (await world.run(job)).unresolved
    await world.take_late(late(world, job))
    receipt = world.published[-1]
    assert (receipt.state, receipt.final, receipt.carrier_id, receipt.code) == (State.SUBMITTED, False, "77", None)
    await world.record(world.dlr())
    assert world.states[-1] == (State.DELIVERED, True)
    await world.run(job, 1)  # it was put back to wait for its outcome
    assert world.settled == [job.id]


async def test_a_receipt_that_came_before_the_late_answer_counts() -> None:
    world = World()
    world.channel.says = Unanswered("No answer within 8 s.")
    job = world.job()
    await world.run(job)
    await world.record(world.dlr())
    await world.take_late(late(world, job))
    assert world.states[-2:] == [(State.SUBMITTED, False), (State.DELIVERED, True)]


async def test_a_category_that_sends_again_does_not_where_the_answer_came_late() -> None:
    world = World(resend=frozenset({Category.OTP}))
    world.channel.says = Unanswered("No answer within 8 s.")
    job = world.job()
    await world.run(job)
    await world.take_late(late(world, job))
    world.clock.go(GRACE_S)
    await world.run(job, 1)
    assert len(world.channel.texts) == 1


async def test_a_late_answer_waits_for_the_worker_that_writes_down_that_there_was_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.take_late.LOOK_AGAIN_S", 0.001)
    world = World()
    world.channel.says = Unanswered("No answer within 8 s.")
    taking: list[asyncio.Task[None]] = []
    job = world.job()

    async def come_late() -> None:
        taking.append(asyncio.create_task(world.take_late(late(world, job))))
        await asyncio.sleep(0.003)
        assert not taking[0].done()

    world.channel.before_answer = come_late
    await world.run(job)
    await taking[0]
    assert world.states[-1] == (State.SUBMITTED, False)


async def test_a_late_answer_does_not_change_what_is_settled() -> None:
    world = World()
    job = world.job()
    await world.run(job)
    await world.record(world.dlr())
    before = list(world.published)
    await world.take_late(late(world, job, "another"))
    assert world.published == before


async def test_a_late_answer_to_a_job_that_nobody_knows_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.take_late.LOOK_AGAIN_S", 0.0)
    world = World()
    await world.take_late(late(world, world.job()))
    assert world.published == []


async def test_health_hears_of_the_first_final_word_on_a_message_and_of_no_other() -> None:
    world = World()
    heard: list[tuple[UUID, State]] = []
    world.health.reported = lambda receipt, dlr: heard.append((receipt.job, dlr.state))  # type: ignore[method-assign]
    receipt = await world.run(world.job())
    await world.record(world.dlr(State.SUBMITTED))
    await world.record(world.dlr(State.UNDELIVERED))
    await world.record(world.dlr(State.UNDELIVERED))
    await world.record(world.dlr(State.DELIVERED))
    assert heard == [(receipt.job, State.UNDELIVERED)]
