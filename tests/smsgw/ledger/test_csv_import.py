import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, Table, func, select

from smsgw import phone
from smsgw.ledger import optional_views
from smsgw.ledger.csv_format import FILES
from smsgw.ledger.csv_import import LoadError, load, reference_folder
from smsgw.ledger.demo import prepare, shift_months
from smsgw.ledger.optional_views import OfficeOf
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.ledger.statements import (
    BALANCE,
    CLAIMS,
    LAST_CONTRIBUTION,
    PAID_IN,
    PARTICIPANT,
    PARTICIPANTS_OF,
    PENSION_MONTHS,
    PROGRAMS,
)
from smsgw.ledger.synthetic import NumbersTaken, make
from smsgw.storage import engines, migrations
from smsgw.storage.tables import ledger as tables

HEADER = (
    "nkp,nik,name,birth_date,phone,email,category,status,status_since,status_reason,"
    "employer,emergency_name,emergency_phone"
)
ROW = "19012345678,3171011708900000,Budi,1990-08-17,+6281234567890,,PU,AKTIF,2015-03-01,,,,"


@pytest.fixture
def engine(database_url: str) -> Engine:
    made = engines.engine(database_url)
    migrations.upgrade(made, "ledger")
    yield made
    made.dispose()


def folder(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    (tmp_path / "participants.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8-sig")
    return tmp_path


def rows(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_the_reference_ledger_is_loaded_and_looked_up(engine: Engine) -> None:
    assert load(engine, reference_folder())["participants"].rows == 11
    ledger = SqlLedger(engine)
    participant = ledger.participant("19012345678")
    assert participant is not None
    assert (participant.phone, participant.birth_date) == ("+6281234567890", date(1990, 8, 17))
    balance = ledger.balance("19012345678", date.max)
    assert balance is not None
    assert (balance.as_of, balance.total) == (date(2025, 9, 30), Decimal(123456789))
    assert ledger.last_contribution("19012345678") == date(2025, 9, 1)
    assert ledger.contact("call_centre").value == "175"
    assert ledger.participant("99999999999") is None
    assert ledger.balance("25000000012", date.max) is None
    assert ledger.last_contribution("25000000012") is None


def test_loading_again_changes_what_changed_and_keeps_the_rest(
    engine: Engine, tmp_path: Path
) -> None:
    load(engine, reference_folder())
    load(engine, folder(tmp_path, ROW.replace("+6281234567890", "")))
    assert rows(engine, tables.participants) == 11
    participant = SqlLedger(engine).participant("19012345678")
    assert participant is not None
    assert participant.phone is None


def test_replace_deletes_what_the_file_no_longer_holds(engine: Engine, tmp_path: Path) -> None:
    load(engine, reference_folder())
    load(engine, folder(tmp_path, ROW), replace=True)
    assert rows(engine, tables.participants) == 1
    assert rows(engine, tables.balances) == 9


@pytest.mark.parametrize("replace", [True, False])
def test_readers_see_all_old_or_all_new_rows(engine: Engine, tmp_path: Path, replace: bool) -> None:
    def rows_of(first: int) -> list[str]:
        return [ROW.replace("19012345678", f"{first}{number:09}") for number in range(1_500)]

    load(engine, folder(tmp_path, *rows_of(11)))
    reading = engine.execution_options(read_only=True)
    query = select(func.min(tables.participants.c.nkp), func.count())
    seen = set()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, engine, folder(tmp_path, *rows_of(12)), replace=replace)
        while not loading.done():
            with reading.connect() as connection:
                seen.add(tuple(connection.execute(query).one()))
        loading.result()
    with reading.connect() as connection:
        after = tuple(connection.execute(query).one())
    assert after == (("12000000000", 1_500) if replace else ("11000000000", 3_000))
    assert ("11000000000", 1_500) in seen
    assert seen <= {("11000000000", 1_500), after}


def test_a_second_import_is_refused(engine: Engine, tmp_path: Path) -> None:
    """SQLite has one writer, which is the other import."""
    if engine.dialect.name == "sqlite":
        soon = engines.engine(str(engine.url), 0.5)
        with engine.begin() as other:
            other.execute(tables.participants.insert(), [{"nkp": "20098765432"}])
            with pytest.raises(LoadError, match="another one writes it"):
                load(soon, folder(tmp_path, ROW))
        soon.dispose()
    assert load(engine, folder(tmp_path, ROW))["participants"].rows == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW.replace("19012345678", "1901234567"), "3: nkp has 10 digits, 11 are needed"),
        (ROW.replace("3171011708900000", "31710117089A"), "3: nik needs 16 digits"),
        (ROW.replace("1990-08-17", "17-08-1990"), "3: birth_date must be a date"),
        (ROW.replace("+6281234567890", "0812"), "3: phone must be a phone number"),
        (ROW.replace("AKTIF", "AKTIP"), "3: status is none of AKTIF, TIDAK AKTIF"),
        (ROW.replace("19012345678", ""), "3: nkp is empty"),
        (ROW + ",", "3: has not 13 fields"),
        (ROW.replace("Budi", "B" * 501), "3: name has 501 characters"),
        (ROW.replace("19012345678", "20098765432"), "3: has the same nkp as line 2"),
    ],
)
def test_one_bad_row_stops_the_import_and_is_named(
    engine: Engine, tmp_path: Path, row: str, message: str
) -> None:
    load(engine, reference_folder())
    good = ROW.replace("19012345678", "20098765432").replace("Budi", "Changed")
    with pytest.raises(LoadError, match=f"participants.csv:{message}"):
        load(engine, folder(tmp_path, good, row, good.replace("2009", "3009")))
    with engine.connect() as connection:
        names = connection.execute(select(tables.participants.c.name)).scalars().all()
    assert "Changed" not in names
    assert len(names) == 11


def test_values_that_do_not_fit_a_column_are_named(engine: Engine, tmp_path: Path) -> None:
    head = "code,name,city,address,phone,hours,timezone"
    for row, expected in [
        ("JAKARTA-PUSAT-0001,,,,,,", "2: code has 18 characters, 10 at most"),
        ("JKT01,Jak\0,,,,,", "2: "),
    ]:
        (tmp_path / "offices.csv").write_text(f"{head}\n{row}\n")
        with pytest.raises(LoadError, match=f"offices.csv:{expected}"):
            load(engine, tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1901234567,J01", "3: nkp has 10 digits, 11 are needed"),
        (",J01", "3: nkp is empty"),
        ("20098765432,JAKARTA-PUSAT", "3: office has 13 characters, 10 at most"),
        ("20098765432", "3: has not 2 fields"),
        ("19012345678,P01", "3: has the same nkp as line 2"),
    ],
)
def test_a_bad_row_of_whose_office_is_which_is_named(
    engine: Engine, tmp_path: Path, row: str, message: str
) -> None:
    lines = ["nkp,office", "19012345678,J01", row, ""]
    (tmp_path / "participant_offices.csv").write_text("\n".join(lines))
    with pytest.raises(LoadError, match=f"participant_offices.csv:{message}"):
        load(engine, tmp_path)


def test_whose_office_is_which_is_loaded_and_replaced(engine: Engine, tmp_path: Path) -> None:
    load(engine, reference_folder())
    ledger, nkps = SqlLedger(engine), ["19012345678", "20098765432"]
    assert optional_views.offices_of(ledger, nkps) == {}
    file = tmp_path / "participant_offices.csv"
    file.write_text("nkp,office\n19012345678,JAP01\n20098765432,\n18000000000,JAP01\n")
    load(engine, tmp_path)
    assert optional_views.offices_of(ledger, nkps) == {"19012345678": OfficeOf("JAP01", "WIT")}
    file.write_text("nkp,office\n20098765432,NOWHERE\n")
    load(engine, tmp_path, replace=True)
    assert optional_views.offices_of(ledger, nkps) == {"20098765432": OfficeOf("NOWHERE", None)}


def test_the_documentation_names_the_columns_of_each_file() -> None:
    page = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) ?\|$", page, re.MULTILINE)
    files = {name: (key, more) for name, key, more in rows}
    for name, file in FILES.items():
        key, more = files[name]
        assert all(f"`{column}`" in key for column in file.key), name
        untold = {each for each in file.kinds if f"`{name}.{each}`" not in page}
        assert all(f"`{each}`" in key + more for each in untold), name


def test_every_bad_row_is_named_up_to_a_hundred(engine: Engine, tmp_path: Path) -> None:
    bad = [ROW.replace("19012345678", f"1{number}") for number in range(130)]
    with pytest.raises(LoadError) as raised:
        load(engine, folder(tmp_path, *bad))
    lines = str(raised.value).splitlines()
    assert len(lines) == 101
    assert lines[-1] == "and 30 more"


def test_a_folder_without_ledger_files_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="holds none of"):
        load(engine, tmp_path)
    with pytest.raises(LoadError, match=":1: the columns must be nkp,nik"):
        load(engine, folder(tmp_path, header="nkp,name"))
    row = ROW.encode().replace(b"Budi", b"Bud\xff")
    (tmp_path / "participants.csv").write_bytes(HEADER.encode() + b"\n" + row)
    with pytest.raises(LoadError, match=":2: name is not UTF-8"):
        load(engine, tmp_path)


def test_a_ledger_without_tables_is_reported(database_url: str, tmp_path: Path) -> None:
    engine = engines.engine(database_url)
    with pytest.raises(LoadError, match="smsgw migrate"):
        load(engine, folder(tmp_path, ROW))
    engine.dispose()


def test_synthetic_participants_are_repeatable_and_cannot_be_texted(engine: Engine) -> None:
    load(engine, reference_folder())
    for _ in range(2):
        make(engine, 2_500)
    assert rows(engine, tables.participants) == 2_511
    assert rows(engine, tables.balances) == 2_509
    made = SqlLedger(engine).participant("90000002499")
    assert made is not None
    assert made.phone is not None
    assert phone.is_fictitious(made.phone)
    assert (made.nik or "")[-4:] == "0000"
    assert len(made.nik or "") == 16


def test_synthetic_participants_do_not_touch_real_ones(engine: Engine, tmp_path: Path) -> None:
    load(engine, folder(tmp_path, ROW.replace("19012345678", "90000000001")))
    make(engine, 1)
    assert rows(engine, tables.participants) == 2
    with pytest.raises(NumbersTaken):
        make(engine, 2)
    assert rows(engine, tables.participants) == 2


LOOK_UPS = (
    PARTICIPANT,
    PARTICIPANTS_OF,
    BALANCE,
    LAST_CONTRIBUTION,
    PAID_IN,
    PENSION_MONTHS,
    PROGRAMS,
    CLAIMS,
)
GIVEN = {
    "nkp": "90000000001",
    "nik": "3171011708900000",
    "first": "2025-01-01",
    "next": "2026-01-01",
}


def test_look_ups_never_scan(engine: Engine) -> None:
    make(engine, 3_000)
    on_postgres = engine.dialect.name == "postgresql"
    explain = "EXPLAIN" if on_postgres else "EXPLAIN QUERY PLAN"
    style = type(engine.dialect)(paramstyle="pyformat" if on_postgres else "named")
    with engine.connect() as connection:
        if on_postgres:
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement in LOOK_UPS:
            compiled = statement.compile(dialect=style)
            given = {name: GIVEN.get(name, value) for name, value in compiled.params.items()}
            plan = " ".join(
                str(row) for row in connection.exec_driver_sql(f"{explain} {compiled}", given)
            )
            assert "Seq Scan" not in plan
            assert "SCAN" not in plan
            assert "Index" in plan or "SEARCH" in plan


def test_the_demo_is_loaded_once_and_is_of_this_month(engine: Engine) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert prepare(engine, now)
    assert not prepare(engine, now)
    ledger = SqlLedger(engine)
    balance = ledger.balance("19012345678", date.max)
    assert balance is not None
    assert balance.as_of == date(2026, 10, 31)
    assert ledger.last_contribution("19012345678") == date(2026, 10, 1)
    participant = ledger.participant("19012345678")
    assert participant is not None
    assert participant.birth_date == date(1990, 8, 17)
    assert rows(engine, tables.contributions) == 180


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2025, 9, 30), 13, date(2026, 10, 31)),
        (date(2025, 1, 30), 1, date(2025, 2, 28)),
        (date(2025, 12, 15), 1, date(2026, 1, 15)),
        (date(2025, 3, 10), -3, date(2024, 12, 10)),
    ],
)
def test_dates_move_by_whole_months(day: date, months: int, expected: date) -> None:
    assert shift_months(day, months) == expected


def test_contacts_are_kept_a_minute_and_outlive_the_ledger(engine: Engine) -> None:
    load(engine, reference_folder())
    now = [0.0]
    ledger = SqlLedger(engine, clock=lambda: now[0])
    assert ledger.contact("call_centre").value == "175"
    with engine.begin() as connection:
        connection.execute(tables.contacts.update().values(value="176"))
    assert ledger.contact("call_centre").value == "175"
    now[0] = 61.0
    assert ledger.contact("call_centre").value == "176"
    migrations.downgrade(engine, "ledger", "base")
    now[0] = 200.0
    assert ledger.contact("call_centre").value == "176"


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace(",", ", "),
        lambda text: "sep=,\n" + text,
        lambda text: "sep=;\r\n" + text.replace(",", ";"),
        lambda text: "\ufeff" + text,
    ],
)
def test_a_file_is_read_as_spreadsheets_write_it(
    engine: Engine, tmp_path: Path, written: Callable[[str], str]
) -> None:
    path = folder(tmp_path, ROW) / "participants.csv"
    path.write_text(written(path.read_text("utf-8-sig")), "utf-8", newline="")
    assert load(engine, tmp_path)["participants"].rows == 1


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("nkp,nik\n".encode("utf-16"), ":1: this is UTF-16; save it as UTF-8"),
        (b"nomor|nama\n", ":1: the columns must be nkp,nik,.*; found nomor|nama"),
        (b"sep=;\nnkp;nama\n", ":2: the columns must be nkp,nik,.*; found nkp,nama"),
        (b"", ":1: the columns must be nkp,nik,.*; it is empty"),
    ],
)
def test_a_wrong_heading_is_reported(
    engine: Engine, tmp_path: Path, octets: bytes, message: str
) -> None:
    (tmp_path / "participants.csv").write_bytes(octets)
    with pytest.raises(LoadError, match=message):
        load(engine, tmp_path)


def test_line_numbers_are_right_after_a_separator_line(engine: Engine, tmp_path: Path) -> None:
    path = folder(tmp_path, ROW, ROW.replace("19012345678", "1")) / "participants.csv"
    path.write_text("sep=,\n" + path.read_text("utf-8-sig"), "utf-8")
    with pytest.raises(LoadError, match=r"participants\.csv:4: "):
        load(engine, tmp_path)


def test_a_future_balance_does_not_hide_the_current_one(engine: Engine) -> None:
    load(engine, reference_folder())
    ledger = SqlLedger(engine)
    with engine.begin() as connection:
        for as_of in (date(2025, 12, 31), date(2026, 12, 31)):
            row = {"nkp": "19012345678", "as_of": as_of, "total": 1}
            connection.execute(tables.balances.insert().values(row))
    balance = ledger.balance("19012345678", date(2025, 11, 28))
    assert balance is not None
    assert balance.as_of == date(2025, 9, 30)
    assert ledger.balance("19012345678", date(2025, 9, 29)) is None


def test_a_programme_that_started_twice_counts_once(engine: Engine) -> None:
    load(engine, reference_folder())
    ledger = SqlLedger(engine)
    before = ledger.programs("19012345678")
    with engine.begin() as connection:
        row = {"nkp": "19012345678", "program": before[0], "since": date(2025, 1, 1)}
        connection.execute(tables.programs.insert().values(row))
    assert ledger.programs("19012345678") == before
