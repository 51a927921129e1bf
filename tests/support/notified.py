"""Switches notifications on, changes what the ledger holds, and tells what was sent."""

from datetime import timedelta

from sqlalchemy import select, text

from handlers.changes import NotificationKind
from smsgw.backoffice import notifications as actions
from smsgw.messaging import dispatch, leases
from smsgw.notifications import cycle, events, kinds, runs
from smsgw.notifications.events import NewEvent
from smsgw.notifications.runs import Run
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import Priority, replies
from smsgw.storage.tables.notifications import notifications
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction
from tests.conftest import P1, P1_NKP, P2, P2_NKP
from tests.support.conversation import say
from tests.support.sender_ids import SENDER_ID

ANI = "operator:ani"


def switch_on(rt: Runtime, *some: NotificationKind) -> None:
    """Switches kinds on; all of them by default."""
    with rt.writing() as tx:
        for kind in some or tuple(NotificationKind):
            kinds.switch(tx, kind, ANI, is_on=True)


def subscribe_to_balance(rt: Runtime) -> None:
    """Lets P1 and P2 ask for news of the balance, switches it on after a dry run, and changes
    both."""
    say(rt, P2, f"SALDO {P2_NKP}")
    say(rt, P2, "YA")
    for each in (P1, P2):
        say(rt, each, "NOTIF SALDO ON")
    send(rt)
    actions.dry_run(rt, NotificationKind.BALANCE, ANI)
    actions.switch_on(rt, NotificationKind.BALANCE, ANI)
    cycle.run_due(rt)
    for nkp in (P1_NKP, P2_NKP):
        set_total(rt, nkp, 77_000_000)


def set_total(rt: Runtime, nkp: str, total: int) -> None:
    with rt.ledger.engine.begin() as connection:
        connection.execute(
            text("UPDATE balances SET total = :total WHERE nkp = :nkp"),
            {"total": total, "nkp": nkp},
        )


def plan_notification(rt: Runtime, number: str, nkp: str) -> None:
    """Plans one of a participant that is bound to this phone."""
    with rt.writing() as tx:
        plan(tx, runs.start(tx, NotificationKind.BALANCE, ANI), number, nkp)


def plan(tx: Transaction, run: Run, number: str, nkp: str) -> None:
    known = phone_state.read(tx, number)
    until = tx.now + timedelta(days=1)
    hashed, binding = tx.vault.hash(nkp, "nkp"), known.binding_ids[nkp]
    new = NewEvent("2025-10-31", hashed, known.phone_id, binding, None, tx.now, until)
    events.add(tx, run.id, run.kind, [new])


def send(rt: Runtime) -> None:
    """Sends what is due, as a worker does."""
    with rt.writing() as tx:
        claimed = leases.claim(tx, "simulator", SENDER_ID, 100)
    sent = [dispatch.send_lease(rt, "simulator", each) for each in claimed]
    with rt.writing() as tx:
        leases.record(tx, sent)


def told(rt: Runtime, number: str) -> list[str]:
    """Returns the texts of the notifications to a phone that were put into the outbox."""
    found = (
        select(replies, phones.c.hash)
        .join(phones, phones.c.id == replies.c.phone_id)
        .where(replies.c.priority == Priority.NOTIFICATION)
        .order_by(replies.c.id)
    )
    with rt.reading() as tx:
        own = found.where(phones.c.hash == tx.vault.hash(number, "phone"))
        rows = tx.connection.execute(own).all()
        named = [(row, (row.hash, row.message_id, row.binding_id)) for row in rows]
        return [tx.opened(row.text, Ciphertext.REPLY, row.id, *by) or "" for row, by in named]


def states(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        found = select(notifications.c.state).order_by(notifications.c.id)
        return list(tx.connection.execute(found).scalars())
