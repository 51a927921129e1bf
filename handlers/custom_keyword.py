"""Answers keywords that operators make without code: a text, perhaps by topic, or a look-up in a
table."""

from handlers.question import CustomKeyword, Outcome, Question, Reply
from handlers.values import Verbatim

TEXT, FOUND, NOT_FOUND = "answer", "found", "not_found"


def answer(question: Question, name: str, keyword: CustomKeyword) -> Reply:
    wanted = _words(question)
    if keyword.rows is None:
        topic = next(
            (each for each, words in keyword.topics.items() if _holds(wanted, words)), TEXT
        )
        return Reply(Outcome.ANSWERED, f"{name}.{topic}")
    keys = [key for key in keyword.rows if _holds(wanted, (key,))]
    if not keys:
        return Reply(Outcome.ANSWERED, f"{name}.{NOT_FOUND}")
    row = keyword.rows[max(keys, key=len)]  # JAKARTA BARAT before JAKARTA
    values = {column: Verbatim(value) if value else None for column, value in row.items()}
    return Reply(Outcome.ANSWERED, f"{name}.{FOUND}", values)


def _words(question: Question) -> str:
    """Returns all words beside the keyword, between blanks."""
    fields = [str(value) for value in question.said.fields.values()]
    return f" {' '.join([*fields, question.said.rest]).upper()} "


def _holds(wanted: str, words: tuple[str, ...]) -> bool:
    return any(f" {word} " in wanted for word in words)
