"""Answers IURAN and IURAN 2024: shows the last month that was paid for, or the sums of a year."""

from datetime import date

from handlers import bound_participant
from handlers.placeholders import Placeholder, count, day, rupiah
from handlers.ports import Participant
from handlers.question import Outcome, Question, Reply
from handlers.values import MaskedNkp, Month, Term, Value

WORDINGS = {
    "last": ("nkp", "month", "due", "arrears"),
    "ended": ("nkp", "month", "status"),
    "none": ("nkp",),
    "year": ("nkp", "year", "count", "jht", "jp", "jkk", "jkm", "jkp"),
    "none_in_year": ("nkp", "year"),
}
PLACEHOLDERS = {
    "due": day(date(2026, 2, 15)),
    "arrears": count(2),
    "year": Placeholder("2000", "2025"),
    "jht": rupiah(3_420_000),
    "jp": rupiah(1_800_000),
    "jkk": rupiah(144_000),
    "jkm": rupiah(180_000),
    "jkp": rupiah(276_000),
}
LOOKS_UP = ("participant", "last_contribution")
LOOKS_UP_WITH = {"year": ("participant", "paid_in")}
DUE_DAY = 15  # of the month after the one that is paid for
ACTIVE = "AKTIF"


def answer(question: Question) -> Reply:
    return bound_participant.answer(question, _year if question.text("year") else _last)


def _last(question: Question, participant: Participant) -> Reply:
    nkp = MaskedNkp(participant.nkp)
    last = question.ledger.last_contribution(participant.nkp)
    if last is None:
        return Reply(Outcome.ANSWERED, "iuran.none", {"nkp": nkp})
    values: dict[str, Value] = {"nkp": nkp, "month": Month(last)}
    if participant.status != ACTIVE:
        status = Term(participant.status) if participant.status else None
        return Reply(Outcome.ANSWERED, "iuran.ended", {**values, "status": status})
    unpaid, arrears = later(last, 1), 0
    while due(unpaid) < question.today:
        unpaid, arrears = later(unpaid, 1), arrears + 1
    shown_values: dict[str, Value] = {**values, "due": due(unpaid), "arrears": arrears or None}
    return Reply(Outcome.ANSWERED, "iuran.last", shown_values)


def _year(question: Question, participant: Participant) -> Reply:
    year = question.text("year") or ""
    paid = question.ledger.paid_in(participant.nkp, int(year))
    values: dict[str, Value] = {"nkp": MaskedNkp(participant.nkp), "year": year}
    if not paid.months:
        return Reply(Outcome.ANSWERED, "iuran.none_in_year", values)
    sums = {"jht": paid.jht, "jp": paid.jp, "jkk": paid.jkk, "jkm": paid.jkm, "jkp": paid.jkp}
    shown = {name: amount or None for name, amount in sums.items() if name != "jht"}
    shown_values: dict[str, Value] = {**values, "count": paid.months, "jht": paid.jht, **shown}
    return Reply(Outcome.ANSWERED, "iuran.year", shown_values)


def due(month: date) -> date:
    """Returns when what is owed for `month` has to be paid."""
    return later(month, 1).replace(day=DUE_DAY)


def later(month: date, months: int) -> date:
    year, index = divmod(month.year * 12 + month.month - 1 + months, 12)
    return date(year, index + 1, 1)
