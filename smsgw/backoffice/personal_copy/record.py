"""Copies a person's cases, what the audit log says of them, and why their data is processed."""

from sqlalchemy import or_, select

from smsgw.backoffice.ownership import Owner
from smsgw.backoffice.personal_copy.rows import Entry, read
from smsgw.settings import Settings
from smsgw.storage.tables.cases import case_exports
from smsgw.storage.tables.cases import cases as _cases
from smsgw.storage.tables.security import audit as _audit
from smsgw.storage.transaction import Transaction


def cases(tx: Transaction, owner: Owner) -> list[Entry]:
    found = (
        select(_cases, case_exports.c.asked_at, case_exports.c.approved_at)
        .outerjoin(case_exports, case_exports.c.case_id == _cases.c.id)
        .where(_cases.c.phone_id == owner.phone_id, owner.within(_cases.c.opened_at))
    )
    return [
        {
            "number": row.number,
            "kind": row.kind,
            "opened_at": row.opened_at,
            "closed_at": row.closed_at,
            "copy_asked_at": row.asked_at,
            "copy_approved_at": row.approved_at,
        }
        for row in read(tx, found.order_by(_cases.c.id))
    ]


def audit(tx: Transaction, owner: Owner) -> list[Entry]:
    """Lists what the audit log says of this phone and of the owner's participants. Of another phone
    it says neither which one nor why."""
    is_theirs = _audit.c.subject.in_(owner.nkps)
    is_here = (_audit.c.phone_id == owner.phone_id) & owner.within(_audit.c.at)
    found = select(_audit).where(or_(is_theirs, is_here & _audit.c.subject.is_(None)))
    entries = []
    for row in read(tx, found.order_by(_audit.c.id)):
        is_of_phone = row.phone_id == owner.phone_id and owner.had(row.at)
        entries.append(
            {
                "at": row.at,
                "act": row.act,
                "by": row.actor.partition(":")[0],  # not who of the staff
                "phone": "this" if is_of_phone else "another" if row.phone_id else None,
                "detail": row.detail if is_of_phone else None,
            }
        )
    return entries


def processing(settings: Settings) -> list[Entry]:
    """Says which data is processed for which purpose, and how long it is kept."""
    days = f"{settings.retention.days} days"
    return [
        {
            "purpose": "to answer SMS about social security",
            "data": "number of the phone; texts of messages and replies, with their times",
            "kept": f"texts {days}; the number {days} after the last SMS, or while it is bound",
        },
        {
            "purpose": "to tell data of a participant to no other phone",
            "data": "NKP, number on file and the consent that binds the phone; codes",
            "kept": f"until a year without use, or {days} after the binding ended; codes {days}",
        },
        {
            "purpose": "to notify a phone of what it asked to be notified of (NOTIF)",
            "data": "what it asked for, with time and words; keyed hashes of what it was told",
            "kept": f"until NOTIF OFF or STOP and {days} more; that it was notified 400 days",
        },
        {
            "purpose": "to register a phone that is not on file",
            "data": "NKP, NIK, name, birth date and email as they were sent",
            "kept": days,
        },
        {
            "purpose": "to answer complaints and requests about data",
            "data": "number of the case, its kind and days",
            "kept": "for ever, without a text",
        },
        {
            "purpose": "to stop guessing, and abuse of codes",
            "data": "keyed hashes of the numbers that were tried; blocks of codes",
            "kept": "two days; TOLAK 60 days; BUKAN SAYA for ever",
        },
        {
            "purpose": "to prove who was told what",
            "data": "the audit log: keyed hashes and ids",
            "kept": "for ever",
        },
    ]
