"""Whoever writes to the database, or words an announcement, makes us tell nobody else anything."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from handlers.changes import NotificationKind
from smsgw import gsm7
from smsgw.notifications import cycle, runs
from smsgw.notifications.runs import Announcement
from smsgw.operations import key_rotation
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import (
    Audience,
    notification_digests,
    notification_lists,
    notification_runs,
    notifications,
    subscriptions,
)
from smsgw.storage.tables.security import Ciphertext
from tests.conftest import P1, P1_NKP, P2, P2_NKP, Clock
from tests.support.conversation import say
from tests.support.notified import send, set_total, states, switch_on, told

BALANCE, ANI = NotificationKind.BALANCE, "operator:ani"


@pytest.fixture
def planned(rt: Runtime, clock: Clock) -> Runtime:
    """Plans a notification for P1; P2 is bound, and asked for none."""
    for each in (f"SALDO {P2_NKP}", "YA"):
        say(rt, P2, each)
    say(rt, P1, "NOTIF SALDO ON")
    send(rt)
    switch_on(rt, BALANCE)
    cycle.run_due(rt)
    set_total(rt, P1_NKP, 77_000_000)
    set_total(rt, P2_NKP, 88_000_000)
    clock.moves(hours=10)  # by night
    assert cycle.run_due(rt) == 0
    clock.moves(hours=14)
    return rt


def sent_to_p2(rt: Runtime, table: object, **values: object) -> None:
    """Writes to the database, and looks at what P2 gets then."""
    with rt.service.begin() as connection:
        connection.execute(update(table).values(values))  # type: ignore[arg-type]
    cycle.run_due(rt)
    send(rt)
    assert told(rt, P2) == []


def test_a_notification_is_not_sent_to_another_phone(planned: Runtime) -> None:
    with planned.reading() as tx:
        other = phone_state.read(tx, P2)
    binding = other.binding_ids[P2_NKP]
    sent_to_p2(planned, notifications, phone_id=other.phone_id, binding_id=binding)
    assert states(planned) == ["ended"]


def test_who_asked_is_not_exchanged(planned: Runtime) -> None:
    with planned.reading() as tx:
        other, hashed = phone_state.read(tx, P2), tx.vault.hash(P2_NKP, "nkp")
    binding = other.binding_ids[P2_NKP]
    with planned.service.begin() as connection:
        connection.execute(update(subscriptions).values(phone_id=other.phone_id))
    rewritten = {"phone_id": other.phone_id, "binding_id": binding, "nkp_hash": hashed}
    sent_to_p2(planned, notifications, **rewritten)
    assert states(planned) == ["ended"]


def announcement(rt: Runtime, text: str, audience: Audience = Audience.ALL) -> Announcement:
    return Announcement(text, text, audience, None, rt.now() + timedelta(days=3))


def announce(rt: Runtime, told_of: Announcement, nkps: tuple[str, ...] = ()) -> None:
    with rt.writing() as tx:
        run = runs.start(tx, BALANCE, ANI, announcement=told_of)
        if nkps:
            runs.set_list(tx, run, nkps)


@pytest.mark.parametrize("column", ["text_id", "audience"])
def test_an_announcement_that_was_rewritten_is_told_to_nobody(rt: Runtime, column: str) -> None:
    switch_on(rt, BALANCE)
    say(rt, P1, "NOTIF SALDO ON")
    send(rt)
    announce(rt, announcement(rt, "Kantor tutup", Audience.LIST), (P2_NKP,))
    forged = {"text_id": "Hubungi kami", "audience": "all"}[column]
    with rt.service.begin() as connection:
        connection.execute(update(notification_runs).values({column: forged}))
    cycle.run_due(rt)
    assert told(rt, P1) == []


def test_a_listed_participant_who_did_not_ask_is_told_nothing(planned: Runtime) -> None:
    told_of = announcement(planned, "Kantor tutup", Audience.LIST)
    announce(planned, told_of, (P1_NKP, P2_NKP, "18000000000"))
    cycle.run_due(planned)
    assert sum("Kabar: Kantor tutup" in sms for sms in told(planned, P1)) == 1
    assert told(planned, P2) == []


@pytest.mark.parametrize(
    "text", ["{nkp} {total} {off}", "[{call_centre}] {also}", "%s \\1 $total {{off}}"]
)
def test_placeholders_in_an_announcement_are_text(rt: Runtime, clock: Clock, text: str) -> None:
    switch_on(rt, BALANCE)
    say(rt, P1, "NOTIF SALDO ON")
    send(rt)
    announce(rt, announcement(rt, text))
    cycle.run_due(rt)
    (sms,) = told(rt, P1)
    assert sms.startswith(f"Kabar: {text} ")
    assert gsm7.count(sms).segments == 1


def consent(rt: Runtime) -> str | None:
    with rt.reading() as tx:
        row = tx.connection.execute(select(subscriptions)).one()
        named_by = (tx.vault.hash(P1, "phone"), row.kind)
        return tx.opened(row.consent, Ciphertext.SUBSCRIPTION, row.id, *named_by)


def test_after_a_change_of_keys_nobody_is_told_anew(rt: Runtime, clock: Clock) -> None:
    switch_on(rt, BALANCE)
    said = say(rt, P1, "NOTIF SALDO ON").reply.text
    send(rt)
    cycle.run_due(rt)
    key_rotation.rotate(rt, ANI, tell=lambda _: None, wait=lambda _: None)
    clock.moves(days=2)
    assert consent(rt) == said
    assert cycle.run_due(rt) == 0
    clock.moves(hours=1)
    set_total(rt, P1_NKP, 5)
    assert cycle.run_due(rt) == 1


def test_what_is_kept_of_what_was_told_tells_nothing(rt: Runtime) -> None:
    """Two participants with the same balance have different digests, which hold no amount."""
    switch_on(rt, BALANCE)
    for nkp in (P1_NKP, P2_NKP):
        set_total(rt, nkp, 1_000_000)
    for number, texts in ((P2, (f"SALDO {P2_NKP}", "YA")), (P1, ())):
        for each in (*texts, "NOTIF SALDO ON"):
            say(rt, number, each)
    send(rt)
    cycle.run_due(rt)
    with rt.reading() as tx:
        digests = tx.connection.execute(select(notification_digests.c.digest)).scalars().all()
        assert tx.connection.execute(select(notification_lists)).all() == []
    assert len(set(digests)) == 2
    assert all(len(each) == 16 for each in digests)


def test_a_stranger_learns_nothing(rt: Runtime) -> None:
    """Whether a number is a participant's, or asked, shows in no reply to NOTIF."""
    say(rt, P1, "NOTIF SALDO ON")
    replies = {
        text: {say(rt, f"+62899000000{index}", text).reply.text for index in range(2)}
        for text in ("NOTIF", "NOTIF SALDO ON", "NOTIF OFF", f"NOTIF SALDO ON {P1_NKP}")
    }
    assert all(len(each) == 1 for each in replies.values())
    assert not any(P1_NKP[-4:] in text for each in replies.values() for text in each)
