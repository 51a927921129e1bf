"""Limits loops, floods and cost: how often a phone is answered, what a day may cost.

Counted in Redis, for all processes; while that is away each process counts for itself. A phone is a
keyed hash here. What guards identities is counted in the database (see guesses).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from pyrate_limiter import Duration, Rate

from handlers.question import Outcome
from smsgw import logs, phone
from smsgw.carriers.carrier import IncomingSms
from smsgw.runtime import Runtime
from smsgw.storage.counters import Budget, Counters

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
COUNTED_ELSEWHERE = {"kode"}  # three wrong ones end it, and each is told


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that would be answered, by the keyed hashes that tell it from others."""

    message: str  # the carrier's name of it: however often it is delivered, it counts once
    phone: str
    code: str  # the phone's calling code
    words: str  # of its normal form
    shape: str  # of its normal form with every digit the same
    at: datetime
    day: date  # where the scheme is


class Gate:
    """Says whether one message is answered. Each limit is asked once, however often the answer is
    decided anew."""

    def __init__(self, counters: "Counters", candidate: Candidate, budget: Budget) -> None:
        self._counters = counters
        self._candidate = candidate
        self._budget = budget
        self._told: dict[str, bool] = {}

    def closed(self, keyword: str | None, outcome: str, *, may_repeat: bool) -> str | None:
        """Returns why there is no reply; None where there is one. `may_repeat`: people say it
        twice."""
        phone, words, shape = self._candidate.phone, self._candidate.words, self._candidate.shape
        day, code = self._candidate.day, self._candidate.code
        if self._budget != Budget() and self._counters.is_spent(day, code, self._budget):
            return "throttled"
        explains = outcome in PASSIVE_OUTCOMES and keyword not in COUNTED_ELSEWHERE
        if explains and not self._take(f"same:{phone}:{words}", SAME):
            return "loop"
        if not may_repeat and not self._take(f"nearly:{phone}:{shape}", NEARLY_SAME):
            return "loop"
        is_passive = _is_passive(keyword, outcome)
        if is_passive and not self._has_room():
            return "throttled"  # before it counts as an answer
        if not self._take(f"answered:{phone}", ANSWERED):
            return "throttled"  # before it counts as an explanation
        if is_passive and not (self._has_patience() or self._take(self._key("enough"), ENOUGH)):
            return "throttled"
        return None

    def is_last(self, keyword: str | None, outcome: str) -> bool:
        """Tells whether the reply is the one that says that there are no more until tomorrow."""
        return _is_passive(keyword, outcome) and not self._has_patience()

    def _has_room(self) -> bool:
        """Tells whether one more explanation fits today, as it was when this was first asked."""
        if "room" not in self._told:
            self._told["room"] = not self._counters.is_full(self._key("enough"), ENOUGH)
        return self._told["room"]

    def _has_patience(self) -> bool:
        return self._take(self._key("passive"), PASSIVE)

    def _key(self, kind: str) -> str:
        return f"{kind}:{self._candidate.phone}:{self._candidate.day:%y%m%d}"

    def give_back(self) -> None:
        """Gives back what was taken for an answer that could not be stored; the carrier delivers it
        again."""
        for key, is_taken in self._told.items():
            if is_taken and key != "room":
                self._counters.give_back(key, self._candidate.message)
        self._told.clear()

    def _take(self, key: str, rates: Sequence[Rate]) -> bool:
        if key not in self._told:
            name, at = self._candidate.message, self._candidate.at
            self._told[key] = self._counters.take(key, rates, at, name)
        return self._told[key]


def _is_passive(keyword: str | None, outcome: str) -> bool:
    return outcome in PASSIVE_OUTCOMES or keyword in PASSIVE_KEYWORDS


def gate_of(rt: Runtime, sms: IncomingSms, normal: str) -> Gate:
    words, shape = normal, re.sub(r"[0-9]", "0", normal)
    now, number = rt.now(), phone.e164(sms.sender)
    code = phone.calling_code(number) if number else ""
    candidate = Candidate(
        message=_short_hash(rt, f"{sms.carrier} {sms.carrier_ref}"),
        phone=_short_hash(rt, number or sms.sender),
        code=code,
        words=_short_hash(rt, words),
        shape=_short_hash(rt, shape),
        at=now,
        day=now.astimezone(rt.settings.zone).date(),
    )
    budget = Budget(rt.settings.daily_segments, rt.settings.daily_segments_of(code))
    return Gate(rt.counters, candidate, budget)


def _short_hash(rt: Runtime, text: str) -> str:
    return rt.vault.hash(text, "limit").hex()[:24]
