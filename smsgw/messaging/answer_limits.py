"""Applies the rate limits to what was decided: an answer that is refused stays silent, and most of
its changes are not applied."""

from collections.abc import Sequence

from handlers import disclosure
from handlers.changes import (
    CaseKind,
    Change,
    FailedIdentification,
    Lapse,
    OpenCase,
    OptOut,
    RejectCodes,
    RejectRegistration,
    Subscribe,
    Unbind,
    WrongCode,
    WrongIdentity,
    WrongNkp,
)
from handlers.question import Outcome
from smsgw.messaging import rate_limits
from smsgw.messaging.answer import Decision
from smsgw.messaging.inbox import Verdict
from smsgw.messaging.rate_limits import ProposedReply
from smsgw.messaging.screening import NEVER_REPEATS, Inbound

# Applied even if the reply that says so is not sent.
APPLIED_WHEN_SILENCED = (
    OptOut,
    RejectRegistration,
    RejectCodes,
    Unbind,
    Lapse,
    FailedIdentification,
    WrongCode,
    WrongIdentity,
    WrongNkp,
)


def within_limits(decided: Sequence[tuple[Inbound, Decision]]) -> list[Decision]:
    """Silences the answers that a limit refuses, and returns all decisions. A deferred answer was
    promised, and is given whatever it costs."""
    limited = [
        (each.parsed.gate, _proposed(decision.verdict))
        for each, decision in decided
        if _is_limited(each, decision)
    ]
    reasons = iter(rate_limits.refusals(limited) if limited else ())
    return [
        _limited(each, decision, next(reasons)) if _is_limited(each, decision) else decision
        for each, decision in decided
    ]


def _proposed(verdict: Verdict) -> ProposedReply:
    may_repeat = verdict.keyword in NEVER_REPEATS
    return ProposedReply(verdict.keyword, verdict.outcome, may_repeat)


def _is_limited(inbound: Inbound, decision: Decision) -> bool:
    return decision.reply is not None and inbound.parsed.deferred is None


def _limited(inbound: Inbound, decision: Decision, reason: str | None) -> Decision:
    keyword, outcome = decision.verdict.keyword, decision.verdict.outcome
    if reason is not None:
        heeded = tuple(each for each in decision.changes if _applies_when_silenced(each))
        return Decision(Verdict(keyword, Outcome.SILENT, reason), changes=heeded)
    if decision.reply is not None and inbound.parsed.gate.is_last(keyword, outcome):
        return decision._replace(reply=disclosure.enough(decision.reply))
    return decision


def _applies_when_silenced(change: Change) -> bool:
    """Tells whether a change is applied although its answer is refused. A request about data is:
    the law's days run from the first. A complaint is not: it can be sent again."""
    is_request = isinstance(change, OpenCase) and change.kind is not CaseKind.COMPLAINT
    is_end = isinstance(change, Subscribe) and not change.wanted
    return isinstance(change, APPLIED_WHEN_SILENCED) or is_request or is_end
