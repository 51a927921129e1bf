"""Runs Debian's MariaDB for a test, on a socket of its own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pymysql
import pytest

from tests.support.servers import die_with_parent
from tests.support.waiting import LONGEST

PATH = f"{os.environ['PATH']}:/usr/sbin"
ABSENT = "no MariaDB here: apt-get install mariadb-server-core"
SCRIPTS = Path("/usr/share/mysql")
BEGIN = (
    "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\nSET @skip_auth_anonymous=1;\n"
)
SMALL = (
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=32M",
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-log-bin",
    "--skip-name-resolve",
)


class MariaDb:
    """Starts an empty server. Skips the test, or fails it, where there is no MariaDB."""

    def __init__(self) -> None:
        program = shutil.which("mariadbd", path=PATH)
        if program is None:
            if os.environ.get("SMSGW_REQUIRE_MARIADB"):
                pytest.fail(ABSENT)
            pytest.skip(ABSENT)
        self._base = Path(tempfile.mkdtemp(prefix="smsgw-mariadb-"))
        data = self._base / "data"
        data.mkdir()
        self.socket = self._base / "socket"
        common = [program, "--no-defaults", f"--datadir={data}", *SMALL]
        common += ["--user=root"] if os.geteuid() == 0 else []
        names = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")
        system = "".join((SCRIPTS / name).read_text() for name in names)
        subprocess.run(
            [*common, "--bootstrap", "--log-warnings=0"],
            input=BEGIN + system,
            text=True,
            check=True,
            capture_output=True,
            timeout=60,
        )
        self._process = subprocess.Popen(
            [*common, "--skip-networking", f"--socket={self.socket}", f"--pid-file={self._base}/p"],
            preexec_fn=die_with_parent(signal.SIGTERM),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + LONGEST
        while not self._listens():
            assert time.monotonic() < until
            assert self._process.poll() is None
            time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as caller:
            return caller.connect_ex(str(self.socket)) == 0

    def connect(self, user: str = "root") -> pymysql.Connection:
        return pymysql.connect(unix_socket=str(self.socket), user=user, autocommit=True)

    def url(self, database: str, user: str = "root", scheme: str = "mariadb") -> str:
        return f"{scheme}://{user}@/{database}?unix_socket={self.socket}"

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # until each of its threads has stopped

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(LONGEST)
        shutil.rmtree(self._base, ignore_errors=True)
