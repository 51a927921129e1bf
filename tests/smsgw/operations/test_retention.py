"""What is due is deleted and stays counted; what is requested, deferred or open is kept."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Column, Table, delete, func, select, text, update

from smsgw.carriers.carrier import Ending, SendError
from smsgw.messaging import inbox, leases, reconciliation
from smsgw.operations import metrics, retention
from smsgw.operations.retention import NotErased, Retention
from smsgw.registry import cases, phone_state
from smsgw.registry.bindings import bind
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import (
    bindings,
    codes,
    guesses,
    pages,
    phones,
    questions,
    registrations,
)
from smsgw.storage.tables.security import audit
from smsgw.storage.transaction import Conflict
from tests.conftest import P1, P1_NKP, P2, STRANGER, Clock
from tests.support.commands import forked
from tests.support.conversation import count_rows, say, with_ledger_down
from tests.support.query_plans import plans
from tests.support.registration import DAFTAR
from tests.support.traffic_year import days, numbers_held, oldest_text, rows_held

OPERATOR = "shell:ani"
MANY_PHONES = """
    INSERT INTO phones (hash, number, version)
    SELECT sha256(each::text::bytea), '...', 1 FROM generate_series(1, 5000) AS each
"""
THEIR_BINDINGS = """
    INSERT INTO bindings (phone_id, nkp_hash, bound_at, consented_at, made_by, used_at)
    SELECT id, hash, now(), now(), 'consent', now() FROM phones WHERE number = '...'
"""
COPIES = """
    INSERT INTO {table} (id, phone_id, {names})
    SELECT first.id + each, each % 5000, {names}
    FROM (SELECT * FROM {table} LIMIT 1) AS first, generate_series(1, 12000) AS each
"""

# A look into a partition that PostgreSQL knows to be empty, since it was vacuumed.
OF_NOTHING = re.compile(r"^.*\(cost=0\.00\.\.0\.00 .*\n", re.MULTILINE)


def count_held(rt: Runtime, *columns: Column[bytes]) -> int:
    """Returns how many values these columns hold."""
    with rt.reading() as tx:
        return sum(
            tx.connection.execute(select(func.count(column))).scalar_one() for column in columns
        )


def state(rt: Runtime, table: Table) -> str:
    """Returns the state of the only row."""
    with rt.reading() as tx:
        return tx.connection.execute(select(table.c.state)).scalar_one()


def passes(rt: Runtime, clock: Clock, days: float) -> None:
    """Moves the clock, after everything that was to be sent is delivered, and deletes what is
    due."""
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(state="delivered"))
    clock.moves(days=days)
    look = Retention(rt)
    while look.step():
        pass


def figures(rt: Runtime) -> list[str]:
    """Returns what is counted, without what only moves."""
    lines = metrics.text(rt).decode().splitlines()
    return sorted(line for line in lines if "_total{" in line or "_bucket{" in line)


def test_texts_are_deleted_and_counts_are_kept(rt: Runtime, clock: Clock) -> None:
    for body in ("SALDO", "IURAN", "apa kabar"):
        say(rt, P1, body)
    say(rt, "TELKOMSEL", "bonus kuota")
    passes(rt, clock, 89)
    before = figures(rt)
    assert count_held(rt, messages.c.text, replies.c.text) == 4 + 3
    passes(rt, clock, 2)
    assert count_held(rt, messages.c.text, messages.c.text_hash, replies.c.text) == 0
    assert (count_rows(rt, messages), count_rows(rt, replies)) == (4, 3)
    assert figures(rt) == before
    assert say(rt, P1, "ULANG").verdict.outcome == "unknown"
    assert say(rt, P1, "SALDO").verdict.outcome == "confirm"  # and the NIK is asked for
    assert say(rt, P1, "0000").verdict.outcome == "answered"


def test_an_old_registration_is_deleted(rt: Runtime, clock: Clock) -> None:
    say(rt, STRANGER, DAFTAR)
    passes(rt, clock, 89)
    assert count_held(rt, registrations.c.given) == 1
    passes(rt, clock, 2)
    assert count_held(rt, registrations.c.given) == 0
    assert state(rt, registrations) == "lapsed"
    assert count_held(rt, phones.c.number) == 1  # P1's, who is bound


def test_erasing_data_ends_the_registration(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, STRANGER, "HAPUS DATA")
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(state="delivered"))
    retention.erase(rt, "ADU-251031-0001", OPERATOR)
    assert count_held(rt, registrations.c.given) == 0
    assert state(rt, registrations) == "lapsed"


def test_messages_with_a_future_time_block_nothing(rt: Runtime, clock: Clock) -> None:
    for number in range(3):
        say(rt, f"+6285700000{number:03}", "KONTAK")
    with rt.writing() as tx:
        ahead = clock.now + timedelta(days=300)
        first = messages.c.id < 3
        tx.connection.execute(update(messages).where(first).values(received_at=ahead))
    passes(rt, clock, 91)
    assert count_held(rt, messages.c.text) == 2


def test_deferred_messages_and_open_cases_are_kept(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "LAPOR PT Maju belum bayar iuran")
    say(with_ledger_down(rt), P2, "SALDO 20098765432")
    passes(rt, clock, 400)
    assert count_held(rt, messages.c.text) == 2
    with rt.writing() as tx:
        assert cases.close(tx, "ADU-251031-0001")
    passes(rt, clock, 0)
    assert count_held(rt, messages.c.text) == 1


def test_old_unknown_sends_are_closed(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "simulator", "2757", 1)
        doubt = SendError(Ending.UNKNOWN, "busy")
        leases.record(tx, [leases.SendResult(claim, error=doubt)])
    clock.moves(days=91)
    while Retention(rt).step():
        pass
    assert count_held(rt, replies.c.text) == 0
    with rt.reading() as tx:
        assert reconciliation.all_open(tx) == []


def test_a_phone_that_writes_during_deletion_becomes_a_new_phone(rt: Runtime, clock: Clock) -> None:
    say(rt, STRANGER, "KONTAK")
    with rt.reading() as tx:
        known = phone_state.read(tx, STRANGER)
    passes(rt, clock, 91)
    with pytest.raises(Conflict), rt.writing() as tx:
        phone_state.bump_version(tx, known)


def test_a_phone_is_deleted_after_its_texts(rt: Runtime, clock: Clock) -> None:
    """The clock takes some of each kind at a time, and replies may be many."""
    answer = say(rt, STRANGER, "KONTAK")
    say(with_ledger_down(rt), P2, "SALDO 20098765432")
    with rt.writing() as tx:
        row = tx.connection.execute(select(replies).order_by(replies.c.id)).mappings().first()
        many = [{**row, "id": None, "state": "delivered"} for _ in range(retention.BATCH + 1)]
        for each in many:
            del each["id"]
        tx.connection.execute(replies.insert(), many)
        tx.connection.execute(update(replies).where(replies.c.state == "queued").values(text=None))
    assert answer.reply is not None
    clock.moves(days=91)
    look = Retention(rt)
    look.step()
    with rt.reading() as tx:
        assert inbox.deferred(tx, 5)[0].sms.sender == P2
        forgotten = select(phones.c.id).where(phones.c.number.is_(None))
        assert tx.connection.execute(forgotten).all() == []


def test_a_complaint_is_closed_by_an_operator(rt: Runtime, environ: dict[str, str]) -> None:
    say(rt, P1, "LAPOR PT Maju belum bayar iuran")
    number = "ADU-251031-0001"
    assert "no open complaint" in forked(environ, "cases", "close", "ADU-251031-0009").stderr
    shown = forked(environ, "cases", "show", number.lower()).stdout
    assert shown == f"{P1}\nLAPOR PT Maju belum bayar iuran\n"
    assert forked(environ, "cases", "close", number).stdout == f"{number} is closed\n"
    assert forked(environ, "cases", "list").stdout == ""
    assert "selesai" in say(rt, P1, f"STATUS {number}").reply.text
    with rt.reading() as tx:
        acts = tx.connection.execute(select(audit.c.act, audit.c.detail).order_by(audit.c.id))
        assert acts.all()[:2] == [("looked", number), ("case closed", number)]


def test_erasing_waits_for_an_answer_in_hand(rt: Runtime) -> None:
    """The message then finds the phone changed, and starts again from nothing."""
    say(rt, P1, "HAPUS DATA")
    with rt.reading() as tx:
        known = phone_state.read(tx, P1)
    retention.erase(rt, "ADU-251031-0001", OPERATOR)
    with pytest.raises(Conflict), rt.writing() as tx:
        bind(tx, phone_state.bump_version(tx, known), P1_NKP, consent="too late")
    assert count_held(rt, bindings.c.nkp) == 0


def test_erasing_deletes_codes_sent_for_others(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "HAPUS DATA")
    assert count_held(rt, codes.c.on_file) == 1
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(state="delivered"))
    retention.erase(rt, "ADU-251031-0001", OPERATOR)
    assert count_held(rt, codes.c.on_file) == 0


def test_a_confirmation_is_dated_when_it_is_made(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "HAPUS DATA")
    passes(rt, clock, 2)
    retention.erase(rt, "ADU-251031-0001", OPERATOR)
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "simulator", "2757", 1)
        leases.record(tx, [leases.SendResult(claim, carrier_ref="SM1")])
    with rt.reading() as tx:
        waits = tx.connection.execute(select(replies.c.waited).order_by(replies.c.id.desc()))
        assert waits.scalars().first() == 0


def test_a_silent_phone_is_deleted(rt: Runtime, clock: Clock) -> None:
    say(rt, STRANGER, "KONTAK")
    say(rt, P2, "STOP")
    passes(rt, clock, 91)
    with rt.reading() as tx:
        query = select(phones.c.id, phones.c.number, phones.c.stopped_at).order_by(phones.c.id)
        bound, silent, stopped = tx.connection.execute(query)
    assert bound.number is not None  # who is bound may ask whenever they like
    assert silent.number is None
    assert stopped.number is not None  # and no STOP is forgotten
    assert count_rows(rt, phones) == 3
    assert say(rt, STRANGER, "KONTAK").verdict.outcome == "answered"
    assert count_rows(rt, phones) == 4


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whether_phones_are_silent_is_asked_by_each_phone_alone(rt: Runtime) -> None:
    """By what has a text, PostgreSQL would read all messages for each phone that is not bound, if
    most are."""
    say(rt, STRANGER, "INFO")
    with rt.service.begin() as connection:
        connection.execute(text(MANY_PHONES))
        connection.execute(text(THEIR_BINDINGS))
        connection.execute(text("ANALYZE phones, bindings"))
        for table in (messages, replies):
            copied = [each.name for each in table.c if each.name not in {"id", "phone_id"}]
            names = ", ".join(copied)
            connection.execute(text(COPIES.format(table=table.name, names=names)))
    with plans(rt) as planned:
        Retention(rt).step()
    (asked,) = [each for each in planned if "phones" in each and "replies" in each]

    asked = OF_NOTHING.sub("", asked)
    assert "phone_id_id_idx" in asked
    assert not re.search("Seq Scan on (messages|replies)|made_at_idx|received_at_idx", asked), asked


def test_an_unused_binding_ends_and_then_its_phone_is_deleted(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    passes(rt, clock, 366)
    with rt.reading() as tx:
        assert tx.connection.execute(select(bindings.c.ended_at)).scalar_one() is not None
    assert count_held(rt, bindings.c.nkp, bindings.c.consent, phones.c.number) == 0


def test_short_lived_rows_are_deleted(rt: Runtime, clock: Clock) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "SALDO 20098765432")
    say(rt, P1, "BANTUAN")
    assert all(count_rows(rt, table) for table in (codes, guesses, pages, questions))
    passes(rt, clock, 3)
    assert [count_rows(rt, table) for table in (guesses, pages, questions)] == [0, 0, 0]
    passes(rt, clock, 90)
    assert count_rows(rt, codes) == 0


def test_a_data_request_is_carried_out_and_reported_done(
    rt: Runtime, environ: dict[str, str], clock: Clock
) -> None:
    say(rt, P1, "SALDO")
    say(rt, P1, "LAPOR PT Maju belum bayar iuran")
    noted = say(rt, P1, "HAPUS DATA")
    number = "ADU-251031-0002"
    assert number in noted.reply.text
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(state="delivered"))
    listed = forked(environ, "cases", "list")
    assert f"{number}  data_request" in listed.stdout
    assert "+6281*****7890" in listed.stdout
    done = forked(environ, "cases", "erase", number)
    assert (done.returncode, "carried out" in done.stdout) == (0, True), done.stderr
    clock.now = datetime.now(UTC)  # as it was to the command
    assert count_held(rt, bindings.c.nkp, bindings.c.consent) == 0
    assert count_held(rt, messages.c.text) == 1  # the complaint is still to be answered
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "simulator", "2757", 9)
    assert (claim.sms.recipient, number in claim.sms.text) == (P1, True)
    answer = say(rt, P1, f"STATUS {number}")
    assert (answer.verdict.outcome, "selesai" in answer.reply.text) == ("answered", True)
    assert say(rt, P1, "SALDO").verdict.outcome == "not_registered"
    again = forked(environ, "cases", "erase", number)
    assert (again.returncode, "no open data request" in again.stderr) == (1, True)


def test_erasing_waits_for_replies_being_sent(rt: Runtime) -> None:
    say(rt, P1, "HAPUS DATA")
    with rt.writing() as tx:
        assert leases.claim(tx, "simulator", "2757", 1)
    with pytest.raises(NotErased, match="on its way"):
        retention.erase(rt, "ADU-251031-0001", OPERATOR)
    assert count_held(rt, messages.c.text) == 1


def test_erasing_withdraws_queued_replies_and_deferred_answers(rt: Runtime) -> None:
    say(rt, P1, "SALDO")
    say(with_ledger_down(rt), P1, "IURAN")
    say(rt, P1, "HAPUS DATA")
    retention.erase(rt, "ADU-251031-0001", OPERATOR)
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "simulator", "2757", 9)
        assert "ADU-251031-0001" in claim.sms.text
        assert phone_state.read(tx, P1).caller.nkps == ()
        received = select(messages.c.id).where(messages.c.state != "answered")
        assert tx.connection.execute(received).all() == []


def test_only_data_requests_can_be_erased(rt: Runtime) -> None:
    say(rt, P1, "LAPOR PT Maju belum bayar iuran")
    for number in ("ADU-251031-0001", "ADU-251031-0009", "x"):
        with pytest.raises(NotErased, match="no open data request"):
            retention.erase(rt, number, OPERATOR)


def test_a_year_of_traffic_is_deleted_in_time(rt: Runtime, clock: Clock) -> None:
    """Here a day has ten messages; `bench/retention.py` runs a million."""
    with rt.writing() as tx:
        tx.connection.execute(delete(bindings))
    for look in days(rt, clock, 10):
        while look.step():
            pass
        since = clock.now - rt.settings.retention
        assert oldest_text(rt, messages, "received_at") >= since
        assert oldest_text(rt, replies, "made_at") >= since
    assert rows_held(rt) == (3650, 3650)
    assert numbers_held(rt) <= 5
    assert say(rt, P1, f"SALDO {P1_NKP}").reply is not None
