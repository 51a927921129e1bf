"""Backs up and restores as docs/operations.md says, with the databases' own tools."""

import os
import sqlite3
import subprocess
from datetime import date
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from smsgw import runtime, settings
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.registry import bindings, phone_state
from smsgw.runtime import Runtime
from smsgw.storage import migrations
from smsgw.storage.tables.messages import replies
from tests.conftest import ABSENT, P1, P1_NKP, Clock
from tests.support.sender_ids import receive
from tests.support.servers import Postgres, postgres_programs


def fill(rt: Runtime, clock: Clock) -> None:
    migrations.upgrade(rt.service, "service")
    migrations.upgrade(rt.ledger.engine, "ledger")
    load(rt.ledger.engine, reference_folder())
    with rt.writing() as tx:
        known = phone_state.bump_version(tx, phone_state.read(tx, P1))
        bindings.bind(tx, known, P1_NKP, consent="in a test")
    receive(rt, clock, 2)


def stored_rows(rt: Runtime) -> tuple[tuple[str, ...], list[str]]:
    with rt.reading() as tx:
        states = tx.connection.execute(select(replies.c.state)).scalars()
        return phone_state.read(tx, P1).caller.nkps, list(states)


def made(environ: dict[str, str], clock: Clock) -> Runtime:
    return runtime.build(settings.load(environ), now=clock)


def test_a_running_sqlite_installation_can_be_backed_up(
    tmp_path: Path, clock: Clock, redis_url: str
) -> None:
    home, restored = tmp_path / "home", tmp_path / "restored"
    rt = made({"SMSGW_HOME": str(home), "REDIS_URL": redis_url}, clock)
    fill(rt, clock)
    (restored / "instance").mkdir(parents=True)
    for name in ("smsgw.db", "ledger.db"):
        with sqlite3.connect(home / "instance" / name) as connection:
            connection.execute("VACUUM INTO ?", [str(restored / "instance" / name)])
        connection.close()
    receive(rt, clock)
    key = (home / "instance" / "secret_key").read_text()
    (restored / "instance" / "secret_key").write_text(key)
    back = made({"SMSGW_HOME": str(restored), "REDIS_URL": redis_url}, clock)
    assert stored_rows(back) == ((P1_NKP,), ["queued"] * 2)
    assert back.ledger.balance(P1_NKP, date.max)
    for each in (rt, back):
        each.close()


def test_postgresql_can_be_backed_up_and_restored(
    clock: Clock, redis_url: str, tmp_path: Path
) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip(ABSENT)
    server = Postgres(programs)
    try:
        url = server.url.replace("+psycopg", "")
        environ = {"DATABASE_URL": url, "REDIS_URL": redis_url, "SMSGW_HOME": str(tmp_path)}
        environ["SMSGW_SECRET_KEY"] = "a key for tests, of no use elsewhere"
        rt = made(environ, clock)
        fill(rt, clock)
        dump = tmp_path / "smsgw.dump"
        tool(programs, "pg_dump", "--format=custom", f"--file={dump}", url)
        receive(rt, clock, 2)  # then what comes next is no repeat of what is restored
        rt.close()
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("DROP SCHEMA public CASCADE")
            admin.execute("CREATE SCHEMA public")
        tool(programs, "pg_restore", "--no-owner", f"--dbname={url}", str(dump))
        back = made(environ, clock)
        assert stored_rows(back) == ((P1_NKP,), ["queued"] * 2)
        receive(back, clock)
        assert stored_rows(back) == ((P1_NKP,), ["queued"] * 3)
        back.close()
    finally:
        server.stop()


def tool(programs: Path, name: str, *arguments: str) -> None:
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    subprocess.run([programs / name, *arguments], env=environ, check=True)
