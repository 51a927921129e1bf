"""A real Redis with deploy/redis/ takes what smsgw does, over TLS alone, and nothing else."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from tests.conftest import KEY, P1
from tests.support.certificates import write_certificate
from tests.support.processes import SMSGW, free_port, smsgw
from tests.support.programs import PATH, required
from tests.support.sender_ids import states
from tests.support.servers import die_with_parent
from tests.support.service_set import started
from tests.support.waiting import LONGEST, eventually
from tests.support.web_process import migrated

DEPLOYED = Path(__file__).parents[2] / "deploy" / "redis"
PASSWORD = "what-nobody-guesses"  # an ACL file has no room for blanks


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Starts Debian's server, since that of the wheel has no TLS. Paths, port and password
    differ."""
    program, number = required("redis-server", "redis-server"), free_port()
    certificate = write_certificate(tmp_path)
    certificate.with_name("ca.pem").write_bytes(certificate.read_bytes())
    users = (DEPLOYED / "users.acl").read_text()
    (tmp_path / "users.acl").write_text(users.replace(">REPLACE-THIS-PASSWORD", f">{PASSWORD}"))
    text = (DEPLOYED / "redis.conf").read_text()
    for deployed, here in {
        "tls-port 6379": f"tls-port {number}\nbind 127.0.0.1",
        "/etc/redis/tls/": f"{tmp_path}/",
        "/etc/redis/users.acl": f"{tmp_path}/users.acl",
    }.items():
        assert deployed in text
        text = text.replace(deployed, here)
    (tmp_path / "redis.conf").write_text(f"{text}\ndir {tmp_path}\nlogfile {tmp_path}/log\n")
    process = subprocess.Popen([program, tmp_path / "redis.conf"], preexec_fn=die_with_parent(15))
    try:
        log = tmp_path / "log"
        eventually(
            lambda: log.exists() and "Ready to accept connections" in log.read_text(),
            lambda: log.read_text() if log.exists() else "no log",
        )
        yield number
    finally:
        process.terminate()
        process.wait(LONGEST)


def url(port: int, folder: Path) -> str:
    return f"rediss://smsgw:{PASSWORD}@localhost:{port}/0?ssl_ca_certs={folder}/ca.pem"


def test_a_worker_and_a_clock_need_no_other_rights(
    port: int, tmp_path: Path, postgres_url: str
) -> None:
    """The reply leaves: a hint was written, and the worker has read it."""
    environ = {"DATABASE_URL": postgres_url, "SMSGW_SECRET_KEY": KEY, "PATH": PATH}
    environ |= {"REDIS_URL": url(port, tmp_path), "SMSGW_HOME": str(tmp_path)}
    with migrated(environ) as rt, ExitStack() as stack:
        for name in ("worker", "clock"):
            stack.enter_context(started([SMSGW, name], environ, tmp_path / f"{name}.log"))
        assert responder.respond(rt, IncomingSms("simulator", "1", P1, "2757", "KONTAK"))
        eventually(lambda: states(rt) == ["sent"], (tmp_path / "worker.log").read_text)
        assert "ok   queue\n" in smsgw(tmp_path, "doctor", **environ).stdout
    for name in ("worker", "clock"):
        log = (tmp_path / f"{name}.log").read_text()
        assert "NoPermission" not in log
        assert "NOPERM" not in log


def test_nobody_else_and_nothing_else_is_allowed(port: int, tmp_path: Path) -> None:
    address = url(port, tmp_path)
    with Redis.from_url(address) as ours:
        assert ours.ping()
        for command in ("FLUSHALL", "KEYS *", "CONFIG GET *", "SHUTDOWN", "ACL LIST", "MONITOR"):
            with pytest.raises(NoPermissionError):
                ours.execute_command(*command.split())
    for wrong in (address.replace("smsgw:", "default:"), address.replace("what", "hwat")):
        with Redis.from_url(wrong) as client, pytest.raises(AuthenticationError):
            client.ping()
    plain = address.replace("rediss:", "redis:").partition("?")[0]
    for refused in (plain, address.partition("?")[0]):  # without TLS; without our certificate
        with Redis.from_url(refused) as client, pytest.raises(RedisError):
            client.ping()
