"""`smsgw run`: migrate, then run everything that the Procfile names under one supervisor."""

import fcntl
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import requests

import smsgw
from smsgw import runtime
from smsgw import settings as environment
from smsgw.backoffice import accounts
from smsgw.operations.supervisor import Supervisor
from smsgw.settings import Settings
from smsgw.storage import audit, local_redis
from smsgw.storage.tables.operators import Role

DEMO_ADMIN = "demo"
RELEASE, BEFORE_WEB = "release", ("worker", "clock")


@click.command()
def run() -> None:
    """Migrate, then run web, worker, clock and, without REDIS_URL, a server for the queue."""
    settings = environment.load()
    with _alone(settings), _queue_folder(settings) as queue:
        environ = _environ(settings)
        commands = procfile()
        _step(shlex.split(commands.pop(RELEASE)), environ)
        if settings.demo:
            _step(["smsgw", "demo"], environ)
        _free_port(settings.port)
        supervisor = Supervisor(environ)
        if queue is not None:
            _start_queue(supervisor, settings, queue)
        for name in sorted(commands, key=lambda name: name not in BEFORE_WEB):
            supervisor.start(name, shlex.split(commands[name]))
        supervisor.run(Welcome(settings, supervisor).look)


def procfile() -> dict[str, str]:
    """Returns the command of each process from the checkout's Procfile, or the installed one."""
    places = [
        Path(smsgw.__file__).parent.parent / "Procfile",
        Path(sys.prefix) / "share" / "smsgw" / "Procfile",
    ]
    for place in places:
        if place.exists():
            lines = (line.partition(":") for line in place.read_text().splitlines() if line)
            return {name.strip(): command.strip() for name, _, command in lines}
    raise click.ClickException(f"there is no Procfile at {' or '.join(map(str, places))}")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Holds a lock on the folder: two supervisors in one would fight over its database."""
    settings.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.instance / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException(
                f"`smsgw run` is already up for {settings.instance}; stop it, or set SMSGW_HOME"
            ) from None
        yield


@contextmanager
def _queue_folder(settings: Settings) -> Iterator[Path | None]:
    """Yields the path of the embedded server's socket, which others find in a file; None where
    Redis is elsewhere."""
    if settings.redis_url is not None:
        yield None
        return
    left = local_redis.url(settings.home)  # by one that was killed; nobody else runs here
    if left is not None:
        local_redis.remove(Path(left.removeprefix("unix://")))
    path = local_redis.new_socket()
    local_redis.address_file(settings.home).write_text(f"unix://{path}")
    try:
        yield path
    finally:
        local_redis.address_file(settings.home).unlink(missing_ok=True)
        local_redis.remove(path)


def _start_queue(supervisor: Supervisor, settings: Settings, path: Path) -> None:
    data = settings.instance / "redis"
    data.mkdir(exist_ok=True)
    try:
        supervisor.start("queue", local_redis.command(local_redis.program(), path, data))
    except local_redis.NoServer as error:
        raise click.ClickException(str(error)) from None
    if not local_redis.wait_until_ready(f"unix://{path}"):
        supervisor.stop()
        raise click.ClickException(f"the queue's server did not start; see {data}/server.log")


def _environ(settings: Settings) -> dict[str, str]:
    """Lets children find `smsgw` and `gunicorn` beside this interpreter, and the same home."""
    programs = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
        "SMSGW_HOME": str(settings.home.absolute()),
    }


def _step(command: list[str], environ: dict[str, str]) -> None:
    program = shutil.which(command[0], path=environ["PATH"]) or command[0]
    # In a session of its own: Ctrl-C is ours alone, and ends the step without a word of its own.
    done = subprocess.run([program, *command[1:]], env=environ, start_new_session=True, check=False)
    if done.returncode:
        raise click.ClickException(f"`{shlex.join(command)}` failed")


def _free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            raise click.ClickException(
                f"port {port} is taken; set PORT to another, such as PORT={port + 1}"
            ) from None


class Welcome:
    """Says, once the web process answers, that all is up and what to try."""

    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self._address = f"http://127.0.0.1:{settings.port}"
        self._supervisor = supervisor
        self._settings = settings
        self._is_announced = False

    def look(self) -> None:
        if self._is_announced:
            return
        if self._supervisor.has_died("web"):
            raise click.ClickException("the web process could not start; see above")
        if _is_up(f"{self._address}/healthz"):
            self._is_announced = True
            command = Path(sys.executable).parent / "smsgw"
            here = Path.cwd()
            shown = command.relative_to(here) if command.is_relative_to(here) else command
            click.echo(f"smsgw is up at {self._address} (health: {self._address}/readyz)")
            if self._settings.demo:
                once = login_token(self._settings)
                base = self._settings.public_url or self._address  # where its cookies are for
                click.echo(f"Console, lets in once: {base}/console/login/once#{once}")
                click.echo(f'Try: {shown} say "SALDO 19012345678" --from +6281234567890')


def login_token(settings: Settings) -> str:
    """Returns a one-time login of the demo's admin."""
    rt = runtime.build(settings)
    try:
        with rt.writing() as tx:
            row = accounts.find(tx, DEMO_ADMIN)
            actor = audit.operator()
            known = row or accounts.add(tx, DEMO_ADMIN, Role.ADMIN, None, actor)
            return accounts.invite(tx, known.id, f"operator:{DEMO_ADMIN}")
    finally:
        rt.close()


def _is_up(address: str) -> bool:
    try:
        return requests.get(address, timeout=1).ok
    except requests.RequestException:
        return False
