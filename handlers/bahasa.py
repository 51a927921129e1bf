"""Answers BAHASA and a language, such as BAHASA EN: sets the language of replies."""

from handlers.changes import SetLanguage
from handlers.question import Outcome, Question, Reply

WORDINGS = {"chosen": ()}


def answer(question: Question) -> Reply:
    language = question.text("language") or "id"
    return Reply(Outcome.ANSWERED, "bahasa.chosen", changes=(SetLanguage(language),))
