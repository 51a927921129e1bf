"""Copies which notifications a phone asked for, and which were planned for it."""

from sqlalchemy import exists, select

from smsgw.backoffice.ownership import Owner
from smsgw.backoffice.personal_copy.rows import Entry, read
from smsgw.storage.tables.notifications import notification_lists
from smsgw.storage.tables.notifications import notifications as _notifications
from smsgw.storage.tables.notifications import subscriptions as _subscriptions
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction


def subscriptions(tx: Transaction, owner: Owner) -> list[Entry]:
    own = _subscriptions.c.phone_id == owner.phone_id
    found = select(_subscriptions).where(own, owner.within(_subscriptions.c.consented_at))
    return [
        {
            "about": row.kind,
            "consented_at": row.consented_at,
            "consent": tx.opened(
                row.consent, Ciphertext.SUBSCRIPTION, row.phone_id, owner.phone_hash, row.kind
            ),
            "ended_at": row.ended_at,
        }
        for row in read(tx, found.order_by(_subscriptions.c.kind))
    ]


def notifications(tx: Transaction, owner: Owner) -> list[Entry]:
    """Lists those for this phone about the owner's participants; what they said is among the
    replies. An announcement may be for a list that names the participant."""
    is_listed = exists().where(
        notification_lists.c.run_id == _notifications.c.run_id,
        notification_lists.c.nkp_hash == _notifications.c.nkp_hash,
    )
    own = _notifications.c.phone_id == owner.phone_id
    theirs = own & _notifications.c.nkp_hash.in_(owner.nkps)
    found = select(_notifications, is_listed.label("is_listed")).where(theirs)
    return [
        {
            "about": row.kind,
            "nkp": owner.nkps[row.nkp_hash],
            "period": row.period,
            "planned_at": row.made_at,
            "queued_at": row.queued_at,
            "state": row.state,
            "was_on_a_list": row.is_listed,
        }
        for row in read(tx, found.order_by(_notifications.c.id))
    ]
