"""Seals the rows of the audit log into a chain, and verifies that they are whole."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from sqlalchemy import (
    Row,
    Select,
    Table,
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
from smsgw.storage.audit import READ_AT_ONCE, as_octets, row_mac
from smsgw.storage.bulk import BulkUpdate
from smsgw.storage.tables.security import UNSEALED, audit, audit_head
from smsgw.storage.tables.types import Id
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

AT_ONCE = 1000  # rows sealed in one transaction
FINDINGS = 50  # told of one verification
SEALED_WITHIN = timedelta(minutes=1)  # while a clock runs
START = b"\0" * 32


class NoHead(ValueError):
    """Says that the given text is no head."""


@dataclass(frozen=True, slots=True)
class Head:
    """Holds the last seal, and how many rows it stands for. It is written 17:9f…, with 64
    hexadecimal digits."""

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


def seal(rt: Runtime) -> Head | None:
    """Seals what is not; None where all was, or another clock seals it."""
    last, may_have_more = None, _is_waiting(rt)
    while may_have_more:
        try:
            with rt.writing() as tx:
                sealed, count = _seal(tx)
        except IntegrityError:  # or a head that was overwritten: `verify` tells
            log.warning("audit not sealed: another clock sealed it first")
            return None
        last, may_have_more = sealed or last, count == AT_ONCE
    if last is not None:
        log.info("audit sealed", head=str(last))
    return last


def head(tx: Transaction) -> Head:
    row = tx.connection.execute(_raw(audit_head)).first()
    return Head(row.number, as_octets(row.seal)) if row else Head(0, START)


def verify(tx: Transaction, known: Head | None = None) -> Verified:
    """Reads every row. `known` is a head from the log, which must be on the way to today's."""
    noted_head = head(tx)  # before the rows: what a clock seals meanwhile lies behind it
    heads = [each for each in (noted_head, known) if each is not None]
    findings = list(islice(_findings(tx, heads), FINDINGS))
    waiting = tx.connection.execute(_raw(audit).where(UNSEALED).order_by(audit.c.id)).all()
    forged = [row.id for row in waiting if _is_forged(tx, row)]
    findings += [f"the unsealed row with id {each} was not written by us" for each in forged]
    late = select(audit.c.id).where(UNSEALED, audit.c.at < tx.now - SEALED_WITHIN).limit(1)
    is_late = tx.connection.execute(late).first() is not None
    return Verified(noted_head, findings, [row.id for row in waiting], is_late)


def _is_waiting(rt: Runtime) -> bool:
    with rt.reading() as tx:
        one = select(audit.c.id).where(UNSEALED).limit(1)
        return tx.connection.execute(one).first() is not None


def _seal(tx: Transaction) -> tuple[Head | None, int]:
    """Returns the head, and how many rows were sealed; no head while another clock seals."""
    found = tx.connection.execute(_raw(audit_head).with_for_update(skip_locked=True)).first()
    if found is None and tx.connection.execute(_raw(audit_head)).first() is not None:
        return None, 0
    if found is None:
        tx.connection.execute(insert(audit_head).values(id=1, number=0, seal=START))
    number, last = (found.number, as_octets(found.seal)) if found else (0, START)
    waiting = tx.connection.execute(
        _raw(audit).where(UNSEALED).order_by(audit.c.id).limit(AT_ONCE)
    ).all()
    if not waiting:  # another clock was first
        return Head(number, last), 0
    sealed: list[dict[str, object]] = []
    for row in waiting:
        number += 1
        last = _chained(tx, last, number, row.mac)
        sealed.append({"row": row.id, "numbered": number, "sealed": last})
    _sealing.run(tx.connection, sealed)
    tx.connection.execute(update(audit_head).values(number=number, seal=last))
    return Head(number, last), len(sealed)


_sealing = BulkUpdate(
    {"row": Id, "numbered": audit.c.number.type, "sealed": audit.c.seal.type},
    lambda row: (
        update(audit)
        .where(audit.c.id == row["row"])
        .values(number=row["numbered"], seal=row["sealed"])
    ),
)


def _findings(tx: Transaction, heads: Sequence[Head]) -> Iterator[str]:
    """Yields what is wrong with the chain. Each row is checked against the seal that stands before
    it, so that a row that was changed does not put the blame on the next."""
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
        number, last = row.number, as_octets(row.seal)
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
    """Yields the rows that are copies. Writing a row a second time takes no key, and the clock
    seals it like any other."""
    twice = select(func.min(audit.c.id), func.max(audit.c.id)).group_by(audit.c.mac)
    for first, again in tx.connection.execute(twice.having(func.count() > 1)):
        yield f"the row with id {again} is a copy of the one with id {first}"


def _sealed(tx: Transaction) -> Iterator[Row[Any]]:
    """Yields the sealed rows by number, in batches."""
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
    """Selects the stored values as they are: SQLite takes any kind of value anywhere."""
    return select(*(type_coerce(column, NullType()).label(column.name) for column in table.c))


def _is_forged(tx: Transaction, row: Row[Any]) -> bool:
    return bool(row_mac(tx, row._asdict()) != row.mac)


def _chained(tx: Transaction, last: bytes, number: int, mac: Any) -> bytes:
    return tx.vault.hash(f"{last.hex()} {number} {as_octets(mac).hex()}", "seal")
