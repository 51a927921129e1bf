"""A service database can fail in many ways: carriers get an answer in time, and health checks never
wait behind them."""

import os
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import psycopg
import pytest
import requests
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError
from twilio.request_validator import RequestValidator

from smsgw.ledger.csv_import import load, reference_folder
from smsgw.runtime import Runtime
from smsgw.storage import deadlines, engines
from smsgw.storage.tables.messages import messages
from smsgw.web import middleware
from tests.conftest import ABSENT, KEY
from tests.support.processes import free_port
from tests.support.servers import Postgres, postgres_programs
from tests.support.twilio_api import TWILIO
from tests.support.waiting import LONGEST, eventually
from tests.support.web_process import Web, migrated, web_process

PATIENCE = 12.0  # seconds; Twilio's is 15, and this machine is slow
LIMIT, LONGER = 1.0, 30.0
SOON = 10.0  # long after LIMIT, as on a loaded machine, and long before LONGER
MANY = 3 * middleware.AT_ONCE
METRICS_TOKEN = "a token that is long enough for figures"
WATCHED = {"SMSGW_METRICS_TOKEN": METRICS_TOKEN}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Starts a server of its own, to be frozen."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip(ABSENT)
    made = Postgres(programs)
    yield made
    made.stop()


@pytest.fixture
def engine(server: Postgres) -> Iterator[Engine]:
    made = engines.engine(server.url, LIMIT, lock_limit=LIMIT / 2)
    yield made
    made.dispose()


@contextmanager
def frozen(server: Postgres) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def given_up(work: Callable[[], object]) -> float:
    """Returns after how many seconds it gave up."""
    started = time.monotonic()
    with pytest.raises(DBAPIError):
        work()
    return time.monotonic() - started


def ask(engine: Engine, times: int = 1, sql: str = "SELECT 1") -> None:
    with engine.connect() as connection:
        for _ in range(times):
            connection.exec_driver_sql(sql).all()


def test_a_statement_times_out(server: Postgres, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        with frozen(server):
            assert LIMIT * 0.9 < given_up(lambda: connection.exec_driver_sql("SELECT 1")) < SOON


def test_a_commit_times_out(server: Postgres, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        with frozen(server):
            assert LIMIT * 0.9 < given_up(connection.commit) < SOON


def test_checking_a_pooled_connection_times_out(server: Postgres, engine: Engine) -> None:
    ask(engine)
    with frozen(server), deadlines.within(LIMIT):
        assert given_up(lambda: ask(engine)) < SOON
    ask(engine)
    with engine.connect() as connection, closing(psycopg.connect(server.address)) as other:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        connection.close()
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
        time.sleep(engines.IDLE)
        ask(engine)  # one that died meanwhile is nobody's fault


def test_connecting_times_out(server: Postgres, engine: Engine) -> None:
    with frozen(server):
        assert given_up(lambda: ask(engine)) < SOON
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        hosts = "&".join([f"host=127.0.0.1:{port}"] * 2)
        two = engines.engine(f"postgresql://x@/x?{hosts}", 4, lock_limit=1)
        assert given_up(lambda: ask(two)) < 2 * 4  # for both of them together


def test_waiting_for_a_lock_times_out_and_keeps_the_connection(server: Postgres) -> None:
    engine = engines.engine(server.url, LONGER, lock_limit=LIMIT / 2)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE locked (id integer)")
    with engine.connect() as holder, engine.connect() as other:
        holder.exec_driver_sql("LOCK TABLE locked")
        assert given_up(lambda: other.exec_driver_sql("SELECT * FROM locked")) < SOON
        other.rollback()
        assert other.exec_driver_sql("SELECT 1").scalar_one() == 1
    engine.dispose()


def test_a_deadline_covers_all_statements_and_patience_each_one(engine: Engine) -> None:
    ask(engine)
    with deadlines.within(LIMIT):
        assert given_up(lambda: ask(engine, 75, "SELECT pg_sleep(0.4)")) < SOON
    assert given_up(lambda: ask(engine, 1, f"SELECT pg_sleep({LONGER})")) < SOON
    with deadlines.patient(LONGER):
        ask(engine, 1, f"SELECT pg_sleep({1.5 * LIMIT})")
    with deadlines.within(LIMIT), deadlines.patient(LONGER):
        assert given_up(lambda: ask(engine, 1, f"SELECT pg_sleep({LONGER})")) < SOON


def test_on_sqlite_a_short_deadline_shortens_the_wait_for_the_writer(tmp_path: Path) -> None:
    engine = engines.engine(f"sqlite:///{tmp_path}/one.db", LONGER)
    with engine.connect() as writer, engine.connect() as other:
        writer.exec_driver_sql("SELECT 1")
        with deadlines.within(0.3), deadlines.patient(60):
            assert given_up(lambda: other.exec_driver_sql("SELECT 1")) < SOON
    engine.dispose()


# The whole web process.


@pytest.fixture(scope="module")
def environ(
    server: Postgres, tmp_path_factory: pytest.TempPathFactory, redis: str
) -> dict[str, str]:
    home = str(tmp_path_factory.mktemp("away"))
    ours = {"SMSGW_HOME": home, "SMSGW_SECRET_KEY": KEY, "PORT": str(free_port())}
    databases = {"DATABASE_URL": server.url, "REDIS_URL": redis}
    return {"PATH": os.environ["PATH"], **databases, **ours, **TWILIO, **WATCHED}


@pytest.fixture(scope="module")
def redis(worker_number: int) -> str:
    return f"{os.environ['SMSGW_TEST_REDIS_URL']}?db={worker_number + 1}"


@pytest.fixture(scope="module")
def rt(environ: dict[str, str]) -> Iterator[Runtime]:
    with migrated(environ) as made:
        load(made.ledger.engine, reference_folder())
        yield made


@pytest.fixture(scope="module")
def web(rt: Runtime, environ: dict[str, str]) -> Iterator[Web]:
    with web_process(environ, Path(environ["SMSGW_HOME"]) / "web.log") as made:
        yield made


@contextmanager
def locked(server: Postgres) -> Iterator[None]:
    with closing(psycopg.connect(server.address)) as connection:
        connection.execute("LOCK TABLE messages")
        yield


@contextmanager
def locked_for_writing(server: Postgres) -> Iterator[None]:
    """Locks as CREATE INDEX does."""
    with closing(psycopg.connect(server.address)) as connection:
        connection.execute("LOCK TABLE replies IN SHARE MODE")
        yield


@contextmanager
def read_only(server: Postgres) -> Iterator[None]:
    """Refuses writes as a standby does, or a server whose disk is nearly full."""
    with closing(psycopg.connect(server.address, autocommit=True)) as connection:
        change = "ALTER DATABASE postgres {} default_transaction_read_only"
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
        connection.execute(change.format("SET") + " = on")
        connection.execute(end + " AND backend_type = 'client backend'")
        try:
            yield
        finally:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(change.format("RESET"))
            connection.execute(end + " AND backend_type = 'client backend'")


def text(web: Web, sid: str) -> tuple[int, float]:
    """Texts from a new phone; returns the status of our answer, and how long it took."""
    sender = f"+62812{zlib.crc32(sid.encode()) % 10**7:07}"
    ours = TWILIO["TWILIO_FROM"]
    form = {"MessageSid": sid, "From": sender, "To": ours, "Body": "KONTAK"}
    address = TWILIO["SMSGW_PUBLIC_URL"] + "/in/twilio"
    signed = RequestValidator("token").compute_signature(address, form)
    started = time.monotonic()
    header = {"X-Twilio-Signature": signed}
    response = requests.post(f"{web.address}/in/twilio", data=form, headers=header, timeout=LONGEST)
    return response.status_code, time.monotonic() - started


def stored(rt: Runtime, sids: list[str]) -> int:
    with rt.reading() as tx:
        ours = messages.c.carrier_ref.in_(sids)
        return tx.connection.execute(select(func.count()).where(ours)).scalar_one()


AWAY = [frozen, locked, locked_for_writing, read_only]


@pytest.mark.parametrize("away", AWAY, ids=[each.__name__ for each in AWAY])
def test_carriers_get_503_in_time_and_block_nobody(
    web: Web, rt: Runtime, server: Postgres, away: Callable[[Postgres], Iterator[None]]
) -> None:
    sids = [f"SM-{away.__name__}-{number}" for number in range(MANY)]
    assert text(web, f"SM-{away.__name__}-before")[0] == 200
    with ThreadPoolExecutor(MANY) as pool:
        with away(server):
            begun = [pool.submit(text, web, sid) for sid in sids]
            time.sleep(0.5)
            assert requests.get(f"{web.address}/healthz", timeout=PATIENCE).ok
            token = {"Authorization": f"Bearer {METRICS_TOKEN}"}
            ready = requests.get(f"{web.address}/readyz", headers=token, timeout=PATIENCE)
            answers = [each.result() for each in begun]
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        parts = ready.json()["parts"]
        assert (parts["database"], parts["queue"]) == (False, True)
        assert {status for status, _ in answers} == {503}
        assert median(took for _, took in answers) < PATIENCE
        eventually(lambda: requests.get(f"{web.address}/readyz", timeout=PATIENCE).ok)
        list(pool.map(lambda sid: eventually(lambda: text(web, sid)[0] == 200), sids))
    assert stored(rt, sids) == MANY
