"""A ledger of somebody else's is checked before people meet what is wrong with it."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import BigInteger, Boolean, Connection, Date, DateTime, Double, String, Text
from sqlalchemy import types as sql_types
from sqlalchemy.sql import visitors
from sqlalchemy.types import TypeEngine

from smsgw.ledger.inspection import columns, contents, masking
from smsgw.ledger.inspection.finding import Finding
from smsgw.ledger.inspection.inspection import Inspection, is_foreign, is_ours
from smsgw.ledger.statements import FOR_SEVERAL, LOOK_UPS
from smsgw.runtime import Runtime
from smsgw.storage import engines, migrations
from tests.conftest import ABSENT, KEY, create_database, on_sqlite
from tests.support import foreign_ledger, scheme_database
from tests.support.commands import forked, smsgw
from tests.support.mariadb import MariaDb
from tests.support.scheme_database import GENERATIONS
from tests.support.servers import Postgres, postgres_programs

ZONE = ZoneInfo("Asia/Jakarta")
PEOPLE = 12_000  # more than plans.LARGE
LIMIT = 2.0

# Of each generation of views: the traps, by place and words.
TRAPS = {
    "naive": (
        ("programs", "no such table"),
        ("claims", "no such table"),
        ("rates", "no such table"),
        ("contacts", "no such table"),
        ("contributions.jp", "no such column"),
        ("contributions.jkk", "no such column"),
        ("contributions.jkm", "no such column"),
        ("contributions.jkp", "no such column"),
        ("contributions", "stand in several rows, by nkp and month"),
        ("balances.as_of", "is char(6)"),
        ("balances.as_of", "cannot be read as a day: '******'"),
        ("participants.phone", "can get no SMS, such as '021-*******', '0'"),
        ("participants.status", "no known word, such as 'A', 'N'"),
        ("offices.timezone", "no known word, such as '7', '9'"),
    ),
    "typed": (
        ("participants.phone", "can get no SMS, such as '021-*******', '0'"),
        ("participants.status", "no known word, such as 'A', 'N'"),
        ("claims.stage", "no known word, such as '1', '2', '3'"),
        ("offices.timezone", "no known word, such as '7', '9'"),
        *(
            (f"look-up {name}", f"reads the whole of {table}")
            for name, table in {
                "participant": "orang",
                "participants_of": "orang",
                "balance": "saldo",
                "last_contribution": "setoran_1, setoran_2",
                "pension_months": "setoran_1, setoran_2",
                "programs": "setoran_1, setoran_2",
                "claims": "klaim",
                "participant of several": "orang",
                "balance of several": "saldo",
                "last_contribution of several": "setoran_1, setoran_2",
                "pension_months of several": "setoran_1, setoran_2",
                "programs of several": "setoran_1, setoran_2",
                "claims of several": "klaim",
            }.items()
        ),
    ),
    "right": (),
}
NOTES = {
    "naive": {
        "participants.nkp": "is bigint",
        "participants.nik": "is numeric(16, 0)",
        "participants.birth_date": "is timestamp; its day is taken",
        "participants.phone": "not E.164 and are read as a number",
    },
    "typed": {
        "participants.birth_date": "is timestamp; its day is taken",
        "participants.phone": "'0812-****-****', '6281*********', '0813******** / ************'",
    },
    "right": {},
}


@pytest.fixture(scope="module")
def scheme(worker_number: int) -> Iterator[str]:
    """Makes all generations of views; returns the owner's address."""
    url = create_database(worker_number, "scheme")
    engine = engines.engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        scheme_database.make(connection, PEOPLE)
    yield url
    engine.dispose()


@pytest.fixture
def owner(scheme: str) -> Iterator[Connection]:
    engine = engines.engine(scheme)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    engine.dispose()


def reader(scheme: str, schema: str) -> str:
    url = scheme.replace("postgres@", "scheme_reader@")
    return f"{url}&options=-csearch_path%3D{schema}"


def inspected(url: str, **options: Any) -> list[Finding]:
    engine = engines.engine(url, LIMIT)
    try:
        return list(Inspection(engine, ZONE, **options).findings())
    finally:
        engine.dispose()


def to_fix(found: Sequence[Finding]) -> list[Finding]:
    return [each for each in found if not each.is_note]


@pytest.mark.parametrize("schema", GENERATIONS)
def test_each_trap_is_named_and_nothing_else(scheme: str, schema: str) -> None:
    found = inspected(reader(scheme, schema))
    fix = to_fix(found)
    assert Counter(each.place for each in fix) == Counter(place for place, _ in TRAPS[schema])
    for place, words in TRAPS[schema]:
        assert any(each.place == place and words in each.problem for each in fix), place
    notes = {each.place: each.problem for each in found if each.is_note}
    for place, words in NOTES[schema].items():
        assert words in notes[place]
    if schema == "right":
        assert found == []


@pytest.mark.parametrize("schema", GENERATIONS)
def test_nothing_personal_is_printed(scheme: str, schema: str) -> None:
    for each in inspected(reader(scheme, schema), analyze=True):
        assert not re.search(r"\d{5}|ORANG|Orang|BUDI", f"{each.place} {each.problem}"), each


def test_analyze_takes_the_time_of_each_look_up(scheme: str) -> None:
    found = inspected(reader(scheme, "right"), analyze=True)
    assert to_fix(found) == []
    assert len(found) == 14
    assert all(re.match(r"takes [0-9.]+ ms$", each.problem) for each in found)
    slow = inspected(reader(scheme, "typed"), analyze=True)
    problems = {each.place: each.problem for each in to_fix(slow)}
    assert re.search(r"rows, and takes [0-9.]+ ms$", problems["look-up balance"])


def test_the_checked_columns_are_those_that_the_look_ups_read() -> None:
    used: dict[str, set[str]] = {table.name: set() for table in columns.ALL}
    bulk = [each._from_all for each in FOR_SEVERAL.values()]
    for statement in (*LOOK_UPS.values(), *bulk):
        for part in visitors.iterate(statement):
            table = getattr(getattr(part, "table", None), "name", None)
            if part.__visit_name__ == "column" and table in used:
                used[table].add(part.name)
    assert used == {name: set(read) for name, read in columns.READ.items()}


@pytest.mark.parametrize(
    ("grant", "revoke", "problem"),
    [
        (
            'GRANT UPDATE ON "right".participants TO scheme_reader',
            'REVOKE UPDATE ON "right".participants FROM scheme_reader',
            "may write participants",
        ),
        (
            "GRANT USAGE ON SCHEMA uang TO scheme_reader; GRANT DELETE ON uang.saldo TO"
            " scheme_reader",
            "REVOKE ALL ON SCHEMA uang FROM scheme_reader; REVOKE ALL ON uang.saldo FROM"
            " scheme_reader",
            "may write uang.saldo",
        ),
        (
            "GRANT CREATE ON SCHEMA typed TO scheme_reader",
            "REVOKE CREATE ON SCHEMA typed FROM scheme_reader",
            "may make tables in schema typed",
        ),
    ],
)
def test_a_role_that_may_write_is_found(
    scheme: str, owner: Connection, grant: str, revoke: str, problem: str
) -> None:
    owner.exec_driver_sql(grant)
    try:
        (found,) = to_fix(inspected(reader(scheme, "right")))
        assert to_fix(inspected(reader(scheme, "right"), is_ours=True)) == []
    finally:
        owner.exec_driver_sql(revoke)
    assert (found.place, problem in found.problem) == ("rights", True)
    assert "GRANT SELECT" in found.remedy


def test_a_superuser_is_found(scheme: str) -> None:
    found = to_fix(inspected(f"{scheme}&options=-csearch_path%3Dright"))
    assert [(each.place, each.problem) for each in found] == [("rights", "the role is a superuser")]


def test_a_view_that_may_not_be_read_is_said_once(scheme: str, owner: Connection) -> None:
    owner.exec_driver_sql('REVOKE SELECT ON "right".claims FROM scheme_reader')
    try:
        (found,) = to_fix(inspected(reader(scheme, "right")))
    finally:
        owner.exec_driver_sql('GRANT SELECT ON "right".claims TO scheme_reader')
    assert (found.place, "42501" in found.problem) == ("claims", True)
    assert "GRANT SELECT on it" in found.remedy


def changed(scheme: str, owner: Connection, table: str, view: str) -> list[Finding]:
    """Inspects with another view in a view's place."""
    owner.exec_driver_sql(f'ALTER VIEW "right".{table} RENAME TO kept')
    try:
        owner.exec_driver_sql(f'CREATE VIEW "right".{table} AS {view}'.replace("%", "%%"))
        owner.exec_driver_sql(f'GRANT SELECT ON "right".{table} TO scheme_reader')
        return inspected(reader(scheme, "right"))
    finally:
        owner.exec_driver_sql(f'DROP VIEW IF EXISTS "right".{table}')
        owner.exec_driver_sql(f'ALTER VIEW "right".kept RENAME TO {table}')


FOREIGN = """
CREATE EXTENSION postgres_fdw;
CREATE SERVER core FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{host}', dbname '{name}');
CREATE USER MAPPING FOR PUBLIC SERVER core OPTIONS (user 'postgres', password_required 'false');
CREATE SCHEMA far;
IMPORT FOREIGN SCHEMA uang LIMIT TO (klaim) FROM SERVER core INTO far;
GRANT USAGE ON SCHEMA far TO scheme_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA far TO scheme_reader
"""
FAR = """
SELECT nomor AS claim_no, {key} AS nkp, program, NULL AS stage, masuk AS filed_on,
  berubah AS updated_on, nilai AS amount, NULL AS note FROM far.klaim
"""


def test_a_foreign_server_must_get_the_key(scheme: str, owner: Connection) -> None:
    name, _, host = scheme.partition("@/")[2].partition("?host=")
    owner.exec_driver_sql(FOREIGN.format(host=host, name=name))
    try:
        well = changed(scheme, owner, "claims", FAR.format(key="kpj"))
        ill = changed(scheme, owner, "claims", FAR.format(key="to_char(kpj, 'FM00000000000')"))
    finally:
        owner.exec_driver_sql("DROP EXTENSION postgres_fdw CASCADE; DROP SCHEMA far CASCADE")
    assert to_fix(well) == []
    fetched = "fetches all of klaim from another server"
    assert [(each.place, each.problem) for each in to_fix(ill)] == [
        ("look-up claims", fetched),
        ("look-up claims of several", fetched),
    ]


def test_a_view_that_is_slow_takes_no_longer_than_its_limit(scheme: str, owner: Connection) -> None:
    started = time.monotonic()
    slow = 'SELECT * FROM "right".kept WHERE pg_sleep(60) IS NOT NULL'
    found = to_fix(changed(scheme, owner, "claims", slow))
    assert [each.place for each in found] == ["claims"]
    assert "longer than the time limit" in found[0].problem
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("table", "view", "place", "problem"),
    [
        (
            "participants",
            'SELECT * FROM "right".kept UNION ALL SELECT * FROM "right".kept',
            "participants",
            "stand in several rows, by nkp",
        ),
        (
            "balances",
            'SELECT * FROM "right".kept UNION ALL SELECT * FROM "right".kept',
            "balances",
            "stand in several rows, by nkp and as_of",
        ),
        ("participants", 'SELECT * FROM "right".kept WHERE false', "participants", "holds nobody"),
        ("contacts", 'SELECT * FROM "right".kept WHERE false', "contacts", "no call_centre"),
        (
            "offices",
            'SELECT n::text AS code, name, city, address, phone, hours, timezone FROM "right".kept,'
            " generate_series(1, 2500) n",
            "offices",
            "5000 rows or more",
        ),
        (
            "claims",
            "SELECT claim_no, nkp, program, stage, filed_on, updated_on, amount::money AS amount,"
            ' note FROM "right".kept',
            "claims.amount",
            "cannot be read as an amount",
        ),
        (
            "participants",
            "SELECT nkp, nik, name, NULL::date AS birth_date, phone, email, status, status_since,"
            ' status_reason, emergency_name, emergency_phone FROM "right".kept',
            "participants.birth_date",
            "nobody can register without",
        ),
    ],
)
def test_contents_that_hinder_answers_are_found(
    scheme: str, owner: Connection, table: str, view: str, place: str, problem: str
) -> None:
    found = to_fix(changed(scheme, owner, table, view))
    assert any(each.place == place and problem in each.problem for each in found), found


@pytest.mark.parametrize(
    ("place", "kind", "problem", "is_note"),
    [
        ("participants.nkp", Double(), "which cannot be an NKP", False),
        ("participants.phone", Double(), "which cannot be a phone", False),
        ("participants.nik", Boolean(), "which cannot be a NIK", False),
        ("participants.nkp", BigInteger(), "leading zeros are restored", True),
        ("participants.birth_date", BigInteger(), "which cannot be a day", False),
        ("participants.birth_date", DateTime(), "its day is taken", True),
        ("participants.birth_date", Text(), None, False),
        ("contributions.month", Text(), "is text", False),
        ("contributions.jp", String(9), "is varchar(9)", False),
        ("balances.total", Date(), "which cannot be an amount", False),
        ("balances.total", Double(), None, False),
        ("claims.note", sql_types.LargeBinary(), "is blob", False),
        ("offices.code", BigInteger(), None, False),
    ],
)
def test_types_that_cannot_be_read_are_found(
    place: str, kind: TypeEngine[Any], problem: str | None, is_note: bool
) -> None:
    table = next(each for each in columns.ALL if place.startswith(f"{each.name}."))
    there = {name: sql_types.NullType() for name in columns.READ[table.name]}
    there[place.partition(".")[2]] = kind
    found = [each for each in columns.check(table, there) if each.place == place]
    assert [(problem or "") in each.problem for each in found] == [True] * bool(problem)
    assert [each.is_note for each in found] == [is_note] * bool(problem)


@pytest.mark.parametrize(
    ("value", "shape", "beginning"),
    [
        ("0812-3456-7890", "'****-****-****'", "'0812-****-****'"),
        ("0", "'0'", "'0'"),
        ("Budi 0812", "'xxxx ****'", "'xxxx ****'"),
        ("+62 812 3456", "'+** *** ****'", "'+62 *** ****'"),
        (Decimal("6281234567890"), "'*************'", "'6281*********'"),
        (date(1990, 8, 17), "'****-**-**'", "'1990-**-**'"),
        ("x" * 40, f"'{'x' * 32}…'", f"'{'x' * 32}…'"),
    ],
)
def test_a_shape_holds_no_value(value: object, shape: str, beginning: str) -> None:
    assert masking.shape(value) == shape
    assert masking.shape(value, keeps_beginning=True) == beginning


def test_a_word_is_shown_if_it_is_a_code() -> None:
    shown = [masking.word(*each) for each in (("A", 1), ("MENINGGAL", 2), ("BUDI SANTOSO", 1))]
    assert shown == ["'A'", "'MENINGGAL'", "'xxxx xxxxxxx'"]
    assert masking.word("081234567890", 5) == "'************'"


def test_few_unreadable_values_are_a_note() -> None:
    rows = [{"phone": f"+62812000{n:05}"} for n in range(999)]
    (found,) = contents.check("participants", [*rows, {"phone": "0812****7890"}], ZONE)
    assert (found.is_note, "1 of 1000" in found.problem) == (True, True)
    (found,) = contents.check("participants", [*rows[:50], {"phone": "tidak ada"}], ZONE)
    assert not found.is_note
    day = [{"filed_on": datetime(2025, 8, 31, 17)}, {"filed_on": "31/08/2025"}]  # noqa: DTZ001
    (found,) = contents.check("claims", day, ZONE)
    assert "1 of 2 cannot be read as a day: '**/**/****'" in found.problem


def test_a_replica_that_is_behind_is_found() -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip(ABSENT)
    server = Postgres(programs, durable=True)
    try:
        engine = engines.engine(server.url)
        migrations.upgrade(engine, "ledger")
        engine.dispose()
        server.kill()
        (server._base / "data" / "standby.signal").touch()
        server.start()
        quick = to_fix(inspected(server.url, latest=timedelta(0)))
        assert any(re.fullmatch(r"it is \d+ seconds behind", each.problem) for each in quick)
        patient = to_fix(inspected(server.url, latest=timedelta(hours=1)))
        assert "replica" not in {each.place for each in patient}
    finally:
        server.stop()


def test_a_ledger_of_ours_has_nothing_to_fix(rt: Runtime) -> None:
    found = list(Inspection(rt.ledger.engine, ZONE, analyze=True, is_ours=True).findings())
    assert to_fix(found) == []
    assert len(found) == 14


@on_sqlite
def test_a_computed_key_is_found_on_sqlite(rt: Runtime) -> None:
    with rt.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE claims RENAME TO klaim")
        connection.exec_driver_sql(
            "INSERT INTO klaim (claim_no, nkp) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT"
            " i + 1 FROM n WHERE i < 12000) SELECT 'X' || i, 90000000000 + i FROM n"
        )
        connection.exec_driver_sql(
            "CREATE VIEW claims AS SELECT substr('0' || nkp, 2) AS nkp, claim_no, program, stage,"
            " filed_on, updated_on, amount, note FROM klaim"
        )
    found = to_fix(list(Inspection(rt.ledger.engine, ZONE).findings()))
    whole = "reads the whole of klaim, about 10,000 rows"
    assert [(each.place, each.problem) for each in found] == [
        ("look-up claims", whole),
        ("look-up claims of several", whole),
    ]


def test_whose_ledger_it_is(scheme: str, postgres_url: str, mariadb: MariaDb) -> None:
    def tells(url: str) -> tuple[bool, bool]:
        engine = engines.engine(url, LIMIT)
        try:
            return is_ours(engine), is_foreign(engine)
        finally:
            engine.dispose()

    assert tells(reader(scheme, "typed")) == (False, True)
    assert tells(reader(scheme, "peserta")) == (False, False)
    assert tells(mariadb.url("core", "reader")) == (False, True)
    engine = engines.engine(postgres_url)
    migrations.upgrade(engine, "ledger")
    assert tells(postgres_url) == (True, False)
    migrations.downgrade(engine, "ledger", "base")
    engine.dispose()


def test_the_views_of_the_documentation_work(postgres_url: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()
    (views,) = re.findall(r"```sql\n(CREATE SCHEMA smsgw;.*?)```", page, re.DOTALL)
    engine = engines.engine(postgres_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        foreign_ledger.make(connection)
        connection.exec_driver_sql(views.replace("%", "%%"))
        connection.exec_driver_sql("SET search_path = smsgw")
        found = [
            each
            for table in columns.ALL
            if (there := columns.of(connection, table))
            for each in columns.check(table, there)
        ]
        phones = connection.exec_driver_sql("SELECT phone FROM smsgw.participants ORDER BY nkp")
        assert phones.scalars().all()[:4] == [phone for _, phone in foreign_ledger.PHONES[:4]]
        connection.exec_driver_sql("DROP SCHEMA smsgw, core, theirs CASCADE")
    engine.dispose()
    assert to_fix(found) == []
    assert {each.place for each in found} >= {"participants.nkp", "contributions.nkp"}


def environ(database_url: str, ledger_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "LEDGER_URL": ledger_url, "SMSGW_SECRET_KEY": KEY}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_and_the_doctor(database_url: str, scheme: str) -> None:
    right, typed = (environ(database_url, reader(scheme, each)) for each in ("right", "typed"))
    done = forked(right, "ledger", "check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to fix\n", "")
    forked({"DATABASE_URL": database_url, "SMSGW_SECRET_KEY": KEY}, "migrate")
    assert "ok   participant ledger\n" in forked(right, "doctor").stdout
    done = forked(typed, "ledger", "check", "--analyze")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "17 to fix"
    assert "FIX  participants.status: " in done.stdout
    assert "note participants.phone: " in done.stdout
    told = forked(typed, "ledger", "check", "--json")
    assert told.returncode == 1
    found = json.loads(told.stdout)
    assert (len(found["findings"]), len(found["notes"]) > 0) == (17, True)
    assert found["findings"][0].keys() == {"place", "problem", "remedy", "is_note"}
    doctor = forked(typed, "doctor").stdout
    assert "FIX  participant ledger: participants.phone: " in doctor
    assert "(and 16 more: run smsgw ledger check)" in doctor


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "told"),
    [("host=/nonexistent", "connection"), ("user=nobody_such", "does not exist")],
)
def test_a_ledger_that_cannot_be_reached_is_a_finding(
    database_url: str, scheme: str, wrong: str, told: str
) -> None:
    url = f"postgresql://@/{scheme.partition('@/')[2].partition('?')[0]}?{wrong}"
    if "host" not in wrong:
        url += f"&host={scheme.partition('host=')[2]}"
    done = forked(environ(database_url, url), "ledger", "check")
    assert done.returncode == 1
    assert "FIX  connection: the ledger cannot be read" in done.stdout
    assert told in done.stdout
    assert "1 to fix" in done.stdout


def test_the_doctor_still_says_how_to_make_a_ledger(tmp_path: Any, scheme: str) -> None:
    done = forked(environ(f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"), "doctor")
    assert "run smsgw migrate --ledger, or make views over your own tables" in done.stdout


def test_mariadb_is_checked_like_any_other(mariadb: MariaDb, tmp_path: Path) -> None:
    url = mariadb.url("core", "reader")
    done = smsgw(tmp_path, "ledger", "check", "--analyze", LEDGER_URL=url)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing to fix")
    found = inspected(url, analyze=True)
    assert to_fix(found) == []
    assert {each.place for each in found} >= {"participants.nkp", "look-up claims"}
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("USE core")
        cursor.execute("CREATE TABLE many AS SELECT * FROM klaim, seq_1_to_50")
        cursor.execute("ANALYZE TABLE many")
        cursor.execute("SHOW CREATE VIEW claims")
        kept = cursor.fetchone()[1].replace("CREATE ", "CREATE OR REPLACE ", 1)
        view = kept.replace("`klaim`.`kpj` AS `nkp`", "lpad(`klaim`.`kpj`, 11, '0') AS `nkp`")
        cursor.execute(view.replace("from `klaim`", "from `many` `klaim`"))
        cursor.execute("GRANT UPDATE, DELETE ON core.orang TO reader")
        try:
            problems = {each.place: each.problem for each in to_fix(inspected(url))}
        finally:
            cursor.execute(kept)
            cursor.execute("REVOKE UPDATE, DELETE ON core.orang FROM reader")
            cursor.execute("DROP TABLE many")
    assert problems["rights"] == "the role has DELETE, UPDATE on `core`.`orang`"
    for place in ("look-up claims", "look-up claims of several"):
        assert problems.pop(place).startswith("reads the whole of klaim, about 1")
    assert problems.keys() == {"rights"}


def test_a_role_of_mariadb_that_may_not_see_plans_still_gets_times(mariadb: MariaDb) -> None:
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE USER viewer")
        for table in columns.ALL:
            cursor.execute(f"GRANT SELECT ON core.{table.name} TO viewer")
        found = inspected(mariadb.url("core", "viewer"), analyze=True)
        cursor.execute("DROP USER viewer")
    assert to_fix(found) == []
    hidden = [each for each in found if "may not see how it would run" in each.problem]
    assert len(hidden) == 14
    assert sum("takes" in each.problem for each in found) == 14
