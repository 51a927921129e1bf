"""Stores the one open question of a phone, and what it was about."""

import json
from collections.abc import Collection
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, update

from grammar import Command
from handlers.changes import Choice, Consent, DraftQuestion, Identity, OpenQuestion, Suggestion
from smsgw.storage.tables.phones import QuestionKind, questions
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

DAYS = {"birth_date"}  # fields that hold a day
KINDS = {
    Consent: QuestionKind.CONSENT,
    Choice: QuestionKind.CHOICE,
    DraftQuestion: QuestionKind.DRAFT,
    Suggestion: QuestionKind.SUGGESTION,
    Identity: QuestionKind.IDENTITY,
}


def ask(
    tx: Transaction,
    phone_id: int,
    number: str,
    question: OpenQuestion,
    text: str,
    lasts: timedelta,
) -> None:
    """Opens a question, which replaces the one before; `text` is how it was worded, `number` the
    phone's."""
    close(tx, phone_id)
    asked: dict[str, object] = {"text": text}
    if isinstance(question, Consent):
        asked["nkp"] = question.nkp
    else:
        asked["command"] = _dump(question.command)
    if isinstance(question, Identity):
        asked["nkp"] = question.nkp
    phone_hash = tx.vault.hash(number, "phone")
    row = {
        "phone_id": phone_id,
        "kind": KINDS[type(question)],
        "asked": tx.vault.encrypt(json.dumps(asked), Ciphertext.ASKED, phone_hash),
        "asked_at": tx.now,
        "expires_at": tx.now + lasts,
    }
    tx.connection.execute(insert(questions).values(row))


def count_repeat(tx: Transaction, phone_id: int) -> None:
    own = questions.c.phone_id == phone_id
    tx.connection.execute(update(questions).where(own).values(repeats=questions.c.repeats + 1))


def close(tx: Transaction, phone_id: int) -> None:
    tx.connection.execute(delete(questions).where(questions.c.phone_id == phone_id))


def destroy_expired(tx: Transaction, phone_ids: Collection[int]) -> None:
    old = questions.c.phone_id.in_(phone_ids) & (questions.c.expires_at < tx.now)
    tx.connection.execute(delete(questions).where(old))


def still_open(
    tx: Transaction, row: Row[*tuple[Any, ...]], answered_at: datetime | None = None
) -> tuple[str | None, OpenQuestion | None]:
    """Returns the open question. `answered_at` is when a message came whose answer had to wait: it
    cannot mean a question that was asked later, and was in time for one that has expired since."""
    if row.asked is None or row.expires_at <= (answered_at or tx.now):
        return None, None
    if answered_at is not None and row.asked_at >= answered_at:
        return None, None
    opened = tx.opened(row.asked, Ciphertext.ASKED, row.id, row.hash)
    if opened is None:
        return None, None
    asked = json.loads(opened)
    if row.kind == QuestionKind.CONSENT:
        return asked["text"], Consent(asked["nkp"])
    command = _load(asked["command"])
    if row.kind == QuestionKind.CHOICE:
        return asked["text"], Choice(command)
    if row.kind == QuestionKind.IDENTITY:
        return asked["text"], Identity(command, asked["nkp"])
    is_draft = row.kind == QuestionKind.DRAFT
    return asked["text"], DraftQuestion(command) if is_draft else Suggestion(command)


def _dump(command: Command) -> dict[str, object]:
    """Converts to JSON; a day as ISO writes it."""
    fields = {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in command.fields.items()
    }
    return {**asdict(replace(command, fields={})), "fields": fields}


def _load(stored: dict[str, Any]) -> Command:
    fields = {
        name: date.fromisoformat(value) if name in DAYS else value
        for name, value in stored["fields"].items()
    }
    return Command(**{**stored, "fields": fields})
