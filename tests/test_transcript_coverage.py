"""Checks which wordings, clauses, keywords, outcomes and reasons the transcripts show.

Read from what they expect, which test_transcripts.py holds them to: a reply is told by the wording
that it fits.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from handlers import HANDLERS
from smsgw.configuration import compiler, recognition
from smsgw.configuration.languages import LANGUAGES, REQUIRED
from smsgw.configuration.wording import Wording
from smsgw.transcripts import collection
from smsgw.transcripts.format import Conversation, Step
from smsgw.transcripts.values import OUTCOMES, REASONS

FOLDER = Path(__file__).parent / "transcripts"
# What repeats another reply is that reply: told by what was asked.
REPEATS = {"ulang": "ulang.again", "lanjut": "lanjut.page"}
STILL_OPEN = "misread.still_open"
REPEATING = {*REPEATS.values(), STILL_OPEN}

NEVER_KEPT = {
    ("id", "disclosure.ask"),  # there is no room for a number of two digits
    # A ledger that a transcript takes away is one that nobody has asked yet.
    *((language, "disclosure.unavailable") for language in REQUIRED),
    # From a reply it cannot be told: telephone and hours could be one long time zone.
    *((language, "kantor.office_and_more") for language in REQUIRED),
}
# They fit whatever they hold, and their value is always known; in the last two the reply does not
# tell the zone from the hours before it.
NEVER_LEFT_OUT = {
    "daftar.already",
    "data_saya.noted",
    "data_saya.ready",
    "hapus_data.done",
    "info.leaving",
    "iuran.ended",
    "iuran.last",
    "iuran.none",
    "iuran.none_in_year",
    "jp.none",
    "jp.paid",
    "klaim.none",
    "klaim.paid",
    "klaim.stage",
    "saldo.no_balance",
    "notification.balance",
    "notification.claim",
    "notification.status",
    "status.case",
    "status.member",
    "ya.bound_no_balance",
    "info.jp",  # a ledger without rates leaves two full stops there
    "kantor.office",
    "kantor.office_and_more",
}


@cache
def conversations() -> list[Conversation]:
    read = collection.read(collection.files([FOLDER]))
    own = compiler.load_shipped()
    return [
        conversation
        for document in read
        if document.configuration is own
        for conversation in document.transcript.conversations
    ]


def steps() -> Iterator[Step]:
    for conversation in conversations():
        yield from conversation.steps


@cache
def shown() -> Mapping[str, Mapping[str, set[str]]]:
    """Returns by language and wording the texts that were expected of it."""
    found: dict[str, dict[str, set[str]]] = {each: defaultdict(set) for each in LANGUAGES}
    for conversation in conversations():
        before: set[str] = set()
        for step in conversation.steps:
            texts = [each.reply for each in step.expect.also]
            for text in filter(None, [step.expect.reply, *texts]):
                language, wording = told_by(text)
                found[language][wording].add(text)
            reply = step.expect.reply
            if reply is not None:
                found[told_by(reply)[0]][repeated(step, reply in before)].add(reply)
                before.add(reply)
    return found


def repeated(step: Step, is_again: bool) -> str:
    """Returns the wording that repeats, or nothing."""
    if step.expect.outcome == "confirm" and is_again:
        return STILL_OPEN
    is_answered = step.expect.outcome == "answered"
    return REPEATS.get(step.expect.keyword or "", "") if is_answered else ""


@cache
def told_by(text: str) -> tuple[str, str]:
    """Returns the language and name of the wording that `text` fits. If several fit, it is the one
    with the most words of its own."""
    fitting = [
        (sum(map(len, wording.literals)), language, name)
        for language, texts in compiler.load_shipped().wordings.items()
        for name, wording in texts.items()
        if name not in REPEATING and may_be(wording, text)
        if recognition.absent(wording, text) is not None
    ]
    assert fitting, f"no wording says {text!r}"
    _, language, name = max(fitting)
    return language, name


def may_be(wording: Wording, text: str) -> bool:
    return all(literal in text for literal in wording.literals)


@cache
def clauses() -> tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    """Returns (language, wording, clause) of the clauses that were shown, and of those that were
    dropped."""
    kept, dropped = set(), set()
    for language, by_wording in shown().items():
        for name, texts in by_wording.items():
            wording = compiler.load_shipped().wordings[language].get(name)
            for text in texts if wording else ():
                absent = recognition.absent(wording, text) or []
                for piece in wording.pieces:
                    if piece.is_clause:
                        to = dropped if piece.source in absent else kept
                        to.add((language, name, piece.source))
    return kept, dropped


def all_clauses() -> Iterator[tuple[str, str, str]]:
    for language, texts in compiler.load_shipped().wordings.items():
        for name, wording in texts.items():
            yield from ((language, name, each.source) for each in wording.pieces if each.is_clause)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_wording_is_expected_to_the_letter(language: str) -> None:
    assert set(compiler.load_shipped().wordings[language]) - set(shown()[language]) == set()


def test_every_keyword_outcome_and_reason_is_expected() -> None:
    expected = [step.expect for step in steps()]
    assert set(HANDLERS) <= {each.keyword for each in expected}
    assert set(OUTCOMES) == {each.outcome for each in expected} - {None}
    assert set(REASONS) <= {each.reason for each in expected}


def test_every_clause_is_kept_somewhere() -> None:
    missing = {each for each in all_clauses() if each not in clauses()[0]}
    assert {(language, name) for language, name, _ in missing} == NEVER_KEPT


def test_every_clause_that_can_be_is_left_out_somewhere() -> None:
    missing = {each for each in all_clauses() if each not in clauses()[1]}
    assert {name for _, name, _ in missing} <= NEVER_LEFT_OUT
    assert all(
        len({name for language, name, _ in missing if language == each}) <= len(NEVER_LEFT_OUT)
        for each in LANGUAGES
    )


def test_most_messages_have_an_exact_reply() -> None:
    messages = [step for step in steps() if step.sender is not None]
    exact = [step for step in messages if "reply" in step.expect.model_fields_set]
    assert len(exact) / len(messages) > 0.9
