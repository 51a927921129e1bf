"""Answers KLAIM: shows the stage of the latest claim, the next stage, and earlier claims."""

from collections.abc import Sequence
from datetime import date
from functools import partial

from handlers import bound_participant
from handlers.placeholders import Placeholder, count, day, rupiah, text
from handlers.ports import Claim, Participant
from handlers.question import Outcome, Question, Reply
from handlers.values import MaskedNkp, Term, Terms, Value

WORDINGS = {
    "stage": ("nkp", "program", "claim", "stage", "step", "updated", "next", "before"),
    "paid": ("nkp", "program", "claim", "stage", "updated", "amount", "before"),
    "refused": ("nkp", "program", "claim", "stage", "updated", "why"),
    "none": ("nkp",),
}
PLACEHOLDERS = {
    "program": text("JHT", width=10),
    "claim": Placeholder("***0000", "***0042"),
    "stage": text(Term("PERSETUJUAN")),
    "step": count(3, most=5),
    "updated": day(date(2026, 1, 30)),
    "next": text(Term("PEMBAYARAN")),
    "before": text(Term("PENETAPAN")),
    "amount": rupiah(12_500_000),
}
LOOKS_UP = ("participant", "claims")
STAGES = ("AGENDA", "PENETAPAN", "PERSETUJUAN", "PEMBAYARAN", "SELESAI")
REFUSED = "DITOLAK"


def answer(question: Question) -> Reply:
    number = question.text("number")
    if number is not None:
        found = claim_by_number(question, number)
        return found or Reply(Outcome.NOT_LINKED, "status.no_number")
    return bound_participant.answer(question, _latest)


def claim_by_number(question: Question, number: str) -> Reply | None:
    """Returns the claim with that number, if it belongs to one of this phone's participants."""
    for nkp in question.caller.nkps:
        claims = question.ledger.claims(nkp)
        for index, claim in enumerate(claims):
            if claim.claim_no == number:
                participant = question.ledger.participant(nkp)
                return bound_participant.answer_for(
                    question, partial(_from, claims[index:]), nkp, participant
                )
    return None


def _latest(question: Question, participant: Participant) -> Reply:
    claims = question.ledger.claims(participant.nkp)
    if not claims:
        return Reply(Outcome.ANSWERED, "klaim.none", {"nkp": MaskedNkp(participant.nkp)})
    return _from(claims, question, participant)


def _from(claims: Sequence[Claim], _question: Question, participant: Participant) -> Reply:
    """Answers with the first of these claims; the others came before it."""
    claim, *older = claims
    values: dict[str, Value] = {
        "nkp": MaskedNkp(participant.nkp),
        "program": claim.program,
        "claim": f"***{claim.claim_no[-4:]}",
        "stage": Term(claim.stage) if claim.stage else None,
        "updated": claim.updated_on,
        "before": _before(older[0]) if older else None,
    }
    if claim.stage == REFUSED:
        values["why"] = Term(claim.note) if claim.note else None
        return Reply(Outcome.ANSWERED, "klaim.refused", values)
    if claim.stage == STAGES[-1]:
        return Reply(Outcome.ANSWERED, "klaim.paid", {**values, "amount": claim.amount})
    step = STAGES.index(claim.stage) + 1 if claim.stage in STAGES else None
    values |= {"step": step, "next": Term(STAGES[step]) if step else None}
    return Reply(Outcome.ANSWERED, "klaim.stage", values)


def _before(claim: Claim) -> Terms | None:
    words = tuple(filter(None, (claim.program, claim.stage)))
    return Terms(words, " ") if words else None
