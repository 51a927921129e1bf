"""Copies what is known of the participants of a phone's owner, and what was tried to be bound."""

from typing import Any

from sqlalchemy import Row, func, or_, select

from smsgw.backoffice.ownership import Owner
from smsgw.backoffice.personal_copy.rows import Entry, read, shown_number
from smsgw.registry import registrations as forms
from smsgw.storage.tables.phones import bindings as _bindings
from smsgw.storage.tables.phones import codes as _codes
from smsgw.storage.tables.phones import (
    freezes,
    guesses,
    named,
    past_bindings,
    phones,
    registration_looks,
    rejections,
    wrong_codes,
)
from smsgw.storage.tables.phones import registrations as _registrations
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction


def bindings(tx: Transaction, owner: Owner) -> list[Entry]:
    """Lists the owner's participants, bound to this phone or to another."""
    found = (
        select(_bindings, phones.c.hash.label("phone_hash"), phones.c.number.label("phone"))
        .join(phones, phones.c.id == _bindings.c.phone_id)
        .where(_bindings.c.nkp_hash.in_(owner.nkps))
    )
    return [_binding(tx, owner, row) for row in read(tx, found.order_by(_bindings.c.id))]


def _binding(tx: Transaction, owner: Owner, row: Row[Any]) -> Entry:
    is_here = row.phone_id == owner.phone_id
    bound = tx.opened(row.phone, Ciphertext.PHONE, row.phone_id, row.phone_hash)
    entry = {
        "nkp": owner.nkps[row.nkp_hash],
        "phone": shown_number(owner, bound),
        "bound_at": row.bound_at,
        "made_by": row.made_by,
        "ended_at": row.ended_at,
    }
    if not is_here:
        return entry
    on_file = tx.opened(row.on_file, Ciphertext.ON_FILE, row.id, row.on_file_hash)
    return entry | {
        "consented_at": row.consented_at,
        "consent": tx.opened(row.consent, Ciphertext.CONSENT, row.id, row.nkp_hash),
        "number_on_file": shown_number(owner, on_file),
        "tells_from": row.tells_from,
        "used_at": row.used_at,
    }


def registrations(tx: Transaction, owner: Owner) -> list[Entry]:
    looks = select(func.count()).where(registration_looks.c.registration_id == _registrations.c.id)
    found = (
        select(_registrations, phones.c.hash.label("phone_hash"))
        .add_columns(looks.scalar_subquery().label("looks"))
        .join(phones, phones.c.id == _registrations.c.phone_id)
        .where(_registrations.c.phone_id == owner.phone_id, owner.within(_registrations.c.made_at))
    )
    entries = []
    for row in read(tx, found.order_by(_registrations.c.id)):
        form = forms.submitted_form(tx, row)
        if form is not None and tx.vault.hash(form.nkp, "nkp") in owner.other_nkps:
            continue
        entries.append(
            {
                "made_at": row.made_at,
                "nkp": form.nkp if form else None,
                "nik": form.nik if form else None,
                "name": form.name if form else None,
                "birth_date": form.birth_date if form else None,
                "email": form.email if form else None,
                "state": row.state,
                "ended_at": row.ended_at,
                "officers_who_looked": row.looks,
            }
        )
    return entries


def codes(tx: Transaction, owner: Owner) -> list[Entry]:
    """Lists the codes that this phone waited for, and those that were sent to its number."""
    waited = (_codes.c.phone_id == owner.phone_id) & _codes.c.nkp_hash.not_in(owner.other_nkps)
    sent_here = (_codes.c.on_file_hash == owner.phone_hash) & _codes.c.nkp_hash.in_(owner.nkps)
    found = select(_codes).where(or_(waited, sent_here), owner.within(_codes.c.made_at))
    entries = []
    for row in read(tx, found.order_by(_codes.c.id)):
        nkp = tx.opened(row.nkp, Ciphertext.CLAIMED_NKP, row.id, row.code_hash)
        on_file = tx.opened(row.on_file, Ciphertext.CLAIMED_ON_FILE, row.id, row.code_hash)
        entries.append(
            {
                "made_at": row.made_at,
                "for": "this phone" if row.phone_id == owner.phone_id else "another phone",
                "sent_to": shown_number(owner, on_file),
                "nkp": nkp[-4:].rjust(len(nkp), "*") if nkp else None,
                "ended_at": row.ended_at,
            }
        )
    return entries


def wrong_tries(tx: Transaction, owner: Owner) -> list[Entry]:
    """Tells when the phone typed a number or a code that is not linked to it. The numbers are
    stored as keyed hashes."""
    return [
        {"at": at, "what": what}
        for what, table in (("identity", guesses), ("number", named), ("code", wrong_codes))
        for at in tx.connection.execute(
            select(table.c.at).where(table.c.phone_id == owner.phone_id, owner.within(table.c.at))
        ).scalars()
    ]


def blocks(tx: Transaction, owner: Owner) -> list[Entry]:
    """Tells when BUKAN SAYA or TOLAK stopped codes for the owner's participants, and TOLAK."""
    frozen = select(freezes).where(freezes.c.nkp_hash.in_(owner.nkps)).order_by(freezes.c.id)
    rejected = select(rejections).where(rejections.c.nkp_hash.in_(owner.nkps))
    return [
        {"at": row.at, "what": "no codes", "until": row.until, "ended_at": row.ended_at}
        for row in read(tx, frozen)
    ] + [
        {"at": row.at, "what": "code rejected"}
        for row in read(tx, rejected.order_by(rejections.c.id))
    ]


def ever_bound(tx: Transaction, owner: Owner) -> list[Entry]:
    here = past_bindings.c.phone_hash == tx.vault.hash(owner.number, "past")
    found = select(past_bindings.c.nkp_hash).where(here, past_bindings.c.nkp_hash.in_(owner.nkps))
    hashes = tx.connection.execute(found).scalars().all()
    return [{"nkp": owner.nkps[each], "was_bound_to_this_phone": True} for each in hashes]
