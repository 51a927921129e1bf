"""Answers KONTAK: lists every way to reach a person."""

from handlers.placeholders import text
from handlers.question import Outcome, Question, Reply

WORDINGS = {"ways": ("hours", "whatsapp", "email")}
PLACEHOLDERS = {"whatsapp": text("081380070175"), "email": text("care@example.go.id", width=40)}


def answer(question: Question) -> Reply:
    ways = {name: question.ledger.contact(name) for name in ("call_centre", "whatsapp", "email")}
    centre = ways.pop("call_centre")
    values = {name: contact.value if contact else None for name, contact in ways.items()}
    hours = centre.hours if centre else None
    return Reply(Outcome.ANSWERED, "kontak.ways", {**values, "hours": hours})
