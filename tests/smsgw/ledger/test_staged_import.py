"""Imports files into PostgreSQL by way of tables of text, and finds what the row by row import
finds."""

import csv
import multiprocessing
import os
import signal
import stat
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, inspect, select, text

from smsgw.ledger.csv_faults import LoadError, Rejection
from smsgw.ledger.csv_format import FILES
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.ledger.staged_import import LOCK
from smsgw.ledger.staging import tables_left
from smsgw.ledger.synthetic import make
from smsgw.storage import engines, migrations
from smsgw.storage.tables import ledger as tables
from tests.conftest import create_database
from tests.support.waiting import eventually

PEOPLE = (
    "nkp,nik,name,birth_date,phone,email,category,status,status_since,status_reason,"
    "employer,emergency_name,emergency_phone"
)
PERSON = "19012345678,3171011708900000,Budi,1990-08-17,+6281234567890,,PU,AKTIF,2015-03-01,,,,"
PAID = "nkp,month,jht,jp,jkk,jkm,jkp,paid_on"


@pytest.fixture
def postgres(worker_number: int) -> Iterator[Engine]:
    engine = engines.engine(create_database(worker_number, "imported"))
    migrations.upgrade(engine, "ledger")
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = engines.engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    migrations.upgrade(engine, "ledger")
    yield engine
    engine.dispose()


@pytest.fixture(params=["postgres", "sqlite"])
def engine(request: pytest.FixtureRequest) -> Engine:
    made: Engine = request.getfixturevalue(request.param)
    return made


def write(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.csv").write_bytes("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
    return folder


def person(nkp: int, **others: str) -> str:
    values = dict(zip(PEOPLE.split(","), PERSON.split(","), strict=True))
    return ",".join({**values, "nkp": str(nkp), **others}.values())


def months(nkp: int, count: int) -> list[str]:
    days = (date(2023 + month // 12, 1 + month % 12, 1) for month in range(count))
    return [f"{nkp},{day:%Y-%m},456000,240000,1,2,3,{day:%Y-%m}-28" for day in days]


def held(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(file.table))), key=repr)
            for name, file in FILES.items()
        }


def left_behind(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) & set(tables_left())


def hostile(folder: Path) -> Path:
    """Writes files with faults of every kind, some of them several in a row."""
    write(
        folder,
        "participants",
        PEOPLE,
        person(10000000001),
        person(10000000001, name="Again"),
        person(1000000002),
        person(10000000003, nik="31", status="AKTIP"),
        person(10000000004, birth_date="1990-02-30", phone="0812"),
        person(10000000005, phone="+622112345678", emergency_phone="+60123456789"),
        person(10000000006, phone="+6280999", category="XX"),
        person(10000000007) + ",",
        "10000000008,too,few",
        "",
        person(10000000009, name='"Line\nbreak"'),
        person(10000000010, name="N" * 501),
        person(10000000011, name="Bud\udcff"),
        person(10000000012, name="Bu\0di"),
        person(10000000013, name=" Ünal ", emergency_name="\u3000"),
        person(10000000014, name='"a ""quoted"", name"'),
        person(10000000015, email="\\N", employer="\\."),
        ",3171011708900000,Nobody,1990-08-17,,,PU,AKTIF,,,,,",
        person(10000000003),
        person(10000000003, name="Third"),
    )
    write(folder, "contributions", PAID, *months(19012345678, 3), months(19012345678, 2)[1], ",,")
    write(folder, "rates", "program,category,item,effective_from,value,unit,note", "JP,,,x,1e3,,")
    write(folder, "contacts", "channel;value;hours;note", "call_centre;175;;", "call_centre;176;;")
    return write(folder, "offices", "code,name,city", "A01,Ambon,Ambon")


def test_both_imports_find_the_same_faults_in_the_same_words(
    postgres: Engine, sqlite: Engine, tmp_path: Path
) -> None:
    folder, said = hostile(tmp_path / "files"), []
    for engine in (postgres, sqlite):
        with pytest.raises(LoadError) as raised:
            load(engine, folder)
        said.append(str(raised.value).splitlines())
        assert not any(held(engine).values())
    assert said[0] == said[1]
    assert len(said[0]) == 17
    assert left_behind(postgres) == set()


def test_both_imports_load_the_same_rows_and_leave_out_the_same(
    postgres: Engine, sqlite: Engine, tmp_path: Path
) -> None:
    folder, rejected = hostile(tmp_path / "files"), []
    (folder / "offices.csv").unlink()
    results = []
    for engine in (postgres, sqlite):
        path = tmp_path / f"{engine.dialect.name}.csv"
        results.append(load(engine, folder, rejection=Rejection(path, Decimal(1))))
        with path.open(newline="") as file:
            rejected.append(sorted(csv.reader(file)))
    assert results[0] == results[1]
    assert results[0]["participants"][:3] == (7, 0, 12)
    assert rejected[0] == rejected[1]
    assert held(postgres) == held(sqlite)
    assert ("10000000013", "Ünal") in {row[0:3:2] for row in held(postgres)["participants"]}


def test_rows_that_are_left_out_are_for_their_owner_alone(engine: Engine, tmp_path: Path) -> None:
    lines = [PEOPLE, *(person(10_000_000_000 + each) for each in range(999)), person(7, name="Ani")]
    folder = write(tmp_path / "files", "participants", *lines)
    path = tmp_path / "rejected.csv"
    path.write_text("of yesterday")
    path.chmod(0o644)
    result = load(engine, folder, rejection=Rejection(path, Decimal("0.001")))
    assert result["participants"] == (999, 0, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["line"], row["reason"]) for row in rows] == [
        ("participants.csv", "1001", "nkp has 1 digits, 11 are needed")
    ]
    assert next(csv.reader([rows[0]["row"]]))[:3] == ["7", "3171011708900000", "Ani"]
    assert sorted(each.name for each in tmp_path.glob("rejected*")) == ["rejected.csv"]


def test_more_bad_rows_than_may_be_left_out_refuse_all(engine: Engine, tmp_path: Path) -> None:
    lines = [PEOPLE, *(person(10_000_000_000 + each) for each in range(998)), *("1,2", "3,4")]
    folder = write(tmp_path / "files", "participants", *lines)
    path = tmp_path / "rejected.csv"
    with pytest.raises(LoadError) as raised:
        load(engine, folder, rejection=Rejection(path, Decimal("0.001")))
    assert str(raised.value).splitlines() == [
        "participants.csv: 2 of 1000 rows are bad (0.20%), and at most 0.1% may be left out; "
        f"{path} holds them",
        "participants.csv:1000: has not 13 fields",
        "participants.csv:1001: has not 13 fields",
    ]
    assert len(path.read_text().splitlines()) == 3
    assert held(engine)["participants"] == []


def test_a_file_that_cannot_be_read_to_its_end_is_refused_whatever_may_be_left_out(
    engine: Engine, tmp_path: Path
) -> None:
    folder = write(tmp_path / "files", "participants", PEOPLE, person(1), '"never closed')
    with pytest.raises(LoadError, match="cannot be read: unexpected end of data"):
        load(engine, folder, rejection=Rejection(tmp_path / "rejected.csv", Decimal(1)))
    assert held(engine)["participants"] == []


def test_a_folder_that_takes_no_rejected_rows_is_reported(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "absent" / "rejected.csv"
    with pytest.raises(LoadError, match=r"rejected\.csv cannot be written: No such file"):
        load(engine, reference_folder(), rejection=Rejection(path, Decimal(1)))


def test_replace_keeps_what_only_a_bad_row_names(engine: Engine, tmp_path: Path) -> None:
    rows = [person(10_000_000_000 + each) for each in range(4)]
    load(engine, write(tmp_path / "files", "participants", PEOPLE, *rows))
    rows[1:3] = [person(10_000_000_001, status="AKTIP")]
    folder = write(tmp_path / "files", "participants", PEOPLE, *rows, person(7))
    rejection = Rejection(tmp_path / "rejected.csv", Decimal(1))
    assert load(engine, folder, replace=True, rejection=rejection)["participants"] == (2, 1, 2)
    assert [row[0] for row in held(engine)["participants"]] == [
        "10000000000",
        "10000000001",
        "10000000003",
    ]


def test_since_leaves_out_what_is_older_and_nothing_else(engine: Engine, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "files",
        "contributions",
        PAID,
        *months(19012345678, 3),
        "19012345678,2022-12,1,1,1,1,1,2023-03-01",  # paid late
        "19012345678,2022-11,1,1,1,1,1,",
        "19012345678,2022-10,1,1,1,1,1,2022-13-01",
    )
    write(folder, "participants", PEOPLE, person(19012345678, status_since="2001-01-01"))
    path = tmp_path / "rejected.csv"
    counts = load(engine, folder, since=date(2023, 2, 15), rejection=Rejection(path, Decimal(1)))
    assert (counts["contributions"].rows, counts["participants"].rows) == (3, 1)
    loaded = [row[1] for row in held(engine)["contributions"]]
    assert loaded == [date(2022, 12, 1), date(2023, 2, 1), date(2023, 3, 1)]
    assert "contributions.csv,7,paid_on must be a date" in path.read_text()


def test_rows_that_say_nothing_new_are_not_written(postgres: Engine, tmp_path: Path) -> None:
    versions = select(tables.participants.c.nkp, text("xmin::text"))
    rows = [person(10_000_000_000 + each) for each in range(3)]
    load(postgres, write(tmp_path / "files", "participants", PEOPLE, *rows))
    with postgres.connect() as connection:
        before = dict(connection.execute(versions).all())
    rows[1] = person(10_000_000_001, phone="")
    load(postgres, write(tmp_path / "files", "participants", PEOPLE, *rows))
    with postgres.connect() as connection:
        after = dict(connection.execute(versions).all())
    assert [nkp for nkp, version in after.items() if version != before[nkp]] == ["10000000001"]


@pytest.mark.parametrize("replace", [True, False])
def test_who_reads_during_an_import_waits_for_nothing(
    postgres: Engine, tmp_path: Path, replace: bool
) -> None:
    rows = [person(10_000_000_000 + each) for each in range(5_000)]
    load(postgres, write(tmp_path / "files", "participants", PEOPLE, *rows))
    rows = [each.replace("Budi", "Ani") for each in rows]
    folder = write(tmp_path / "files", "participants", PEOPLE, *rows)
    reading = engines.engine(str(postgres.url.render_as_string(False)), 0.2)  # ends what waits
    ledger, seen = SqlLedger(reading), []
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, postgres, folder, replace=replace)
        while not loading.done():
            participant = ledger.participant("10000004999")
            assert participant is not None
            seen.append(participant.name)
        loading.result()
    reading.dispose()
    assert set(seen) <= {"Budi", "Ani"}
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == "Budi"
    assert len(seen) > 5


def test_a_second_import_is_refused_and_says_who_imports(postgres: Engine, tmp_path: Path) -> None:
    refused = []

    def begin_step(name: str) -> None:
        with pytest.raises(LoadError) as raised:
            load(postgres, reference_folder())
        with pytest.raises(LoadError, match="another import is running"):
            make(postgres, 1)
        refused.append((name.split()[0], str(raised.value)))

    folder = write(tmp_path / "files", "participants", PEOPLE, person(10000000001))
    assert load(postgres, folder, begin_step=begin_step)["participants"].rows == 1
    assert [name for name, _ in refused] == ["reading", "checking", "writing"]
    assert all("another import is running (process " in says for _, says in refused)
    load(postgres, reference_folder())


def kill_oneself(url: str, folder: Path, step: str) -> None:
    def begin_step(name: str) -> None:
        if name.startswith(step):
            os.kill(os.getpid(), signal.SIGKILL)

    load(engines.engine(url), folder, begin_step=begin_step)


def test_nobody_imports_while_participants_are_made(postgres: Engine) -> None:
    refused = []

    def progress(_number: int) -> None:
        for write in (partial(load, postgres, reference_folder()), partial(make, postgres, 1)):
            with pytest.raises(LoadError, match="another import is running") as raised:
                write()
            refused.append(raised)

    make(postgres, 3, progress=progress)
    assert len(refused) == 2
    assert len(held(postgres)["participants"]) == 3


def none_imports(engine: Engine) -> bool:
    with engine.begin() as connection:
        return bool(connection.execute(select(func.pg_try_advisory_xact_lock(LOCK))).scalar_one())


@pytest.mark.parametrize("step", ["checking", "writing"])
def test_what_a_killed_import_left_is_cleared_by_the_next(
    postgres: Engine, tmp_path: Path, step: str
) -> None:
    folder = write(tmp_path / "files", "participants", PEOPLE, person(10000000001))
    url = postgres.url.render_as_string(hide_password=False)
    process = multiprocessing.get_context("forkserver").Process(
        target=kill_oneself, args=(url, folder, step)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert {"load_participants", "load_refused_phones"} <= left_behind(postgres)
    assert held(postgres)["participants"] == []
    eventually(partial(none_imports, postgres))  # its server notices within seconds
    assert load(postgres, folder)["participants"].rows == 1
    assert left_behind(postgres) == set()


def test_memory_does_not_grow_with_the_file(postgres: Engine, tmp_path: Path) -> None:
    most = []
    for count in (2_000, 20_000):
        rows = (person(10_000_000_000 + each) for each in range(count))
        folder = write(tmp_path / "files", "participants", PEOPLE, *rows)
        tracemalloc.start()
        load(postgres, folder)
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < most[0] + 500_000


def test_a_role_that_may_not_write_is_told_so(postgres: Engine, tmp_path: Path) -> None:
    with postgres.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS reader_of_the_ledger"))
        connection.execute(text("CREATE ROLE reader_of_the_ledger LOGIN"))
    reader = engines.engine(postgres.url.set(username="reader_of_the_ledger").render_as_string())
    with pytest.raises(LoadError, match=r"may not create tables .* load as the owner"):
        load(reader, reference_folder())
    reader.dispose()
    with postgres.begin() as connection:
        connection.execute(text("DROP ROLE reader_of_the_ledger"))
        assert connection.execute(select(func.count()).select_from(tables.offices)).scalar() == 0
