"""Rows that were not written by us, or cannot be opened, are found, counted and in nobody's way."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Column, Executable, delete, func, select, update
from structlog.testing import capture_logs

from smsgw import runtime
from smsgw.app import create_app
from smsgw.backoffice import accounts, background_tasks
from smsgw.carriers.carrier import IncomingSms, MessagePart
from smsgw.configuration import document, versions
from smsgw.messaging import dispatch
from smsgw.operations import integrity, key_rotation, long_messages, metrics, startup
from smsgw.runtime import Runtime
from smsgw.settings import SettingsError
from smsgw.storage import failed_checks, keys, row_macs
from smsgw.storage.row_macs import Proof
from smsgw.storage.tables import sealed
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.operators import Role, TaskKind, configurations, sessions
from smsgw.storage.tables.operators import operators as people
from smsgw.storage.tables.phones import bindings, codes, freeze_counts, freezes, phones
from smsgw.storage.tables.security import Ciphertext, data_keys
from smsgw.transcripts import library
from tests.conftest import (
    P1,
    P1_NKP,
    P2,
    STRANGER,
    Clock,
)
from tests.support.accounts import add_operator
from tests.support.conversation import say
from tests.support.filled_databases import Prepared
from tests.support.metrics import told
from tests.support.registration import DAFTAR, code_in

CARRIER, SENDER_ID = "simulator", "2757"
LIVED = 2  # days
OTHER, THIRD = "+6285700000001", "+6285700000002"
OF_P1 = f"DAFTAR SALDO#3171011708900000#BUDI SANTOSO#17-08-1990#{P1_NKP}"


def live(rt: Runtime, clock: Clock) -> None:
    """Makes at least two rows of everything that is encrypted or signed."""
    for text in ("GANTI HP", OF_P1, "YA", "BANTUAN"):
        say(rt, P1, text)
    say(rt, OTHER, DAFTAR)
    say(rt, P2, "TOLAK")
    clock.moves(days=LIVED)
    say(rt, P1, "NOTIF ON")
    say(rt, OTHER, f"KODE {code_in(say(rt, OTHER, DAFTAR))}")
    for phone in (STRANGER, THIRD):
        say(rt, phone, DAFTAR)
        say(rt, phone, "GANTI HO")
    say(rt, P2, "BUKAN SAYA")
    say(rt, OTHER, "BANTUAN")
    for phone in (P1, P2):
        sms = IncomingSms("http", phone, phone, "2757", "SALDO", part=MessagePart("7", 1, 2))
        assert long_messages.receive(rt, sms) == []
    ani, budi = add_operator(rt, "ani"), add_operator(rt, "budi", Role.VIEWER)
    with rt.writing() as tx:
        for operator in (ani, budi):
            accounts.log_in(tx, operator.id, operator.name)
            library.save(tx, "a name", f"- phone: {operator.name}", operator.actor)
            made = background_tasks.make(tx, TaskKind.SEARCH, operator.id, {"words": operator.name})
            task = background_tasks.claim(tx, made)
            assert task is not None
            background_tasks.progress(tx, task, background_tasks.TaskStep(1, 2, [operator.name]))
        for word in ("Telepon", "Panggil"):
            text = document.dump_shipped().replace("Hubungi", word)
            versions.save(tx, document.loads(text), versions.editable(tx)[1], ani.actor, "a word")
            versions.publish(tx, versions.editable(tx)[1], ani.actor, "why")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, worker_number: int) -> Iterator[Prepared]:
    made = Prepared("lived", live, tmp_path_factory.mktemp("lived"), worker_number)
    yield made
    made.close()


@pytest.fixture
def lived(prepared: Prepared, environ: dict[str, str], clock: Clock) -> Iterator[Runtime]:
    """Builds a runtime on a copy of what `live` left, which takes seconds."""
    clock.moves(days=LIVED)
    with prepared.copied(environ, clock) as made:
        yield made


@pytest.fixture
def client(lived: Runtime) -> Iterator[FlaskClient]:
    with create_app(lived).test_client() as made:
        yield made


def findings(rt: Runtime) -> list[str]:
    with rt.reading(streams=True) as tx:
        since = rt.rows_since
        return list(integrity.findings(tx, keys.key_wrapper(rt.settings), since))


def sql(rt: Runtime, *statements: Executable) -> None:
    """Runs a statement as somebody who has the database and no key."""
    with rt.service.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def test_valid_rows_pass(lived: Runtime) -> None:
    assert findings(lived) == []
    with lived.reading() as tx:
        assert failed_checks.by_table(tx.connection, lived.now() - failed_checks.HOUR) == {}


SINGLE = {Ciphertext.BACKGROUND}  # its table has one row, so there is none to exchange it with


@pytest.mark.parametrize("name", [each for each in Ciphertext if each not in SINGLE])
def test_exchanged_ciphertexts_do_not_decrypt(lived: Runtime, name: Ciphertext) -> None:
    table, column = sealed.place(name)
    (key,) = table.primary_key.columns
    with lived.reading() as tx:
        rows = tx.connection.execute(sealed.values(name).where(column.is_not(None))).all()
    one, other = rows[0], rows[-1]
    sql(
        lived,
        update(table).where(key == one.key).values({column: other.sealed}),
        update(table).where(key == other.key).values({column: one.sealed}),
    )
    expected = {f"{name}: row {each.key} cannot be opened" for each in (one, other)}
    assert len(expected) == 2
    assert expected <= set(findings(lived))


CHANGED = {
    "bindings": update(bindings).values(on_file_hash=bindings.c.nkp_hash),
    "operators": update(people).values(role=Role.ADMIN),
    "sessions": update(sessions).values(operator_id=1),
    "configurations": update(configurations).values(text="keywords: {}"),
    "freezes": update(freezes).values(until=freezes.c.at),
    "freeze_counts": update(freeze_counts).values(freezes=0),
}


@pytest.mark.parametrize("table", CHANGED)
def test_a_row_that_was_changed_is_named(lived: Runtime, table: str) -> None:
    sql(lived, CHANGED[table])
    assert any(each.startswith(f"{table}: row ") for each in findings(lived))


@pytest.mark.parametrize("kind", ["freezes", "counts", "both", "codes and counts"])
def test_a_deleted_restriction_is_found(lived: Runtime, kind: str) -> None:
    deleted = {
        "freezes": [delete(freezes)],
        "counts": [delete(freeze_counts)],
        "both": [delete(freezes), delete(freeze_counts)],
        "codes and counts": [delete(freezes), delete(freeze_counts), delete(codes)],
    }
    sql(lived, *deleted[kind])
    found = " ".join(findings(lived))
    assert ("are missing" in found) == (kind != "codes and counts")
    assert ("has no count of freezes" in found) == (kind != "freezes")


def test_a_damaged_copy_of_a_key_is_reported_and_harmless(lived: Runtime) -> None:
    which = data_keys.c.copy == data_keys.c.id + 1  # of key 0 the first, of key 1 the second
    sql(lived, update(data_keys).where(which).values(wrapped=b"0" * 60))
    fresh = runtime.build(lived.settings, now=lived.now)
    assert "Rp" in say(fresh, P1, "SALDO").reply.text
    expected = [f"data_keys: copy {key + 1} of key {key} cannot be opened" for key in (0, 1)]
    assert findings(fresh) == expected
    assert 'table="data_keys"} 2.0' in metrics.text(fresh).decode()
    key_rotation.rotate(fresh, "shell:ani", lambda _: None, wait=lambda _: None)
    assert findings(fresh) == []
    fresh.close()


def test_a_process_with_keys_continues_if_the_database_loses_them(lived: Runtime) -> None:
    lived.vault.refresh()
    sql(lived, update(data_keys).values(wrapped=b"0" * 60))
    lived.vault.reload()
    assert "Rp" in say(lived, P1, "SALDO").reply.text
    fresh = runtime.build(lived.settings)
    with pytest.raises(SettingsError, match="SMSGW_SECRET_KEY"):
        startup.check_key(fresh)
    fresh.close()


def test_a_reactivated_binding_is_found(lived: Runtime) -> None:
    """The restored row passes its own check."""
    with lived.reading() as tx:
        whose = select(phones.c.id).where(phones.c.hash == tx.vault.hash(P1, "phone"))
        held = bindings.c.phone_id == whose.scalar_subquery()
        kept_row = tx.connection.execute(
            select(bindings).where(held).order_by(bindings.c.id.desc())
        )
        before = dict(kept_row.mappings().first())
    say(lived, P1, "GANTI HP")
    assert findings(lived) == []
    sql(lived, update(bindings).where(bindings.c.id == before["id"]).values(before))
    assert findings(lived) == [f"bindings: row {before['id']} is not in the audit"]


@pytest.mark.parametrize(
    ("column", "named"),
    [
        (messages.c.phone_id, "phones"),
        (replies.c.message_id, "messages"),
        (replies.c.phone_id, "phones"),
        (replies.c.binding_id, "bindings"),
    ],
)
def test_what_names_a_missing_row_is_found(lived: Runtime, column: Column[int], named: str) -> None:
    table, absent = column.table, 10**9
    with lived.writing() as tx:
        row = tx.connection.execute(select(func.max(table.c.id))).scalar_one()
        moved = update(table).where(table.c.id == row).values({column: absent})
        tx.connection.execute(moved)
    assert f"{table.name}: row {row} names a row of {named} that is missing" in findings(lived)


def test_a_value_of_the_wrong_type_is_reported(lived: Runtime) -> None:
    """SQLite takes any."""
    if lived.service.dialect.name == "sqlite":
        with lived.service.begin() as connection:
            connection.exec_driver_sql("UPDATE sessions SET made_at = 'yesterday'")
            connection.exec_driver_sql("UPDATE pages SET texts = 'text'")
            connection.exec_driver_sql("UPDATE phones SET hash = hash || '0'")
        found = findings(lived)
        assert "sessions: a row cannot be read (ValueError)" in found
        assert any(each.startswith("pages.texts: ") for each in found)
        assert any(each.startswith("phones.number: ") for each in found)


def test_a_failed_check_is_counted_once_and_forgotten_after_a_day(
    lived: Runtime, client: FlaskClient, clock: Clock
) -> None:
    sql(lived, update(bindings).values(on_file_hash=bindings.c.nkp_hash))
    for _ in range(3):
        assert say(lived, P1, "SALDO").verdict.outcome == "not_registered"
        assert 'smsgw_failed_checks{table="bindings"} 1.0' in told(client)
        clock.moves(hours=2)  # the answer has expired then, and the next one is no repeat
    clock.moves(days=1)
    assert "smsgw_failed_checks{" not in told(client)


def test_a_failure_is_logged_by_its_row_alone(lived: Runtime) -> None:
    sql(lived, update(bindings).values(on_file_hash=bindings.c.nkp_hash))
    with capture_logs() as logged:
        say(lived, P1, "SALDO")
    (line,) = [each for each in logged if each["event"] == "a row failed its check"]
    assert {"table": "bindings", "why": "not ours"}.items() <= line.items()
    assert set(line) == {"event", "log_level", "table", "row", "why"}


def states(rt: Runtime) -> list[str]:
    with rt.reading(streams=True) as tx:
        held = select(replies.c.state).order_by(replies.c.id)
        return list(tx.connection.execute(held).scalars())


@pytest.mark.parametrize(
    ("damaged", "ending"), [(failed_checks.MANY_AN_HOUR, "refused"), (25, "queued")]
)
def test_many_failures_at_once_end_nothing(
    rt: Runtime, clock: Clock, damaged: int, ending: str
) -> None:
    """With a wrong key, or after a mistake of a release, queued replies wait until they can be
    decrypted."""
    for number in range(damaged):
        say(rt, f"+62857000001{number:02}", "KONTAK")
    with rt.reading(streams=True) as tx:
        before = tx.connection.execute(select(replies.c.id, replies.c.text)).all()
    sql(rt, update(replies).values(text=b"\1" + b"0" * 60))
    dispatch.drain(rt, CARRIER, SENDER_ID)
    assert states(rt).count(ending) >= damaged - failed_checks.MANY_AN_HOUR
    assert states(rt)[-1] == ending
    say(rt, P1, "SALDO")
    dispatch.drain(rt, CARRIER, SENDER_ID)
    assert states(rt)[-1] == "sent"
    for row in before:
        sql(rt, update(replies).where(replies.c.id == row.id).values(text=row.text))
    clock.moves(minutes=6)
    dispatch.drain(rt, CARRIER, SENDER_ID)
    assert states(rt)[-2] == ("sent" if ending == "queued" else "refused")


def test_a_mac_of_another_version_is_read_before_it_is_written(rt: Runtime) -> None:
    """Two releases run side by side."""
    row = {"id": 7, "name": "ani", "role": "viewer"}
    before = Proof("operators", {1: ("id", "name")})
    between = Proof("operators", {1: ("id", "name"), 2: ("id", "name", "role")}, written=1)
    after = replace(between, written=2)
    made = {each.written: each.make(rt.vault, row) for each in (before, between, after)}
    assert [mac[0] for mac in made.values()] == [1, 2]
    assert before.make(rt.vault, row) == between.make(rt.vault, row)
    for proof in (between, after):
        assert all(proof.holds(rt.vault, mac, row) for mac in made.values())
    assert not before.holds(rt.vault, made[2], row)
    assert not after.holds(rt.vault, made[2], row | {"role": "admin"})
    assert not after.holds(rt.vault, b"\1" + made[2][1:], row)
    assert not any(after.holds(rt.vault, mac, row) for mac in (None, b"", b"\3", made[1][:-1]))


def test_a_mac_is_valid_in_its_own_table_only(rt: Runtime) -> None:
    row = {"id": 7}
    mac = Proof("freezes", {1: ("id",)}).make(rt.vault, row)
    assert not Proof("bindings", {1: ("id",)}).holds(rt.vault, mac, row)
    assert all(
        proof.written in proof.versions
        for proof in vars(row_macs).values()
        if isinstance(proof, Proof)
    )
