"""A real PgBouncer with deploy/pgbouncer/ serves the service as its comments say."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.conftest import KEY, P1
from tests.support.commands import forked
from tests.support.processes import free_port
from tests.support.programs import required
from tests.support.servers import die_with_parent
from tests.support.waiting import LONGEST

DEPLOYED = Path(__file__).parents[2] / "deploy" / "pgbouncer" / "pgbouncer.ini"
ROLE, PASSWORD = "smsgw_pooled", "what nobody guesses"


@pytest.fixture
def pooled(postgres_url: str, tmp_path: Path) -> Iterator[str]:
    """Returns an address of a role with a password. Only paths, ports and the database differ."""
    parts = urlsplit(postgres_url)
    (folder,), database, port = parse_qs(parts.query)["host"], parts.path[1:], free_port()
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("DROP SCHEMA public CASCADE")
        admin.execute("CREATE SCHEMA public")
        admin.execute(f"DROP ROLE IF EXISTS {ROLE}")
        admin.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        admin.execute(f"GRANT ALL ON SCHEMA public TO {ROLE}")
    (tmp_path / "userlist.txt").write_text(f'"{ROLE}" "{PASSWORD}"\n')
    text = DEPLOYED.read_text()
    for deployed, here in {
        "smsgw = host=/run/postgresql dbname=smsgw": f"smsgw = host={folder} dbname={database}",
        "listen_port = 6432": f"listen_port = {port}",
        "unix_socket_dir = /run/postgresql": "unix_socket_dir =",
        "/etc/pgbouncer/userlist.txt": f"{tmp_path}/userlist.txt",
    }.items():
        assert deployed in text
        text = text.replace(deployed, here)
    (tmp_path / "pgbouncer.ini").write_text(text)
    tmp_path.chmod(0o755)
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [required("pgbouncer", "pgbouncer"), "--quiet", *user, tmp_path / "pgbouncer.ini"],
        preexec_fn=die_with_parent(15),
    )
    secret = PASSWORD.replace(" ", "%20")
    try:
        address = f"postgresql://{ROLE}:{secret}@127.0.0.1:{port}/smsgw"
        _wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(LONGEST)


def _wait_for(address: str) -> None:
    until = time.monotonic() + LONGEST
    while True:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return


def test_the_service_answers_through_it(pooled: str, tmp_path: Path) -> None:
    environ = {"DATABASE_URL": f"{pooled}?pgbouncer=1", "SMSGW_SECRET_KEY": KEY}
    assert forked(environ, "migrate").returncode == 0
    done = forked(environ, "say", "SALDO", "--from", P1, "--json")
    assert '"outcome": "not_registered"' in done.stdout, done.stderr


def test_a_wrong_password_is_refused(pooled: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(pooled.replace("nobody", "somebody"))
