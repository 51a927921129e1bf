"""Defines the statements that read the ledger. Columns and keys have no types of ours, so an NKP
may be a number there and a day a timestamp."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Label,
    Select,
    Table,
    bindparam,
    func,
    literal,
    select,
    type_coerce,
)

from handlers.ports import Balance, Claim, Contact, Office, Participant, Rate
from smsgw.ledger.values import FIELDS, RawType
from smsgw.storage.bulk import BulkSelect
from smsgw.storage.joined_selects import JoinedSelects
from smsgw.storage.tables.ledger import (
    balances,
    claims,
    contacts,
    contributions,
    offices,
    participants,
    programs,
    rates,
)

MOST_CLAIMS = 20
MOST_ROWS = 10  # of one participant, who should have one
MOST_OF_SEVERAL = 500  # of participants who are looked up together
MOST_PARTICIPANTS = 50  # of one NIK
MOST_FUTURE = 12  # balances; those of days to come are left out
PAID = ("jht", "jp", "jkk", "jkm", "jkp")

_raw = RawType()
_nkp: BindParameter[Any] = bindparam("nkp", type_=_raw)


def _key(column: ColumnElement[Any], key: BindParameter[Any] = _nkp) -> ColumnElement[bool]:
    return type_coerce(column, _raw) == key


def _of_several(
    table: Table, build: Callable[[ColumnElement[bool]], Select[*tuple[Any, ...]]]
) -> BulkSelect:
    return BulkSelect(build, type_coerce(table.c.nkp, _raw), is_typed=False)


def _columns(table: Table, record: type) -> list[Label[Any]]:
    return [type_coerce(table.c[name], _raw).label(name) for name in FIELDS[record]]


_participant = select(*_columns(participants, Participant))
PARTICIPANT = _participant.where(_key(participants.c.nkp)).limit(MOST_ROWS)
PARTICIPANTS_OF = (
    _participant.where(_key(participants.c.nik, bindparam("nik", type_=_raw)))
    .order_by(participants.c.nkp)
    .limit(MOST_PARTICIPANTS)
)
BALANCE = (
    select(*_columns(balances, Balance))
    .where(_key(balances.c.nkp), balances.c.as_of.is_not(None))
    .order_by(balances.c.as_of.desc())
    .limit(MOST_FUTURE)
)
LAST_CONTRIBUTION = (
    select(type_coerce(contributions.c.month, _raw).label("month"))
    .where(_key(contributions.c.nkp), contributions.c.month.is_not(None))
    .order_by(contributions.c.month.desc())
    .limit(1)
)
PAID_IN = select(
    func.count().label("months"),
    *(func.sum(type_coerce(contributions.c[each], _raw)).label(each) for each in PAID),
).where(
    _key(contributions.c.nkp),
    contributions.c.month >= bindparam("first"),
    contributions.c.month < bindparam("next"),
)
PENSION_MONTHS = select(func.count().label("months")).where(
    _key(contributions.c.nkp), contributions.c.jp > 0
)
PROGRAMS = (
    select(type_coerce(programs.c.program, _raw).label("program"))
    .where(_key(programs.c.nkp), programs.c.until.is_(None))
    .order_by(programs.c.program)
)
CLAIMS = (
    select(*_columns(claims, Claim))
    .where(_key(claims.c.nkp))
    .order_by(claims.c.filed_on.desc(), claims.c.claim_no.desc())
    .limit(MOST_CLAIMS)
)


def _first_of_each(
    chosen: Select[*tuple[Any, ...]], order: Sequence[ColumnElement[Any]], most: int
) -> Select[*tuple[Any, ...]]:
    """Selects at most so many rows for each `key`, in this order."""
    (key, *_) = chosen.selected_columns
    place = func.row_number().over(partition_by=key, order_by=order).label("place")
    numbered = chosen.add_columns(place).subquery()
    return select(numbered).where(numbered.c.place <= most).order_by(numbered.c.place)


def _balances_of(among: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    key = type_coerce(balances.c.nkp, _raw).label("key")
    chosen = select(key, *_columns(balances, Balance)).where(among, balances.c.as_of.is_not(None))
    return _first_of_each(chosen, [balances.c.as_of.desc()], MOST_FUTURE)


def _claims_of(among: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    key = type_coerce(claims.c.nkp, _raw).label("key")
    chosen = select(key, *_columns(claims, Claim)).where(among)
    order = [claims.c.filed_on.desc(), claims.c.claim_no.desc()]
    return _first_of_each(chosen, order, MOST_CLAIMS)


_programs = select(
    type_coerce(programs.c.nkp, _raw).label("key"),
    type_coerce(programs.c.program, _raw).label("program"),
).where(programs.c.until.is_(None))


def _programs_of(among: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Selects each programme once, however many rows say so."""
    place = func.row_number().over(order_by=programs.c.program).label("place")
    chosen = _programs.add_columns(place).where(among)
    return chosen.group_by(programs.c.nkp, programs.c.program).order_by(place)


# The same of several participants, each row with its NKP as `key`.
_participants = select(
    type_coerce(participants.c.nkp, _raw).label("key"), *_columns(participants, Participant)
).limit(MOST_OF_SEVERAL)
_last_contributions = (
    select(
        type_coerce(contributions.c.nkp, _raw).label("key"),
        func.max(type_coerce(contributions.c.month, _raw)).label("month"),
    )
    .where(contributions.c.month.is_not(None))
    .group_by(contributions.c.nkp)
)
_pension_months = (
    select(
        type_coerce(contributions.c.nkp, _raw).label("key"),
        func.count().label("months"),
    )
    .where(contributions.c.jp > 0)
    .group_by(contributions.c.nkp)
)
FOR_SEVERAL: Mapping[str, BulkSelect] = {
    "participant": _of_several(participants, _participants.where),
    "balance": _of_several(balances, _balances_of),
    "last_contribution": _of_several(contributions, _last_contributions.where),
    "pension_months": _of_several(contributions, _pension_months.where),
    "programs": _of_several(programs, _programs_of),
    "claims": _of_several(claims, _claims_of),
}
JOINED = JoinedSelects(FOR_SEVERAL)
_slice_participants = select(
    type_coerce(participants.c.nkp, _raw).label("key"), *_columns(participants, Participant)
)
_slice_claims = select(
    type_coerce(claims.c.nkp, _raw).label("key"), *_columns(claims, Claim)
).order_by(claims.c.filed_on.desc(), claims.c.claim_no.desc())
# The same of a slice of participants, for work that nobody waits for.
FOR_SLICES: Mapping[str, BulkSelect] = {
    "participant": _of_several(participants, _slice_participants.where),
    "balance": FOR_SEVERAL["balance"],
    "last_contribution": FOR_SEVERAL["last_contribution"],
    "claims": _of_several(claims, _slice_claims.where),
    "programs": _of_several(programs, _programs.order_by(programs.c.program).where),
}
OFFICES = select(*_columns(offices, Office)).order_by(offices.c.code)
RATES = select(*_columns(rates, Rate)).order_by(rates.c.effective_from)
PING: Select[tuple[int]] = select(literal(1))
CONTACTS = select(
    type_coerce(contacts.c.channel, _raw).label("channel"), *_columns(contacts, Contact)
)

LOOK_UPS: Mapping[str, Select[*tuple[Any, ...]]] = {
    "ping": PING,
    "participant": PARTICIPANT,
    "participants_of": PARTICIPANTS_OF,
    "balance": BALANCE,
    "last_contribution": LAST_CONTRIBUTION,
    "paid_in": PAID_IN,
    "pension_months": PENSION_MONTHS,
    "programs": PROGRAMS,
    "claims": CLAIMS,
    "offices": OFFICES,
    "rates": RATES,
    "contacts": CONTACTS,
}
NUMBER_ON_FILE = {"participant", "participants_of"}  # what tells it
# Whom nobody is: what is asked to see whether the ledger answers.
NOBODY: Mapping[str, object] = {
    "nkp": "00000000000",
    "nik": "0000000000000000",
    "first": date(2000, 1, 1),
    "next": date(2001, 1, 1),
}
