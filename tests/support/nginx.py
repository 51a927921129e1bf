"""Runs Debian's nginx with deploy/nginx/smsgw.conf, of which only paths and the port differ."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import write_certificate
from tests.support.processes import free_port
from tests.support.programs import required
from tests.support.servers import die_with_parent
from tests.support.waiting import LONGEST

DEPLOYED = Path(__file__).parents[2] / "deploy" / "nginx"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Nginx:
    folder: Path
    port: int
    certificate: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def access(self) -> str:
        return (self.folder / "access.log").read_text()

    @property
    def logs(self) -> str:
        return self.access + (self.folder / "error.log").read_text()


def written(folder: Path, web_ports: Sequence[int]) -> Nginx:
    """Writes the configuration for web processes of this machine."""
    made = Nginx(folder, free_port(), write_certificate(folder))
    lines = (DEPLOYED / "upstream.conf").read_text().splitlines()
    (kept, *_) = [line.partition(":8000")[2] for line in lines if line.startswith("server ")]
    (folder / "upstream.conf").write_text(
        "".join(f"server 127.0.0.1:{port}{kept}\n" for port in web_ports)
    )
    text = (DEPLOYED / "smsgw.conf").read_text()
    for deployed, here in {
        "listen 443 ssl;": f"listen 127.0.0.1:{made.port} ssl;",
        "/etc/nginx/smsgw/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
    }.items():
        assert deployed in text
        text = text.replace(deployed, here)
    (folder / "smsgw.conf").write_text(text)
    user = "user root;\n" if os.geteuid() == 0 else ""
    paths = "\n".join(f"{each}_temp_path {folder}/{each};" for each in TEMPORARY)
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\n"
        f"error_log {folder}/error.log info;\nevents {{}}\nhttp {{\n{paths}\n"
        f"include {folder}/smsgw.conf;\n}}\n"
    )
    return made


def command(made: Nginx, *options: str) -> list[str]:
    program = required("nginx", "nginx-light")
    return [
        program,
        "-e",
        str(made.folder / "error.log"),
        "-c",
        f"{made.folder}/nginx.conf",
        *options,
    ]


@contextmanager
def running(folder: Path, web_ports: Sequence[int]) -> Iterator[Nginx]:
    made = written(folder, web_ports)
    process = subprocess.Popen(command(made), preexec_fn=die_with_parent(15))
    try:
        until = time.monotonic() + LONGEST
        while not _listens(made.port):
            assert process.poll() is None, made.logs
            assert time.monotonic() < until
            time.sleep(0.02)
        yield made
    finally:
        process.terminate()
        process.wait(LONGEST)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
