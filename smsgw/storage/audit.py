"""Who was told what of whom, and what operators did: a row in the transaction that does it.

Whoever writes a row signs it (`mac`, a keyed hash of what it says). The clock numbers rows without
gaps and seals each together with the seal before it, so that a row that was changed, removed, moved
or added later does not fit any more. The last seal, the head, stands in the log and is what an
outsider keeps: with it a chain that was cut or written anew shows.
"""

import json
import os
import pwd
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    bindparam,
    func,
    insert,
    literal,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import NullType

from smsgw import logs
from smsgw.runtime import Runtime
from smsgw.storage.tables.security import UNSEALED, audit, audit_head
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

AT_ONCE = 1000  # rows sealed in one transaction
READ_AT_ONCE = 5000
FINDINGS = 50  # told of one verification
SEALED_WITHIN = timedelta(minutes=1)  # while a clock runs
START = b"\0" * 32
SALT_OCTETS = 16  # two acts that are alike have rows that are not
PARTICIPANT = "participant"


class Act(StrEnum):
    DISCLOSED = "disclosed"  # a reply or notice that tells of a participant
    LOOKED = "looked"  # an operator read a text, or a whole number
    EXPORTED = "exported"  # the list of messages, as a file
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
    DECOYS_CHANGED = "decoys changed"
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


NOBODY = "nobody"  # acts of who did not log in


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows; what is None does not matter. Days are instants, the last one excluded."""

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
        held = {"actor": self.actor, "detail": self.detail}
        return [
            *(audit.c[each] == getattr(self, each) for each in equal if getattr(self, each)),
            *(
                audit.c[name].icontains(each, autoescape=True)
                for name, each in held.items()
                if each
            ),
            *([at >= self.since] if self.since else []),
            *([at < self.until] if self.until else []),
        ]


EVERYTHING = Filters()


class NoHead(ValueError):
    """What was given is no head."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last seal, and how many rows it stands for. Written 17:9f…, 64 hexadecimal digits."""

    number: int
    seal: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.seal.hex()}"

    @staticmethod
    def read(written: str) -> "Head":
        """Raises NoHead."""
        found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", written.strip())
        if found is None:
            raise NoHead("a head is a number, a colon and 64 hexadecimal digits")
        return Head(int(found[1]), bytes.fromhex(found[2]))


@dataclass(frozen=True, slots=True)
class Verified:
    head: Head
    findings: Sequence[str]
    unsealed: Sequence[int]  # ids of rows that wait for the clock
    is_late: bool  # one of them waits for longer than a clock takes


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
    """`subject`: the keyed hash of an NKP that is not at hand. `detail` holds nothing personal: a
    wording's name, a reason, a count."""
    row = {
        "at": tx.now,
        "actor": actor[:64],
        "act": act,
        "phone_id": phone_id,
        "message_id": message_id,
        "subject": tx.vault.hash(nkp, "nkp") if nkp else subject,
        "detail": detail,
        "salt": os.urandom(SALT_OCTETS),
    }
    tx.connection.execute(insert(audit).values(row | {"mac": _mac(tx, row)}))


def operator() -> str:
    """Whoever calls a command, as the system knows them, whatever the environment says."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())  # a container's user may have no name
    return f"shell:{name}"


def seal(rt: Runtime) -> Head | None:
    """Seals what is not; None where all was, or another clock was first."""
    last = None
    while _is_waiting(rt):
        try:
            with rt.writing() as tx:
                last = _seal(tx)
        except IntegrityError:  # or a head that was overwritten: `verify` tells
            log.warning("audit not sealed: another clock was first")
            return None
    if last is not None:
        log.info("audit sealed", head=str(last))
    return last


def page(
    tx: Transaction, before: int | None, limit: int, filters: Filters = EVERYTHING
) -> Sequence[Row[Any]]:
    """Newest first."""
    rows = select(audit).where(*filters.conditions).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        rows = rows.where(audit.c.id < before)
    return tx.connection.execute(rows).all()


def walk(rt: Runtime, filters: Filters) -> Iterator[Sequence[Row[Any]]]:
    """All of them, the newest first, a short read after the other."""
    before: int | None = None
    while True:
        with rt.reading() as tx:
            rows = page(tx, before, READ_AT_ONCE, filters)
        yield rows
        if len(rows) < READ_AT_ONCE:
            return
        before = rows[-1].id


def head(tx: Transaction) -> Head:
    held = tx.connection.execute(_raw(audit_head)).first()
    return Head(held.number, _octets(held.seal)) if held else Head(0, START)


def verify(tx: Transaction, known: Head | None = None) -> Verified:
    """Reads every row. `known`: a head from the log, which must be on the way to today's."""
    held = head(tx)  # before the rows: what a clock seals meanwhile lies behind it
    heads = [each for each in (held, known) if each is not None]
    findings = list(islice(_findings(tx, heads), FINDINGS))
    waiting = tx.connection.execute(_raw(audit).where(UNSEALED).order_by(audit.c.id)).all()
    forged = [row.id for row in waiting if _is_forged(tx, row)]
    findings += [f"the unsealed row with id {each} was not written by us" for each in forged]
    late = select(audit.c.id).where(UNSEALED, audit.c.at < tx.now - SEALED_WITHIN).limit(1)
    is_late = tx.connection.execute(late).first() is not None
    return Verified(held, findings, [row.id for row in waiting], is_late)


def _is_waiting(rt: Runtime) -> bool:
    with rt.reading() as tx:
        one = select(audit.c.id).where(UNSEALED).limit(1)
        return tx.connection.execute(one).first() is not None


def _seal(tx: Transaction) -> Head:
    found = tx.connection.execute(_raw(audit_head).with_for_update()).first()
    if found is None:
        tx.connection.execute(insert(audit_head).values(id=1, number=0, seal=START))
    number, last = (found.number, _octets(found.seal)) if found else (0, START)
    waiting = tx.connection.execute(
        _raw(audit).where(UNSEALED).order_by(audit.c.id).limit(AT_ONCE)
    ).all()
    if not waiting:  # another clock was first
        return Head(number, last)
    sealed: list[dict[str, object]] = []
    for row in waiting:
        number += 1
        last = _chained(tx, last, number, row.mac)
        sealed.append({"row": row.id, "numbered": number, "sealed": last})
    tx.connection.execute(
        update(audit)
        .where(audit.c.id == bindparam("row"))
        .values(number=bindparam("numbered"), seal=bindparam("sealed")),
        sealed,
    )
    tx.connection.execute(update(audit_head).values(number=number, seal=last))
    return Head(number, last)


def _findings(tx: Transaction, heads: Sequence[Head]) -> Iterator[str]:
    """`last` is the seal that stands there: what follows a row that was changed is not blamed."""
    number, last = 0, START
    for row in _sealed(tx):
        if not isinstance(row.number, int) or row.number <= number:
            yield f"row {row.number} has no place"
            continue
        if row.number > number + 1:
            yield f"rows {number + 1} to {row.number - 1} are missing"
        elif _chained(tx, last, row.number, row.mac) != row.seal:
            yield f"row {row.number} is not the one that was sealed"
        if _is_forged(tx, row):
            yield f"row {row.number} was changed, or not written by us"
        if any(each.number == row.number and each.seal != row.seal for each in heads):
            yield f"at row {row.number} the head is another: the chain was written anew"
        number, last = row.number, _octets(row.seal)
    yield from _at_the_end(tx, number, heads)
    yield from _copies(tx)


def _at_the_end(tx: Transaction, number: int, heads: Sequence[Head]) -> Iterator[str]:
    most = max(each.number for each in heads)
    if most > number:
        yield f"rows {number + 1} to {most} are missing at the end"
    if head(tx).number < number:
        yield f"row {number} lies behind the head"
    if any(each.number == 0 and each.seal != START for each in heads):
        yield "the head of no rows is another"


def _copies(tx: Transaction) -> Iterator[str]:
    """A row may be written a second time by whoever has no key, and a clock seals it like any."""
    twice = select(func.min(audit.c.id), func.max(audit.c.id)).group_by(audit.c.mac)
    for first, again in tx.connection.execute(twice.having(func.count() > 1)):
        yield f"the row with id {again} is a copy of the one with id {first}"


def _sealed(tx: Transaction) -> Iterator[Row[Any]]:
    """In the order of their numbers, some at a time."""
    rows: Sequence[Row[Any]] = ()
    number = audit.c.number
    while True:
        behind = number > literal(rows[-1].number, NullType()) if rows else number.is_not(None)
        rows = tx.connection.execute(
            _raw(audit).where(behind).order_by(number).limit(READ_AT_ONCE)
        ).all()
        yield from rows
        if len(rows) < READ_AT_ONCE:
            return


def _raw(table: Table) -> Select[*tuple[Any, ...]]:
    """As it stands there, whatever somebody has put: SQLite takes any kind of value anywhere."""
    return select(*(type_coerce(column, NullType()).label(column.name) for column in table.c))


def _is_forged(tx: Transaction, row: Row[Any]) -> bool:
    return bool(_mac(tx, row._asdict()) != row.mac)


def _mac(tx: Transaction, row: dict[str, Any]) -> bytes:
    said = [row[name] for name in ("actor", "act", "phone_id", "message_id", "detail")]
    octets = [_octets(row[name] or b"").hex() for name in ("subject", "salt")]
    whole = [_instant(row["at"]), *octets, *said]
    return tx.vault.hash(json.dumps(whole, default=repr), "audit")


def _instant(at: Any) -> str:
    """In UTC, as SQLite keeps it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" if isinstance(at, datetime) else str(at)


def _octets(value: Any) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()


def _chained(tx: Transaction, last: bytes, number: int, mac: Any) -> bytes:
    return tx.vault.hash(f"{last.hex()} {number} {_octets(mac).hex()}", "seal")
