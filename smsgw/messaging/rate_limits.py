"""Limits loops, floods and cost: how often a phone is answered, what a day may cost.

It counts in Redis, for all processes; while that is away each process counts for itself. A phone is
a keyed hash here. What guards identities is counted in the database (see guesses).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial
from typing import NamedTuple

from pyrate_limiter import Duration, Rate

from handlers.question import Outcome
from smsgw import logs, phone
from smsgw.carriers.carrier import IncomingSms
from smsgw.runtime import Runtime
from smsgw.storage.counters import Budget, Counters, Limit, LimitRequest

log = logs.get(__name__)

ANSWERED = (Rate(5, Duration.MINUTE), Rate(20, Duration.HOUR), Rate(60, Duration.DAY))
# What somebody gets who asked for nothing we can do; then ENOUGH, which says so, and no more.
PASSIVE, ENOUGH = (Rate(4, Duration.DAY),), (Rate(1, Duration.DAY),)
SAME = (Rate(2, Duration.HOUR),)  # passive replies to one text: whoever does not read them
NEARLY_SAME = (Rate(5, Duration.HOUR),)  # texts that differ in their digits alone
PASSIVE_OUTCOMES = {
    Outcome.UNKNOWN,
    Outcome.INVALID,
    Outcome.MISDIRECTED,
    Outcome.SECRET,
    Outcome.LOCKED,
}
PASSIVE_KEYWORDS = {"bantuan"}
DIGIT = re.compile("[0-9]")
COUNTED_ELSEWHERE = {"kode"}  # three wrong ones end it, and each is told


class Candidate(NamedTuple):
    """Describes a message that would be answered, by what tells it from others."""

    message: str  # of the carrier's name of it: however often it is delivered, it counts once
    phone: str
    code: str  # the phone's calling code
    text: str  # its normal form
    at: datetime
    day: date  # where the scheme is


class Gate:
    """Says whether one message is answered. Each limit is asked once, however often the answer is
    decided anew."""

    def __init__(
        self,
        counters: Counters,
        candidate: Candidate,
        budget: Budget,
        short_hash: Callable[[str], str],
    ) -> None:
        self._counters = counters
        self._short_hash = short_hash
        self._candidate = candidate
        self._budget = budget
        self._told: dict[tuple[str, bool], bool] = {}  # by key, and whether it was to be taken

    @property
    def counters(self) -> Counters:
        return self._counters

    @property
    def budgeted_day(self) -> date | None:
        """Returns the day whose budget limits the answer; None if there is no budget."""
        is_limited = self._budget.everywhere is not None or self._budget.code is not None
        return self._candidate.day if is_limited else None

    def is_last(self, keyword: str | None, outcome: str) -> bool:
        """Tells whether the reply is the one that says that there are no more until tomorrow."""
        return (
            _is_passive(keyword, outcome) and self._told.get((self._key("passive"), True)) is False
        )

    def steps(self, asked: "ProposedReply") -> list["LimitStep"]:
        """Returns the limits in their order: what refuses must not count as an answer, and what is
        no answer must not count as an explanation."""
        candidate = self._candidate
        is_passive = _is_passive(asked.keyword, asked.outcome)
        steps = []
        if asked.outcome in PASSIVE_OUTCOMES and asked.keyword not in COUNTED_ELSEWHERE:
            same = f"same:{candidate.phone}:{self._short_hash(candidate.text)}"
            steps.append(LimitStep("loop", ((same, SAME, True),)))
        if not asked.may_repeat:
            shape = DIGIT.sub("0", candidate.text)
            nearly = f"nearly:{candidate.phone}:{self._short_hash(shape)}"
            steps.append(LimitStep("loop", ((nearly, NEARLY_SAME, True),)))
        if is_passive:
            steps.append(LimitStep("throttled", ((self._key("enough"), ENOUGH, False),)))
        answered = f"answered:{candidate.phone}"
        steps.append(LimitStep("throttled", ((answered, ANSWERED, True),)))
        if is_passive:
            explained = (self._key("passive"), PASSIVE, True), (self._key("enough"), ENOUGH, True)
            steps.append(LimitStep("throttled", explained))
        return steps

    def request(self, steps: Iterable["LimitStep"]) -> LimitRequest:
        """Returns what was not asked before, up to the step that was refused then."""
        candidate = self._candidate
        left = self._left(steps) if self._told else [step.limits for step in steps]
        about = (candidate.message, candidate.at, left)
        return LimitRequest(*about, self.budgeted_day, candidate.code, self._budget)

    def _left(self, steps: Iterable["LimitStep"]) -> list[Sequence[Limit]]:
        left = list[Sequence[Limit]]()
        for step in steps:
            if any(self._told.get(_name(limit)) for limit in step.limits):
                continue
            limits = [limit for limit in step.limits if _name(limit) not in self._told]
            if not limits:
                break
            left.append(limits)
        return left

    def learn(self, request: LimitRequest, granted: Sequence[int | None]) -> None:
        for limits, which in zip(request.steps, granted, strict=False):
            for place, limit in enumerate(limits):
                self._told[_name(limit)] = place == which
                if place == which:
                    break

    def refusal(self, steps: Iterable["LimitStep"]) -> str | None:
        for step in steps:
            if not any(self._told.get(_name(limit)) for limit in step.limits):
                return step.reason
        return None

    def _key(self, kind: str) -> str:
        return f"{kind}:{self._candidate.phone}:{self._candidate.day:%y%m%d}"

    def give_back(self) -> None:
        """Gives back what was taken for an answer that could not be stored; the carrier delivers
        it again."""
        for (key, is_to_take), is_granted in self._told.items():
            if is_granted and is_to_take:
                self._counters.give_back(key, self._candidate.message)
        self._told.clear()


class ProposedReply(NamedTuple):
    """Describes a reply that would be given."""

    keyword: str | None
    outcome: str
    may_repeat: bool  # people say it twice


class LimitStep(NamedTuple):
    """Gives the reason for silence if none of its limits has room."""

    reason: str
    limits: tuple[Limit, ...]


def refusals(answers: Sequence[tuple[Gate, ProposedReply]]) -> list[str | None]:
    """Returns for each answer why it is not given; None if it is. Asks for all in one trip."""
    asked = []
    for gate, reply in answers:
        steps = gate.steps(reply)
        asked.append((gate, steps, gate.request(steps)))
    wanted = [(gate, it) for gate, _, it in asked if it.steps or it.day]
    over_budget = set[Gate]()
    if wanted:
        taken = wanted[0][0].counters.take_all([it for _, it in wanted])
        for (gate, it), granted in zip(wanted, taken, strict=True):
            if granted is None:
                over_budget.add(gate)
            else:
                gate.learn(it, granted)
    return ["throttled" if gate in over_budget else gate.refusal(steps) for gate, steps, _ in asked]


def _name(limit: Limit) -> tuple[str, bool]:
    key, _, is_to_take = limit
    return key, is_to_take


def _is_passive(keyword: str | None, outcome: str) -> bool:
    return outcome in PASSIVE_OUTCOMES or keyword in PASSIVE_KEYWORDS


def gate_of(rt: Runtime, sms: IncomingSms, normal: str) -> Gate:
    now, number = rt.now(), phone.e164(sms.sender)
    code = phone.calling_code(number) if number else ""
    candidate = Candidate(
        message=_short_hash(rt, f"{sms.carrier} {sms.carrier_ref}"),
        phone=_short_hash(rt, number or sms.sender),
        code=code,
        text=normal,
        at=now,
        day=now.astimezone(rt.settings.zone).date(),
    )
    budget = Budget(rt.settings.daily_segments, rt.settings.daily_segments_of(code))
    return Gate(rt.counters, candidate, budget, partial(_short_hash, rt))


def _short_hash(rt: Runtime, text: str) -> str:
    return rt.vault.hash(text, "limit").hex()[:24]
