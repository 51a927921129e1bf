"""Runs RapidSMS beside the service, on a PostgreSQL of its own and in a venv of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from urllib.parse import urlencode

from tests.support.bench_traffic import nkp_of, number_of
from tests.support.process_usage import Processes
from tests.support.processes import free_port
from tests.support.servers import Postgres, postgres_programs
from tests.support.service_set import OPTIONS, started, wait_until_answers

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv" / "rapidsms"
PACKAGES = ("rapidsms==2.2.0", "Django>=5.2,<6", "psycopg2-binary", "gunicorn")
SERVES = ("--worker-class", "gthread", "--workers", "2", "--threads", "8")
APP = "bench.rapidsms_project.wsgi:application"
OTHERS = ("INFO", "BANTUAN", "KATA3", "KANTOR")  # 12 in 100; RapidSMS answers no unknown word


class NotInstalled(Exception):
    """Says why RapidSMS cannot be installed here."""


class RapidSms:
    """Runs two web processes, which answer a message within its request."""

    def __init__(self, stack: ExitStack, home: Path, carrier_port: int, participants: int) -> None:
        python = _installed()
        programs = postgres_programs() or sys.exit("no PostgreSQL programs here")
        postgres = Postgres(programs, options=OPTIONS)
        stack.callback(postgres.stop)
        environ = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "bench.rapidsms_project.settings",
            "RAPIDSMS_POSTGRES": postgres.url.partition("host=")[2],
            "RAPIDSMS_CARRIER": str(carrier_port), "RAPIDSMS_SECRET": "of no use elsewhere",
        }  # fmt: skip
        prepare = [python, "-m", "bench.rapidsms_project.prepare", str(participants)]
        subprocess.run(prepare, env=environ, cwd=ROOT, check=True)
        self.port, self.processes = free_port(), Processes()
        command = [python, "-m", "gunicorn", *SERVES, "--bind", f"127.0.0.1:{self.port}", APP]
        pid = stack.enter_context(started(command, environ, home / "rapidsms.log"))
        self.processes.groups |= {"web": pid, "postgres": postgres.pid}
        wait_until_answers(self.port, "/")


def messages(port: int, end: int) -> Iterator[tuple[str, bytes]]:
    """Makes messages of phones that write once, as `webhooks` does."""
    chance = Random(0)
    made = []
    for index in range(end):
        is_saldo = chance.random() < 0.88
        text = f"SALDO {nkp_of(index)}" if is_saldo else chance.choice(OTHERS)
        sender = number_of(index)
        body = urlencode({"identity": sender, "text": text}).encode()
        head = (
            f"POST /in/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        made.append((sender, head.encode() + body))
    return iter(made)


def _installed() -> Path:
    """Returns the Python of the venv, which is made if missing. Raises NotInstalled."""
    python, done = VENV / "bin" / "python", VENV / "done"
    if done.exists():
        return python
    for command in (
        [sys.executable, "-m", "venv", VENV],
        [python, "-m", "pip", "install", "--quiet", *PACKAGES],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            last = (ran.stderr.strip() or ran.stdout.strip()).splitlines()[-1:]
            raise NotInstalled(
                f"RapidSMS could not be installed in {VENV}: {''.join(last)}\n"
                f"It needs an index that has {', '.join(PACKAGES)}. Run without --rapidsms, or "
                "make it available and try again."
            )
    done.touch()
    return python
