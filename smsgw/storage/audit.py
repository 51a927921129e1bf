"""Records every disclosure and what operators did, as a row in the transaction that does it.

Whoever writes a row signs it (`mac`, a keyed hash of what it says). The clock numbers rows without
gaps and seals each together with the seal before it, so that a row that was changed, removed, moved
or added later does not fit any more. The last seal, the head, stands in the log and is what an
outsider keeps: with it a chain that was cut or written anew shows.
"""

import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Row,
    select,
)

from smsgw import logs
from smsgw.storage.bulk import BulkInsert, Write, write_all
from smsgw.storage.crypto import json_list, json_of
from smsgw.storage.tables.security import audit
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

SALT_OCTETS = 16  # two acts that are alike have rows that are not
READ_AT_ONCE = 5000
PARTICIPANT = "participant"


class Act(StrEnum):
    DISCLOSED = "disclosed"  # a reply or notice that tells of a participant
    LOOKED = "looked"  # an operator read a text, or a whole number
    EXPORTED = "exported"  # the list of messages, as a file
    COPY_ASKED = "copy asked for"  # of what is held of a person, who sent DATA SAYA
    COPY_APPROVED = "copy approved"  # by a second person
    COPY_MADE = "copy made"
    SEARCHED = "searched"  # an operator had texts looked through for words
    REHEARSED = "rehearsed"  # messages were read once more by a draft
    SAID = "said"  # an operator spoke for a phone
    RESENT = "resent"
    CLOSED = "closed"
    CASE_CLOSED = "case closed"
    CASE_ASSIGNED = "case assigned"
    CASE_ANSWERED = "case answered"
    BOUND = "bound"  # a phone, to a participant
    UNBOUND = "unbound"
    ACCEPTED = "registration accepted"
    AGREED = "registration agreed to"  # by the first of two
    REFUSED = "registration refused"
    UNLOCKED = "unlocked"  # a phone that guessed, or a participant after BUKAN SAYA
    KEY_MADE = "key made"
    KEYS_ROTATED = "keys rotated"
    ERASED = "erased"
    LEDGER_LOADED = "ledger loaded"
    LEDGER_MADE = "ledger made"
    LEDGER_PLANNED = "ledger change planned"
    LEDGER_CHANGED = "ledger changed"  # a row of it, by an operator
    LEDGER_WITHDRAWN = "ledger change withdrawn"  # it was planned, or was not possible
    HOLIDAY_ADDED = "holiday added"
    HOLIDAY_REMOVED = "holiday removed"
    DECOYS_CHANGED = "decoys changed"
    NOTIFICATIONS_ON = "notifications switched on"
    NOTIFICATIONS_PAUSED = "notifications paused"
    NOTIFICATIONS_RESUMED = "notifications resumed"
    NOTIFICATIONS_STOPPED = "notifications stopped"
    NOTIFICATIONS_COUNTED = "notifications counted"  # a dry run
    NOTIFICATIONS_STARTED = "notification run started"
    NOTIFICATIONS_APPROVED = "notification run approved"
    ANNOUNCED = "announcement made"
    OPERATOR_ADDED = "operator added"
    PASSWORD_SET = "password set"  # noqa: S105, nobody's password
    ROLE_SET = "role set"
    DISABLED = "operator disabled"
    ENABLED = "operator enabled"
    INVITED = "operator invited"  # to log in once
    LOGGED_IN = "logged in"
    LOGIN_FAILED = "login failed"
    DRAFTED = "drafted"  # a change of the draft of keywords
    DISCARDED = "draft discarded"
    PUBLISHED = "published"
    BROUGHT_BACK = "brought back"  # an old version of the keywords
    TRANSCRIPT_KEPT = "transcript kept"
    TRANSCRIPT_DELETED = "transcript deleted"
    BACKGROUND_SAVED = "private messages saved"  # by which keywords are checked
    BACKGROUND_DELETED = "private messages deleted"


NOBODY = "nobody"  # acts of who did not log in


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Says which rows; None means any. Days are instants, the last one excluded."""

    actor: str | None = None  # a part of it
    act: Act | None = None
    detail: str | None = None  # a part of it, such as the number of a case
    phone_id: int | None = None
    message_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        at, equal = audit.c.at, ("act", "phone_id", "message_id")
        exact = {"actor": self.actor, "detail": self.detail}
        return [
            *(audit.c[each] == getattr(self, each) for each in equal if getattr(self, each)),
            *(
                audit.c[name].icontains(each, autoescape=True)
                for name, each in exact.items()
                if each
            ),
            *([at >= self.since] if self.since else []),
            *([at < self.until] if self.until else []),
        ]


EVERYTHING = AuditFilters()


class AuditEntry(NamedTuple):
    """Describes an act. `subject` is the keyed hash of an NKP that is not at hand. `detail` holds
    nothing personal: a wording's name, a reason, a count."""

    act: Act
    actor: str
    phone_id: int | None = None
    message_id: int | None = None
    nkp: str | None = None
    subject: bytes | None = None
    detail: str | None = None


_insert = BulkInsert(
    audit, "at", "actor", "act", "phone_id", "message_id", "subject", "detail", "salt", "mac"
)


def note(
    tx: Transaction,
    act: Act,
    actor: str,
    *,
    phone_id: int | None = None,
    message_id: int | None = None,
    nkp: str | None = None,
    subject: bytes | None = None,
    detail: str | None = None,
) -> None:
    """Writes one AuditEntry."""
    note_all(tx, [AuditEntry(act, actor, phone_id, message_id, nkp, subject, detail)])


def note_all(tx: Transaction, entries: Sequence[AuditEntry]) -> None:
    write_all(tx.connection, [entry_rows(tx, entries)])


def entry_rows(tx: Transaction, entries: Sequence[AuditEntry]) -> Write:
    """Returns the rows of entries, to be written with what they tell of."""
    return Write(_insert, [_signed(tx, each) for each in entries])


def _signed(tx: Transaction, entry: AuditEntry) -> dict[str, Any]:
    row = {
        "at": tx.now,
        "actor": entry.actor[:64],
        "act": entry.act,
        "phone_id": entry.phone_id,
        "message_id": entry.message_id,
        "subject": tx.vault.hash(entry.nkp, "nkp") if entry.nkp else entry.subject,
        "detail": entry.detail,
        "salt": os.urandom(SALT_OCTETS),
    }
    row["mac"] = row_mac(tx, row)
    return row


def operator() -> str:
    """Returns who calls a command, as the system knows them, whatever the environment says."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())  # a container's user may have no name
    return f"shell:{name}"


def page(
    tx: Transaction, before: int | None, limit: int, filters: AuditFilters = EVERYTHING
) -> Sequence[Row[Any]]:
    """Returns rows, newest first."""
    rows = select(audit).where(*filters.conditions).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        rows = rows.where(audit.c.id < before)
    return tx.connection.execute(rows).all()


def walk(
    reading: Callable[[], AbstractContextManager[Transaction]], filters: AuditFilters
) -> Iterator[Sequence[Row[Any]]]:
    """Yields all rows, the newest first, one short read after the other."""
    before: int | None = None
    while True:
        with reading() as tx:
            rows = page(tx, before, READ_AT_ONCE, filters)
        yield rows
        if len(rows) < READ_AT_ONCE:
            return
        before = rows[-1].id


def row_mac(tx: Transaction, row: dict[str, Any]) -> bytes:
    octets = [json_of(as_octets(row[name] or b"")) for name in ("subject", "salt")]
    values = [_written(row[name]) for name in ("actor", "act", "phone_id", "message_id", "detail")]
    return tx.vault.mac(json_list([json_of(_instant(row["at"])), *octets, *values]), "audit")


def _written(value: Any) -> str:
    """Writes a value as JSON; octets, which somebody else put there, as Python shows them."""
    return json_of(repr(value) if isinstance(value, bytes) else value)


def _instant(at: Any) -> str:
    """Converts to UTC, as SQLite keeps it."""
    if not isinstance(at, datetime):
        return str(at)
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def as_octets(value: Any) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()
