"""Registrations from phones that are not on file: kept for an officer, one open for each phone.

waiting ─▶ accepted | refused     an officer's word
        ─▶ code                   the phone was bound meanwhile
        ─▶ replaced               the phone sent another one
        ─▶ lapsed                 BUKAN SAYA, HAPUS DATA, or its time is over
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, exists, insert, select, update

from handlers.changes import RegistrationForm
from smsgw.storage.tables.phones import (
    WAITS,
    RegistrationState,
    phones,
    registration_looks,
    registrations,
)
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

_rows = select(
    registrations, phones.c.number.label("phone"), phones.c.hash.label("phone_hash")
).join(phones)


def store(
    tx: Transaction, phone_id: int, number: str, message_id: int, given: RegistrationForm
) -> None:
    """Stores the form. `number` is the phone's. Runs the same statements whatever was given: nobody
    can tell what becomes of it."""
    own = registrations.c.phone_id == phone_id
    _end(tx, own, RegistrationState.REPLACED, given=None)
    named_by = (tx.vault.hash(number, "phone"), message_id)
    form_json = json.dumps(asdict(given), default=str)
    row = {
        "phone_id": phone_id,
        "message_id": message_id,
        "given": tx.vault.encrypt(form_json, Ciphertext.GIVEN, *named_by),
        "state": RegistrationState.WAITING,
        "made_at": tx.now,
    }
    tx.connection.execute(insert(registrations).values(row))


def waiting(tx: Transaction, after: int | None, limit: int) -> Sequence[Row[Any]]:
    """Returns those behind the id `after`, the oldest first, each with the number (sealed) of its
    phone."""
    return tx.connection.execute(
        _rows.where(WAITS, registrations.c.id > (after or 0))
        .order_by(registrations.c.id)
        .limit(limit)
    ).all()


def by_nkp(tx: Transaction) -> Mapping[str, Sequence[Row[Any]]]:
    """Returns all that wait, the oldest first: of those with the same NKP only one person's may be
    true. Each is decrypted; there are as many as phones ask in the weeks that they wait."""
    found: dict[str, list[Row[Any]]] = {}
    for row in tx.connection.execute(_rows.where(WAITS).order_by(registrations.c.id)):
        form = submitted_form(tx, row)
        if form is not None:
            found.setdefault(form.nkp, []).append(row)
    return found


def one(tx: Transaction, registration_id: int) -> Row[Any] | None:
    """Returns a registration as `waiting` does, whatever became of it."""
    return tx.connection.execute(_rows.where(registrations.c.id == registration_id)).first()


def submitted_form(tx: Transaction, row: Row[Any]) -> RegistrationForm | None:
    """Returns the form, or None once it is deleted or if it cannot be decrypted."""
    opened = tx.opened(row.given, Ciphertext.GIVEN, row.id, row.phone_hash, row.message_id)
    if opened is None:
        return None
    values = json.loads(opened)
    born = values["birth_date"]
    return RegistrationForm(**{**values, "birth_date": date.fromisoformat(born) if born else None})


def record_look(tx: Transaction, registration_id: int, actor: str) -> None:
    """Notes that an officer saw what was given."""
    if not has_looked(tx, registration_id, actor):
        row = {"registration_id": registration_id, "actor": actor, "at": tx.now}
        tx.connection.execute(insert(registration_looks).values(row))


def has_looked(tx: Transaction, registration_id: int, actor: str) -> bool:
    by = registration_looks.c.actor == actor
    looked = exists().where(registration_looks.c.registration_id == registration_id, by)
    return bool(tx.connection.execute(select(looked)).scalar_one())


def agree(tx: Transaction, registration_id: int, actor: str) -> None:
    """Records the first of the two officers that are needed if something differs."""
    own = registrations.c.id == registration_id
    tx.connection.execute(update(registrations).where(own).values(agreed_by=actor))


def decide(tx: Transaction, registration_id: int, state: RegistrationState) -> bool:
    """Stores an officer's decision. Returns False if somebody was first."""
    return _end(tx, registrations.c.id == registration_id, state) == 1


def end_by_code(tx: Transaction, phone_id: int, nkp: str) -> None:
    """Settles what this phone sent to be bound to `nkp`."""
    own = registrations.c.phone_id == phone_id
    for row in tx.connection.execute(_rows.where(own, WAITS)).all():
        form = submitted_form(tx, row)
        if form is not None and form.nkp == nkp:
            _end(tx, registrations.c.id == row.id, RegistrationState.CODE)


def lapse(tx: Transaction, phone_id: int) -> None:
    _end(tx, registrations.c.phone_id == phone_id, RegistrationState.LAPSED)


def destroy(tx: Transaction, which: ColumnElement[bool]) -> None:
    """Destroys the form, and ends what still waits."""
    _end(tx, which, RegistrationState.LAPSED)
    tx.connection.execute(update(registrations).where(which).values(given=None))


def _end(
    tx: Transaction, which: ColumnElement[bool], state: RegistrationState, **values: object
) -> int:
    """Ends those that wait."""
    ended = update(registrations).where(which, WAITS)
    return tx.connection.execute(ended.values(state=state, ended_at=tx.now, **values)).rowcount
