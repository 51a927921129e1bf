"""Manages who may use the console: roles, passwords, one-time logins and sessions.

A session is a row, found by the hash of what the browser holds: it ends when the row goes.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from threading import BoundedSemaphore
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from smsgw.storage import audit, row_macs
from smsgw.storage.audit import Act
from smsgw.storage.tables.operators import Role, operators, sessions
from smsgw.storage.transaction import Transaction

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 200  # characters
IDLE_FOR, LASTS = timedelta(hours=2), timedelta(hours=12)  # of a session
SEEN_EVERY = timedelta(minutes=1)
ONCE_LASTS = timedelta(days=1)
AT_ONCE = BoundedSemaphore(2)  # passwords of a process that are looked at: each fills a core
LEAST_DIFFERENT = 5  # characters of a password
_SESSION = (
    sessions.c.hash.label("session_hash"),
    sessions.c.operator_id.label("session_operator"),
    sessions.c.made_at.label("session_made_at"),
    sessions.c.mac.label("session_mac"),
)
A_NAME = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,39}", re.ASCII | re.IGNORECASE)


class Permission(StrEnum):
    LOOK = "look"  # figures, lists, masked numbers
    HELP = "help"  # texts and whole numbers with a reason; cases, registrations, sends
    DRAFT = "draft"
    PUBLISH = "publish"
    RUN = "run"  # operators, settings


MAY: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.LOOK}),
    Role.AGENT: frozenset({Permission.LOOK, Permission.HELP}),
    Role.EDITOR: frozenset({Permission.LOOK, Permission.DRAFT}),
    Role.PUBLISHER: frozenset({Permission.LOOK, Permission.DRAFT, Permission.PUBLISH}),
    Role.ADMIN: frozenset(Permission),
}


class AccountError(Exception):
    """Says why an account was not changed."""


@dataclass(frozen=True, slots=True)
class Operator:
    id: int
    name: str
    role: Role
    language: str

    @property
    def actor(self) -> str:
        """Returns the name that the audit log uses."""
        return f"operator:{self.name}"

    def may(self, permission: Permission) -> bool:
        return permission in MAY[self.role]


def add(tx: Transaction, name: str, role: Role, hashed: str | None, actor: str) -> Operator:
    """Adds an operator. `hashed` is the password as `hash_password` returns it. Raises NotDone."""
    name = name.strip()
    if not A_NAME.fullmatch(name):
        raise AccountError("a name has 1 to 40 letters, digits, spaces, dots and hyphens")
    if find(tx, name) is not None:
        raise AccountError(f"operator {name} already exists")
    row = {"name": name, "role": role, "language": "id", "password": hashed, "made_at": tx.now}
    row["added_by"] = actor
    try:
        inserted = tx.connection.execute(insert(operators).values(row).returning(operators.c.id))
    except IntegrityError:
        raise AccountError(f"operator {name} already exists") from None
    operator_id = int(inserted.scalar_one())
    _sign(tx, operator_id)
    audit.note(tx, Act.OPERATOR_ADDED, actor, detail=f"{name}: {role}")
    return Operator(operator_id, name, role, "id")


def list_accounts(tx: Transaction) -> list[Row[Any]]:
    return list(tx.connection.execute(select(operators).order_by(operators.c.name)))


def find(tx: Transaction, name: str) -> Row[Any] | None:
    """Finds an operator by name, in any letter case."""
    is_it = func.lower(operators.c.name) == name.lower()
    return tx.connection.execute(select(operators).where(is_it)).first()


def by_id(tx: Transaction, operator_id: int) -> Operator:
    """Returns the operator with this id, who must exist."""
    row = tx.connection.execute(select(operators).where(operators.c.id == operator_id)).one()
    return Operator(row.id, row.name, Role(row.role), row.language)


def may_log_in(tx: Transaction, row: Row[Any] | None) -> bool:
    """Tells whether we gave them that role and that password; who only writes to the database makes
    no operator."""
    return row is not None and tx.is_ours(row_macs.OPERATOR, row.mac, row.id, row._mapping)


def hash_password(password: str, hasher: PasswordHasher) -> str:
    """Takes a tenth of a second, so no transaction should be open. Raises NotDone."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise AccountError(f"a password needs at least {SHORTEST_PASSWORD} characters")
    if len(set(password)) < LEAST_DIFFERENT:
        raise AccountError(f"a password needs at least {LEAST_DIFFERENT} different characters")
    return hasher.hash(password)


def verify_password(row: Row[Any] | None, password: str, hasher: PasswordHasher) -> bool:
    """Takes as long for whom there is not. No transaction should be open."""
    stored_hash = row.password if row is not None and row.password else _nobodys(hasher)
    try:
        with AT_ONCE:
            hasher.verify(stored_hash, password[:LONGEST_PASSWORD])
    except (VerifyMismatchError, InvalidHashError):
        return False
    return row is not None and row.password is not None and row.disabled_at is None


def log_in(tx: Transaction, operator_id: int, name: str, *, instead_of: str | None = None) -> str:
    """Returns what the browser is to hold. `instead_of`: what it held before, which ends."""
    if instead_of is not None:
        log_out(tx, instead_of)
    token = secrets.token_urlsafe(32)
    row = {"hash": _hash(tx, token), "operator_id": operator_id, "made_at": tx.now}
    proof = {"mac": row_macs.SESSION.make(tx.vault, row)}
    tx.connection.execute(insert(sessions).values(row | proof | {"seen_at": tx.now}))
    old = (sessions.c.seen_at < tx.now - IDLE_FOR) | (sessions.c.made_at < tx.now - LASTS)
    tx.connection.execute(delete(sessions).where(old))
    audit.note(tx, Act.LOGGED_IN, f"operator:{name}")
    return token


def session_operator(tx: Transaction, token: str) -> tuple[Operator, datetime] | None:
    """Returns whose session it is, and when it was seen last."""
    row = tx.connection.execute(
        select(operators, sessions.c.seen_at, *_SESSION)
        .join_from(sessions, operators)
        .where(
            sessions.c.hash == _hash(tx, token),
            sessions.c.seen_at > tx.now - IDLE_FOR,
            sessions.c.made_at > tx.now - LASTS,
            operators.c.disabled_at.is_(None),
        )
    ).first()
    if row is None or not _is_session(tx, row) or not may_log_in(tx, row):
        return None
    return Operator(row.id, row.name, Role(row.role), row.language), row.seen_at


def is_same_person(tx: Transaction, actor: str, others: Collection[str]) -> bool:
    """Tells whether one of these may act as `actor`: it is them, or they let them in."""
    name = actor.removeprefix("operator:")
    row = find(tx, name) if actor != name else None
    by = {actor, row.added_by, row.invited_by} if row is not None else {actor}
    return not by.isdisjoint(others)


def touch_session(tx: Transaction, token: str) -> None:
    is_it = sessions.c.hash == _hash(tx, token)
    tx.connection.execute(update(sessions).where(is_it).values(seen_at=tx.now))


def log_out(tx: Transaction, token: str) -> None:
    tx.connection.execute(delete(sessions).where(sessions.c.hash == _hash(tx, token)))


def log_out_everywhere(tx: Transaction, operator_id: int) -> None:
    tx.connection.execute(delete(sessions).where(sessions.c.operator_id == operator_id))


def invite(tx: Transaction, operator_id: int, actor: str) -> str:
    """Creates a login that works once, within a day, and replaces the one before. For somebody else
    it resets a forgotten password: it removes theirs, so that they notice, and ends their sessions.
    Raises NotDone."""
    token = secrets.token_urlsafe(24)
    row: dict[str, object] = {
        "once_hash": _hash(tx, token),
        "once_until": tx.now + ONCE_LASTS,
        "invited_by": actor,
    }
    of = operators.c.id == operator_id
    before = tx.connection.execute(select(operators).where(of)).first()
    if before is not None and f"operator:{before.name}" != actor:
        row["password"] = None
        log_out_everywhere(tx, operator_id)
    is_enabled = of & operators.c.disabled_at.is_(None)
    changed = update(operators).where(is_enabled).values(row)
    if not may_log_in(tx, before) or tx.connection.execute(changed).rowcount != 1:
        raise AccountError("enable this operator first")
    _sign(tx, operator_id)
    return token


def redeem_invitation(tx: Transaction, token: str) -> Row[Any] | None:
    """Returns whom a one-time login lets in; it works no second time."""
    is_it: ColumnElement[bool] = operators.c.once_hash == _hash(tx, token)
    if not may_log_in(tx, tx.connection.execute(select(operators).where(is_it)).first()):
        return None
    used = (
        update(operators)
        .where(is_it, operators.c.once_until > tx.now, operators.c.disabled_at.is_(None))
        .values(once_hash=None, once_until=None)
        .returning(operators)
    )
    row = tx.connection.execute(used).first()
    if row is not None:
        _sign(tx, row.id)
    return row


def set_password(tx: Transaction, name: str, hashed: str, actor: str) -> None:
    """Ends all sessions. Raises NotDone."""
    _change(tx, name, Act.PASSWORD_SET, actor, password=hashed, once_hash=None, once_until=None)


def set_role(tx: Transaction, name: str, role: Role, actor: str) -> None:
    """Ends all sessions. Raises NotDone."""
    if role is not Role.ADMIN:
        _keep_an_admin(tx, name)
    _change(tx, name, Act.ROLE_SET, actor, role=role)


def disable(tx: Transaction, name: str, actor: str) -> None:
    """Raises NotDone."""
    _keep_an_admin(tx, name)
    _change(tx, name, Act.DISABLED, actor, disabled_at=tx.now, once_hash=None, once_until=None)


def enable(tx: Transaction, name: str, actor: str) -> None:
    """Raises NotDone."""
    _change(tx, name, Act.ENABLED, actor, disabled_at=None)


def set_language(tx: Transaction, operator_id: int, language: str) -> None:
    of = operators.c.id == operator_id
    tx.connection.execute(update(operators).where(of).values(language=language))


def _keep_an_admin(tx: Transaction, name: str) -> None:
    """Raises NotDone where `name` is an admin and no other one has a password to log in with. Who
    was only invited may never come; where `name` never came either, nothing is lost."""
    other_admins = select(operators).where(
        operators.c.role == Role.ADMIN, operators.c.disabled_at.is_(None)
    )
    admins = tx.connection.execute(
        other_admins.with_for_update()
    ).all()  # two would demote each other
    own = [row for row in admins if row.name.lower() == name.lower()]
    others = [row for row in admins if row not in own and may_log_in(tx, row)]
    if not own or any(row.password is not None for row in others):
        return
    if not others or own[0].password is not None or _is_logged_in(tx, own[0].id):
        raise AccountError(
            f"{name} is the only admin who can log in; another one needs a password first"
        )


def _is_logged_in(tx: Transaction, operator_id: int) -> bool:
    is_open = (sessions.c.seen_at > tx.now - IDLE_FOR) & (sessions.c.made_at > tx.now - LASTS)
    theirs = select(sessions.c.hash).where(sessions.c.operator_id == operator_id, is_open)
    return tx.connection.execute(theirs.limit(1)).first() is not None


def _change(tx: Transaction, name: str, act: Act, actor: str, **values: object) -> None:
    row = find(tx, name)
    if row is None:
        raise AccountError(f"there is no operator {name}; see smsgw operators list")
    tx.connection.execute(update(operators).where(operators.c.id == row.id).values(values))
    if may_log_in(tx, row):
        _sign(tx, row.id)
    log_out_everywhere(tx, row.id)
    detail = f"{name}: {values['role']}" if "role" in values else name
    audit.note(tx, act, actor, detail=detail)


def _sign(tx: Transaction, operator_id: int) -> None:
    """Signs an operator's row; needed after each change of what lets them log in."""
    of = operators.c.id == operator_id
    row = tx.connection.execute(select(operators).where(of)).one()
    proof = row_macs.OPERATOR.make(tx.vault, row._mapping)
    tx.connection.execute(update(operators).where(of).values(mac=proof))


def _is_session(tx: Transaction, row: Row[Any]) -> bool:
    conditions = {
        "hash": row.session_hash,
        "operator_id": row.session_operator,
        "made_at": row.session_made_at,
    }
    return tx.is_ours(row_macs.SESSION, row.session_mac, row.session_hash, conditions)


def _hash(tx: Transaction, token: str) -> bytes:
    """Hashes with a key, so that write access to the database alone makes no valid login."""
    return tx.vault.hash(token, "login")


@cache
def _nobodys(hasher: PasswordHasher) -> str:
    return hasher.hash(secrets.token_urlsafe(16))
