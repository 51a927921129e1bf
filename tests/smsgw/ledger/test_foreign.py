"""A foreign ledger is read whatever its formats, and its formats end no binding."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Connection, event, func, select
from structlog.testing import capture_logs

from smsgw.app import create_app
from smsgw.carriers.simulator import Simulator
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import dispatch, leases
from smsgw.messaging.answer import Answer
from smsgw.operations import jobs
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.phones import bindings, phones
from tests.conftest import Clock
from tests.support import foreign_ledger
from tests.support.conversation import say
from tests.support.foreign_ledger import PHONES, daftar, make, nik, nkp, put_phone
from tests.support.metrics import told

LIMIT = 10.0  # seconds, which no look-up takes; SLOW says that one has taken them
STRANGER = "+6285600000028"
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
WITH_PHONE = [index for index, (_, phone) in enumerate(PHONES) if phone]
WITHOUT = [index for index, (_, phone) in enumerate(PHONES) if not phone]

Change = Callable[[str], None]


@pytest.fixture
def owner(rt: Runtime) -> Iterator[Connection]:
    """Returns whose ledger it is."""
    with rt.service.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        make(connection)
        yield connection
        connection.exec_driver_sql("DROP SCHEMA core CASCADE; DROP SCHEMA theirs CASCADE")


@pytest.fixture
def theirs(rt: Runtime, owner: Connection, database_url: str) -> Iterator[Runtime]:
    engine = engines.engine(foreign_ledger.address(database_url, "theirs"), limit=LIMIT)
    zone, failures = rt.settings.zone, rt.ledger.failures
    yield replace(rt, ledger=SqlLedger(engine, zone=zone, failures=failures))
    engine.dispose()


def own(index: int) -> str:
    phone = PHONES[index][1]
    assert phone is not None
    return phone


def bind(rt: Runtime, *indexes: int) -> None:
    for index in indexes:
        assert say(rt, own(index), f"SALDO {nkp(index)}").verdict.outcome == "confirm"
        assert say(rt, own(index), "YA").verdict.outcome == "answered"


def bound(rt: Runtime) -> int:
    """Returns how many of these participants are bound."""
    with rt.reading() as tx:
        open_ = select(func.count()).where(bindings.c.ended_at.is_(None))
        return tx.connection.execute(open_).scalar_one() - 1  # P1 of every test


def outcomes(answers: list[Answer]) -> set[str]:
    return {answer.verdict.outcome for answer in answers}


@pytest.mark.parametrize("index", WITH_PHONE)
def test_a_phone_on_file_is_recognised_in_any_format(theirs: Runtime, index: int) -> None:
    assert say(theirs, own(index), f"SALDO {nik(index)}").verdict.outcome == "confirm"
    answer = say(theirs, own(index), "YA")
    assert answer.reply is not None
    assert "Rp1.200.000" in answer.reply.text
    assert "01-09-2025" in answer.reply.text
    assert say(theirs, own(index), daftar(index)).verdict.outcome == "answered"


def test_foreign_column_types_are_read(theirs: Runtime) -> None:
    ledger = theirs.ledger
    person = ledger.participant(nkp(0))
    assert person is not None
    assert (person.nkp, person.nik, person.phone) == (nkp(0), nik(0), own(0))
    assert (str(person.birth_date), person.status) == ("1990-08-17", None)
    assert [each.nkp for each in ledger.participants_of(nik(0))] == [nkp(0)]
    assert str(ledger.last_contribution(nkp(0))) == "2025-12-01"
    assert (ledger.paid_in(nkp(0), 2025).months, ledger.paid_in(nkp(0), 2025).jht) == (2, 250000)
    assert ledger.paid_in(nkp(0), 2024).jht == Decimal(9)
    assert [claim.stage for claim in ledger.claims(nkp(0))] == [None]
    assert [office.timezone for office in ledger.offices()] == [None]
    assert ledger.contact("call_centre").value == "175"


def test_a_nik_kept_as_floating_point_finds_no_neighbour(
    theirs: Runtime, owner: Connection
) -> None:
    first = 9401012304900011
    owner.exec_driver_sql(
        f"UPDATE core.peserta SET no_ktp = {first} + nomor_kpj - {foreign_ledger.FIRST};"
        "ALTER TABLE core.peserta RENAME no_ktp TO exact;"
        "ALTER TABLE core.peserta ADD no_ktp double precision;"
        "UPDATE core.peserta SET no_ktp = exact;"
        "CREATE OR REPLACE VIEW theirs.pairs AS SELECT count(*) FROM core.peserta GROUP BY no_ktp;"
        "ALTER VIEW theirs.participants RENAME TO kept;"
        "CREATE VIEW theirs.participants AS SELECT p.nomor_kpj AS nkp, p.no_ktp AS nik, name,"
        " birth_date, phone, email, status, status_since, status_reason, emergency_name,"
        " emergency_phone FROM theirs.kept JOIN core.peserta p ON p.nomor_kpj = kept.nkp"
    )
    assert owner.exec_driver_sql("SELECT max(count) FROM theirs.pairs").scalar_one() > 1
    for index in range(len(PHONES)):
        found = theirs.ledger.participants_of(str(first + index))
        assert {each.nik for each in found} <= {str(first + index)}


@pytest.mark.parametrize("index", range(len(PHONES)))
def test_codes_are_sent_only_to_valid_phones(theirs: Runtime, index: int) -> None:
    answer = say(theirs, STRANGER, daftar(index))
    assert answer.verdict.outcome == "pending"
    phone = PHONES[index][1]
    assert [each.recipient for each in answer.also] == ([phone] if phone else [])


@pytest.mark.parametrize("index", WITH_PHONE)
@pytest.mark.parametrize("text", ["BUKAN SAYA", "TOLAK"])
def test_bukan_saya_holds_however_the_ledger_writes_it(
    theirs: Runtime, index: int, text: str
) -> None:
    (code,) = say(theirs, STRANGER, daftar(index)).also
    typed = re.search(r"KODE \w+", code.text)
    assert typed is not None
    say(theirs, own(index), text)
    assert say(theirs, STRANGER, typed[0]).verdict.outcome == "invalid"
    assert say(theirs, STRANGER, daftar(index)).also == ()
    assert bound(theirs) == 0


def test_bukan_saya_ends_what_the_code_had_bound(theirs: Runtime) -> None:
    (code,) = say(theirs, STRANGER, daftar(2)).also
    typed = re.search(r"KODE \w+", code.text)
    assert typed is not None
    answer = say(theirs, STRANGER, typed[0])
    assert [each.recipient for each in answer.also] == [own(2)]
    say(theirs, own(2), "BUKAN SAYA")
    assert bound(theirs) == 0


def test_a_ledger_whose_phones_all_become_null_ends_no_binding(
    theirs: Runtime, owner: Connection
) -> None:
    bind(theirs, *WITH_PHONE)
    owner.exec_driver_sql("CREATE TABLE core.kept AS TABLE core.peserta")
    for broken in (
        "UPDATE core.peserta SET no_hp = NULL",
        "UPDATE core.peserta SET no_hp = ''",
        "UPDATE core.peserta SET no_hp = '0'",
        "UPDATE core.peserta SET no_hp = '021-5550001'",
        "UPDATE core.peserta SET no_hp = 'x' || no_hp || 'E+12'",
        "UPDATE core.peserta SET no_hp = left(no_hp, 6) || '******'",
        "DELETE FROM core.peserta",
    ):
        owner.exec_driver_sql(broken)
        for word in ("SALDO", "DATA"):
            answers = [say(theirs, own(index), word) for index in WITH_PHONE]
            assert outcomes(answers) <= {"locked", "silent"}, broken
        assert bound(theirs) == len(WITH_PHONE), broken
        owner.exec_driver_sql("DELETE FROM core.peserta; INSERT INTO core.peserta TABLE core.kept")
    theirs.redis.flushdb()
    answers = [say(theirs, own(index), "STATUS") for index in WITH_PHONE]
    assert outcomes(answers) == {"answered"}


@pytest.mark.parametrize("second", ["081299999999", None, "0"])
def test_conflicting_rows_end_no_binding(
    theirs: Runtime, owner: Connection, second: str | None
) -> None:
    bind(theirs, 0)
    owner.exec_driver_sql(
        "INSERT INTO core.peserta SELECT nomor_kpj, no_ktp, nama, tgl_lahir, %(hp)s, sts, tgl_sts,"
        " hp_darurat FROM core.peserta WHERE nomor_kpj = %(key)s",
        {"hp": second, "key": foreign_ledger.FIRST},
    )
    for text in ("SALDO", f"SALDO {nkp(0)}", f"SALDO {nik(0)}"):
        assert say(theirs, own(0), text).verdict.outcome == "locked"
    assert say(theirs, STRANGER, daftar(0)).also == ()
    assert bound(theirs) == 1


def test_equal_rows_of_a_person_count_as_one(theirs: Runtime, owner: Connection) -> None:
    owner.exec_driver_sql("INSERT INTO core.peserta TABLE core.peserta")
    put_phone(owner, 0, PHONES[0][1])
    bind(theirs, 0)
    assert say(theirs, own(0), f"SALDO {nik(0)}").verdict.outcome == "answered"


@pytest.mark.parametrize("typed", ["081200010000", "62 812 0001 0000", "+6281200010000 / 0857"])
def test_a_reformatted_number_ends_no_binding(
    theirs: Runtime, owner: Connection, typed: str
) -> None:
    bind(theirs, 0)
    put_phone(owner, 0, typed)
    assert say(theirs, own(0), "SALDO").verdict.outcome == "answered"


def test_a_changed_number_ends_a_binding_but_mass_changes_end_none(
    theirs: Runtime, owner: Connection, clock: Clock
) -> None:
    few = replace(theirs, settings=theirs.settings.model_copy(update={"lapses_an_hour": 2}))
    bind(few, *WITH_PHONE)
    owner.exec_driver_sql("UPDATE core.peserta SET no_hp = '0819' || right(nomor_kpj::text, 8)")
    with capture_logs() as logged:
        answers = [say(few, own(index), "SALDO") for index in WITH_PHONE]
    outcomes = [answer.verdict.outcome for answer in answers]
    assert outcomes == ["not_registered"] * 2 + ["locked"] * (len(WITH_PHONE) - 2)
    assert not any("Rp" in answer.reply.text for answer in answers if answer.reply)
    assert bound(few) == len(WITH_PHONE) - 2
    assert "numbers on file changed for too many: bindings stay" in {it["event"] for it in logged}
    with create_app(few).test_client() as client:
        figures = told(client)
    assert "smsgw_numbers_changed 2.0" in figures
    assert "smsgw_numbers_changed_limit 2.0" in figures
    assert f"smsgw_numbers_unclear {len(WITH_PHONE) - 2}.0" in figures
    dispatch.drain(few, "simulator", "2757")  # while an answer waits, the same text is a repeat
    clock.moves(minutes=61)
    assert say(few, own(WITH_PHONE[-1]), "SALDO").verdict.outcome == "not_registered"
    assert bound(few) == len(WITH_PHONE) - 3


def test_a_reply_waits_while_the_number_on_file_is_unclear(
    theirs: Runtime, owner: Connection, clock: Clock
) -> None:
    bind(theirs, 0)
    put_phone(owner, 0, None)
    dispatch.drain(theirs, "simulator", "2757")

    def states() -> dict[str, int]:
        with theirs.reading() as tx:
            by = select(replies.c.state, func.count()).group_by(replies.c.state)
            return dict(tx.connection.execute(by).all())

    assert states() == {"sent": 1, "queued": 1}
    put_phone(owner, 0, PHONES[0][0])
    clock.moves(minutes=1)
    dispatch.drain(theirs, "simulator", "2757")
    assert states() == {"sent": 2}


@pytest.mark.parametrize("number", ["0", "081200010000", "08130 / 08570", "2757", "+0812", ""])
def test_nothing_is_sent_to_an_invalid_number(theirs: Runtime, number: str) -> None:
    bind(theirs, 0)
    with theirs.writing() as tx:
        whose = select(phones.c.hash, phones.c.id).order_by(phones.c.id.desc()).limit(1)
        row = tx.connection.execute(whose).one()
        sealed = tx.vault.encrypt(number, phone_state.Ciphertext.PHONE, row.hash)
        changed = phones.update().where(phones.c.id == row.id).values(number=sealed)
        tx.connection.execute(changed)
    with theirs.writing() as tx:
        assert leases.claim(tx, Simulator.name, "2757", 10) == []
    with theirs.reading() as tx:
        ended = select(replies.c.state, replies.c.code).distinct()
        assert tx.connection.execute(ended).all() == [("refused", "no phone")]


# It fails as a statement does that a server ends at its limit, without the wait.
SLOW = """
CREATE OR REPLACE FUNCTION core.is_over() RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN RAISE SQLSTATE '57014'; END $$;
DROP VIEW theirs.contributions;
CREATE VIEW theirs.contributions AS SELECT kpj AS nkp, bulan AS month, nominal AS jht,
  nominal AS jp, nominal AS jkk, nominal AS jkm, nominal AS jkp FROM core.iuran
  WHERE {which} OR core.is_over()
"""
WELL = SLOW.format(which="true")


def test_a_slow_look_up_delays_no_other_keyword(
    theirs: Runtime, owner: Connection, clock: Clock
) -> None:
    now = [0.0]
    theirs = replace(theirs, ledger=SqlLedger(theirs.ledger.engine, lambda: now[0]))
    bind(theirs, *WITH_PHONE)
    clock.moves(minutes=2)
    owner.exec_driver_sql(SLOW.format(which="false"))
    waits: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        waits.extend(["one"] * ("contributions" in statement))

    event.listen(theirs.ledger.engine, "before_cursor_execute", note)
    assert say(theirs, own(0), "IURAN 2025").verdict.outcome == "unavailable"
    assert len(waits) == 1
    for index in WITH_PHONE:
        for word in ("STATUS", "KLAIM", "DATA"):
            assert say(theirs, own(index), word).verdict.outcome == "answered", word
    assert len(waits) == 1
    for index in (1, 2):  # after two, nobody waits
        assert say(theirs, own(index), "IURAN 2025").verdict.outcome == "unavailable"
        assert len(waits) == 2
    owner.exec_driver_sql(WELL)
    now[0] += 4
    assert len(jobs.give_deferred_answers(theirs)) == 3


def test_a_slow_row_delays_no_other_answer(
    theirs: Runtime, owner: Connection, clock: Clock
) -> None:
    now = [0.0]
    theirs = replace(theirs, ledger=SqlLedger(theirs.ledger.engine, lambda: now[0]))
    bind(theirs, *WITH_PHONE)
    clock.moves(minutes=2)
    owner.exec_driver_sql(SLOW.format(which="false"))
    for index in WITH_PHONE:
        assert say(theirs, own(index), "IURAN 2025").verdict.outcome == "unavailable"
    assert say(theirs, own(1), "SALDO").verdict.outcome == "unavailable"  # its last month
    one = foreign_ledger.FIRST + WITH_PHONE[0]
    owner.exec_driver_sql(SLOW.format(which=f"kpj <> {one}"))
    answered = []
    for _ in range(2):  # as often as the clock looks
        now[0] += 5
        clock.moves(seconds=5)
        answered += [each.verdict.keyword for each in jobs.give_deferred_answers(theirs)]
    assert sorted(answered) == ["iuran"] * (len(WITH_PHONE) - 1) + ["saldo"]
    owner.exec_driver_sql(WELL)
    now[0] += 31
    clock.moves(seconds=31)
    assert len(jobs.give_deferred_answers(theirs)) == 1


REFUSALS = {
    "column": ("ALTER VIEW theirs.balances RENAME COLUMN total TO amount", "42703"),
    "table": ("DROP VIEW theirs.balances", "42P01"),
    "type": (
        "CREATE OR REPLACE VIEW theirs.balances AS SELECT kpj AS nkp, to_date(periode, 'X') AS"
        " as_of, iuran AS contributions, hasil AS returns, saldo AS total FROM core.saldo"
        " WHERE (periode || 'x')::int > 0 OR kpj = 0",
        "22P02",
    ),
    "key": (
        "DROP VIEW theirs.balances; CREATE VIEW theirs.balances AS SELECT periode::date AS nkp,"
        " periode AS as_of, iuran AS contributions, hasil AS returns, saldo AS total"
        " FROM core.saldo",
        "22",
    ),
    "function": (
        "CREATE OR REPLACE FUNCTION core.broken() RETURNS int LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'for 081234567890'; END $$;"
        "DROP VIEW theirs.balances; CREATE VIEW theirs.balances AS SELECT kpj AS nkp, periode AS"
        " as_of, iuran AS contributions, hasil AS returns, saldo AS total"
        " FROM core.saldo WHERE core.broken() = 1",
        "P0001",
    ),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusing_ledger_differs_from_an_unavailable_one(
    theirs: Runtime, owner: Connection, clock: Clock, kind: str
) -> None:
    bind(theirs, 0)
    with create_app(theirs).test_client() as client:
        assert client.get("/readyz").json["parts"]["ledger"] is True
        statement, code = REFUSALS[kind]
        owner.exec_driver_sql(statement)
        with capture_logs() as logged:
            assert say(theirs, own(0), "SALDO").verdict.outcome == "unavailable"
            assert say(theirs, own(0), "STATUS").verdict.outcome == "answered"
        (line,) = [each for each in logged if each["event"] == "the ledger did not answer"]
        assert (line["look_up"], line["kind"]) == ("balance", "refused")
        assert line["code"].startswith(code)
        assert nkp(0) not in str(line)
        assert "0812" not in str(line)
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json["parts"]["ledger"]) == (200, False)
        (fault,) = ready.json["faults"]["ledger"]
        assert fault.startswith("balance: refused (")
        figures = told(client)
        refused = 'smsgw_ledger_failures_total{kind="refused",look_up="balance"} '
        assert float(figures.split(refused)[1].split("\n")[0]) >= 1
        assert 'smsgw_ledger_failures_total{kind="away",look_up="balance"} 0.0' in figures


def test_a_refused_look_up_is_found_before_anybody_asks(theirs: Runtime, owner: Connection) -> None:
    owner.exec_driver_sql("DROP VIEW theirs.claims")
    (fault,) = theirs.ledger.check()
    assert str(fault).startswith("claims: refused (UndefinedTable 42P01): relation")
