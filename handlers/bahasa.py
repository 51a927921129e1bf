"""BAHASA EN: answers in English from now on; BAHASA ID: in Indonesian."""

from handlers.changes import SetLanguage
from handlers.question import Outcome, Question, Reply

WORDINGS = {"chosen": ()}


def answer(question: Question) -> Reply:
    language = question.text("language") or "id"
    return Reply(Outcome.ANSWERED, "bahasa.chosen", changes=(SetLanguage(language),))
