"""What a phone asked for is kept with its words, ends with its bindings, and is deleted."""

import pytest
from sqlalchemy import select, update

from handlers.changes import NotificationKind
from smsgw.operations import retention
from smsgw.operations.retention import Retention
from smsgw.registry import phone_state, subscriptions
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import notifications
from smsgw.storage.tables.notifications import subscriptions as rows
from smsgw.storage.tables.security import Ciphertext
from tests.conftest import P1, P1_NKP, P2, P2_NKP, Clock
from tests.support.conversation import count_rows, say, set_number_on_file
from tests.support.notified import plan_notification, send

ALL = frozenset(NotificationKind)
BALANCE = NotificationKind.BALANCE


def asked(rt: Runtime, number: str) -> frozenset[NotificationKind]:
    with rt.reading() as tx:
        known = phone_state.read(tx, number)
        hashed = tx.vault.hash(number, "phone")
        return subscriptions.kinds_of(tx, known.phone_id, hashed)


def test_consent_is_kept_with_its_time_and_words(rt: Runtime, clock: Clock) -> None:
    said = say(rt, P1, "NOTIF SALDO ON").reply.text
    with rt.reading() as tx:
        row = tx.connection.execute(select(rows)).one()
        named_by = (tx.vault.hash(P1, "phone"), row.kind)
        assert tx.opened(row.consent, Ciphertext.SUBSCRIPTION, row.id, *named_by) == said
    assert (row.consented_at, row.ended_at) == (clock.now, None)


def test_a_row_that_we_did_not_write_asks_for_nothing(rt: Runtime) -> None:
    say(rt, P1, "NOTIF SALDO ON")
    with rt.service.begin() as connection:
        connection.execute(update(rows).values(kind="claim"))
    assert asked(rt, P1) == frozenset()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("NOTIF IURAN OFF", ALL - {NotificationKind.CONTRIBUTION}),
        ("NOTIF OFF", frozenset()),
        ("STOP", frozenset()),
        ("BUKAN SAYA", frozenset()),
        ("GANTI HP", frozenset()),
        ("SALDO", ALL),
    ],
)
def test_what_is_ended_is_on_no_more(
    rt: Runtime, text: str, left: frozenset[NotificationKind]
) -> None:
    say(rt, P1, "NOTIF ON")
    say(rt, P1, text)
    assert asked(rt, P1) == left


def test_a_binding_that_lapses_ends_all(rt: Runtime) -> None:
    say(rt, P1, "NOTIF ON")
    set_number_on_file(rt, P1_NKP, "+6281311113333")
    say(rt, P1, "SALDO")
    assert asked(rt, P1) == frozenset()


def test_another_phone_that_takes_the_participant_ends_all_on_the_first(rt: Runtime) -> None:
    say(rt, P1, "NOTIF ON")
    set_number_on_file(rt, P1_NKP, P2)
    say(rt, P2, f"SALDO {P1_NKP}")
    say(rt, P2, "YA")
    assert (asked(rt, P1), asked(rt, P2)) == (frozenset(), frozenset())


def test_a_phone_with_two_participants_goes_on_while_one_is_bound(rt: Runtime) -> None:
    set_number_on_file(rt, P2_NKP, P1)
    say(rt, P1, f"SALDO {P2_NKP}")
    say(rt, P1, "YA")
    say(rt, P1, "NOTIF ON")
    set_number_on_file(rt, P2_NKP, P2)
    say(rt, P1, "SALDO B")
    assert asked(rt, P1) == ALL


def test_whoever_asks_again_is_told_of_what_changes_from_then_on(rt: Runtime) -> None:
    for text in ("NOTIF ON", "NOTIF OFF", "NOTIF SALDO ON"):
        say(rt, P1, text)
    assert asked(rt, P1) == {BALANCE}


def test_what_ended_is_forgotten_after_the_retention_time(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "NOTIF ON")
    say(rt, P1, "NOTIF IURAN OFF")
    for days, left in ((89, 5), (3, 4)):
        clock.moves(days=days)
        Retention(rt).step()
        assert count_rows(rt, rows) == left


def test_hapus_data_deletes_them(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "NOTIF ON")
    plan_notification(rt, P1, P1_NKP)
    say(rt, P1, "HAPUS DATA")
    send(rt)
    retention.erase(rt, "ADU-251031-0001", "operator:ani")
    assert (count_rows(rt, rows), count_rows(rt, notifications)) == (0, 0)
