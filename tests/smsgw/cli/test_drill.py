"""Each drill says what it proved, and fails where something is not as it should be."""

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from smsgw.operations import overdue_data
from smsgw.operations.retention import Retention
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.phones import bindings
from tests.conftest import (
    ABSENT,
    P1,
    P2,
    P2_NKP,
    STRANGER,
    Clock,
    connect,
    create_database,
    on_sqlite,
)
from tests.support.commands import called, forked
from tests.support.conversation import say
from tests.support.registration import DAFTAR
from tests.support.servers import postgres_programs

on_postgresql = pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.thorough)], indirect=True
)
ANOTHER = "another secret, which is as long as one has to be"


def test_what_is_too_old_is_counted_until_the_clock_deletes_it(rt: Runtime, clock: Clock) -> None:
    for sender, text in ((STRANGER, DAFTAR), (P1, "SALDO"), (P1, "BANTUAN"), (P1, "SALDO 1234567")):
        say(rt, sender, text)
    assert {each.table: each.rows for each in overdue_data.count(rt) if each.rows} == {}
    clock.moves(days=90, hours=20)
    assert {each.table: each.rows for each in overdue_data.count(rt) if "texts" in each.what} == {
        "messages": 0,
        "replies": 0,
    }
    clock.moves(days=1)
    counted = {each.table: each.rows for each in overdue_data.count(rt)}
    assert (counted["messages"], counted["registrations"], counted["codes"]) == (4, 1, 1)
    assert counted["replies"] == 0  # they still wait to be sent
    clock.moves(days=300)
    clock.now += timedelta(days=300)
    retention = Retention(rt)
    while retention.step():
        pass
    left = {each.table: each.rows for each in overdue_data.count(rt) if each.rows}
    assert left == {}


@on_sqlite
def test_the_drill_of_retention_fails_while_something_is_too_old(
    rt: Runtime, environ: dict[str, str], clock: Clock
) -> None:
    say(rt, P1, "SALDO")
    clock.moves(days=-1)
    old = called(environ, "drill", "retention")
    assert (old.returncode, "FIX  messages: 1 texts too old, of 1 rows" in old.stdout) == (1, True)
    with rt.writing() as tx:
        tx.connection.execute(update(messages).values(text=None))
    assert (
        "ok   messages: 0 texts too old, of 1 rows" in called(environ, "drill", "retention").stdout
    )


@pytest.fixture
def dump(rt: Runtime, environ: dict[str, str], tmp_path: Path) -> Path:
    """Returns a dump of a database with some rows, and the file of keys beside it."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip(ABSENT)
    with rt.writing() as tx:  # the audit log does not tell of the one that tests begin with
        tx.connection.execute(delete(bindings))
    for sender, text in ((P2, f"SALDO {P2_NKP}"), (P2, "YA"), (STRANGER, DAFTAR)):
        say(rt, sender, text)
    file = tmp_path / "smsgw.dump"
    url = environ["DATABASE_URL"].replace("+psycopg", "")
    command = [programs / "pg_dump", "--format=custom", f"--file={file}", url]
    subprocess.run(command, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, check=True)
    shown = forked(environ, "keys", "show")
    assert shown.returncode == 0, shown.stderr
    file.with_name("smsgw.dump.keys").write_text(shown.stdout)
    return file


@on_postgresql
def test_a_dump_is_restored_and_its_keys_changed_and_changed_back(
    dump: Path, environ: dict[str, str], worker_number: int
) -> None:
    copy = create_database(worker_number, "copy")
    programs = postgres_programs()
    environ |= {"PATH": f"{programs}:{os.environ['PATH']}"}
    refused = forked(environ, "drill", "keys", "--into", environ["DATABASE_URL"])
    assert (refused.returncode, "nothing was changed" in refused.stderr) == (1, True)
    full = forked(environ, "drill", "restore", dump, "--into", environ["DATABASE_URL"])
    assert (full.returncode, "is not empty" in full.stderr) == (1, True)
    other = environ | {"SMSGW_SECRET_KEY": ANOTHER}
    wrong = forked(other, "drill", "restore", dump, "--into", copy)
    assert (wrong.returncode, "is under secret" in wrong.stderr) == (1, True)
    done = forked(environ, "drill", "restore", dump, "--into", copy)
    assert done.returncode == 0, done.stderr
    for proof in ("names secret", "data key 1 encrypts", "rows of the audit log", "3  messages"):
        assert proof in done.stdout
    changed = forked(environ, "drill", "keys", "--into", copy)
    assert changed.returncode == 0, changed.stderr
    assert changed.stdout.count("the secret before it is refused") == 2
    with connect(copy) as connection:
        connection.execute(
            "UPDATE messages SET text = 'x'::bytea WHERE id = (SELECT min(id) FROM messages)"
        )
    damaged = forked(environ, "drill", "keys", "--into", copy)
    assert (damaged.returncode, "messages.text" in damaged.stderr) == (1, True)


@on_postgresql
def test_a_dump_without_a_file_of_keys_needs_its_secret_all_the_same(
    dump: Path, environ: dict[str, str], worker_number: int
) -> None:
    copy = create_database(worker_number, "copy")
    dump.with_name("smsgw.dump.keys").unlink()
    other = environ | {
        "SMSGW_SECRET_KEY": ANOTHER,
        "PATH": f"{postgres_programs()}:{os.environ['PATH']}",
    }
    done = forked(other, "drill", "restore", dump, "--into", copy)
    assert (done.returncode, "SMSGW_SECRET_KEY" in done.stderr) == (1, True)
    assert "write one with each backup" in done.stdout


@on_sqlite
def test_a_drill_says_what_it_cannot_use(
    environ: dict[str, str], rt: Runtime, tmp_path: Path
) -> None:
    file = tmp_path / "smsgw.dump"
    file.write_bytes(b"")
    keys_file = file.with_name("smsgw.dump.keys")
    for content, url, message in (
        ("none", "sqlite:///x.db", "names no secret"),
        ("", "sqlite:///x.db", "restored into PostgreSQL"),
    ):
        keys_file.write_text(content or called(environ, "keys", "show").stdout)
        done = called(environ, "drill", "restore", file, "--into", url)
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    no_head = called(environ, "drill", "restore", file, "--into", "sqlite:///x.db", "--head", "x")
    assert no_head.returncode == 2
