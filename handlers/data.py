"""Answers DATA and DATA <NKP or NIK>: shows the profile of a participant bound to this phone, and
what is missing in it."""

from datetime import date

from handlers import bound_participant
from handlers.placeholders import Placeholder, day, text
from handlers.ports import Participant
from handlers.question import Outcome, Question, Reply
from handlers.values import MaskedNkp, Term, Terms, Value

WORDINGS = {"profile": ("nkp", "name", "born", "programs", "emergency", "holes")}
PLACEHOLDERS = {
    "name": text("RATNA"),
    "born": day(date(1990, 5, 21)),
    "programs": Placeholder("JHT+JKK+JKM+JKP+JP", "JHT+JKK+JKM+JP"),
    "emergency": text("ada"),
    "holes": text(Term("kontak darurat"), width=60),
}
LOOKS_UP = ("participant", "programs")
HOLES = {
    "nik": "NIK",
    "birth_date": "tanggal lahir",
    "phone": "nomor HP",
    "emergency_name": "kontak darurat",
}

LONGEST_NAME = 14  # letters, so that no digit of the number beside it is cut


def answer(question: Question) -> Reply:
    return bound_participant.answer(question, _profile)


def _profile(question: Question, participant: Participant) -> Reply:
    holes = [shown for field, shown in HOLES.items() if getattr(participant, field) is None]
    values: dict[str, Value] = {
        "nkp": MaskedNkp(participant.nkp),
        "name": first_name(participant.name),
        "born": participant.birth_date,
        "programs": "+".join(question.ledger.programs(participant.nkp)) or None,
        "emergency": _emergency(participant),
        "holes": Terms(tuple(holes)) if holes else None,
    }
    return Reply(Outcome.ANSWERED, "data.profile", values)


def first_name(name: str | None) -> str | None:
    return name.split()[0] if name and name.split() else None


def _emergency(participant: Participant) -> str | None:
    """Shows enough of the emergency contact to check it, and too little to call it."""
    name, phone = first_name(participant.emergency_name), participant.emergency_phone
    ending = f" *{phone[-4:]}" if phone else ""
    return f"{name[:LONGEST_NAME]}{ending}" if name else None
