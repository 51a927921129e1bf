"""Runs a script as root of a machine like this one, whose changes are kept in memory and forgotten.

It is this machine's own root below an overlay, with processes and a network of its own. It has no
network beyond itself, and no systemd: SYSTEMCTL starts what a unit says, as its user and with its
variables. PostgreSQL and Redis run there, from wheels.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from smsgw.storage import local_redis
from tests.support.programs import PATH, required

SYSTEMCTL = """\
#!/usr/bin/python3
import pathlib, re, subprocess, sys

def start(name):
    found = re.sub(r"@.*", "@", name) + ".service"
    lines = pathlib.Path("/etc/systemd/system", found).read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    variables = pathlib.Path(said["EnvironmentFile"]).read_text().split()
    subprocess.Popen(
        ["runuser", "-u", said["User"], "--", "env", "-i", "PATH=/usr/bin:/bin", *variables,
         "sh", "-c", "exec " + said["ExecStart"]],
        stdout=open(f"/tmp/{name}.log", "w"), stderr=subprocess.STDOUT, start_new_session=True,
    )

match sys.argv[1:]:
    case ["daemon-reload"]:
        pass
    case ["enable", "--now", *names]:
        for name in names:
            start(name)
    case ["reload", "nginx"]:
        subprocess.run(["nginx"], check=True)
    case other:
        sys.exit(f"systemctl {other}")
"""
ENVIRON = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root"
APT = "#!/bin/sh\n# What it would install is here already.\n"
OVERLAY = """
mount -t tmpfs tmpfs {folder}
mkdir {folder}/upper {folder}/work {folder}/root
mount -t overlay overlay -o lowerdir=/,upperdir={folder}/upper,workdir={folder}/work {folder}/root
cd {folder}/root
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs tmpfs run
for each in {seen}; do mkdir -p ./$each; mount --rbind $each ./$each; done
cp {given}/* usr/local/bin
exec chroot . /bin/bash /usr/local/bin/guide
"""
SERVERS = """
python3 - <<'END'
import fcntl, socket, struct
asked = struct.pack("16sH14x", b"lo", 0x1)  # IFF_UP
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, asked)
END
cd /tmp
as_nobody() {{ setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }}
install -d -m 700 -o 65534 -g 65534 /tmp/data
as_nobody {programs}/initdb -D /tmp/data -U postgres -A trust --no-locale --no-sync > /dev/null
as_nobody {programs}/postgres -D /tmp/data -k /tmp -c fsync=off 2> /tmp/postgres.log &
install -m 755 {redis} /tmp/redis-server
as_nobody /tmp/redis-server --requirepass PASSWORD --save '' > /dev/null &
query() {{ as_nobody {programs}/psql -h /tmp -U postgres -qc "$1"; }}
until query 'CREATE ROLE smsgw LOGIN' 2> /dev/null; do sleep 0.1; done
query "CREATE DATABASE smsgw OWNER smsgw ENCODING 'UTF8' TEMPLATE template0"
"""


@dataclass
class BareMachine:
    folder: Path
    postgres_programs: Path
    checkout: Path  # the folder that the script runs in

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        given, overlay = self.folder / "given", self.folder / "overlay"
        given.mkdir()
        overlay.mkdir()
        servers = SERVERS.format(programs=self.postgres_programs, redis=local_redis.program())
        steps = ["set -eu", f"export {ENVIRON}", servers, f"cd {self.checkout}", script]
        texts = {"systemctl": SYSTEMCTL, "apt-get": APT, "guide": "\n".join(steps)}
        for name, text in texts.items():
            (given / name).write_text(text)
            (given / name).chmod(0o755)
        for name in ("pg_dump", "psql"):
            (given / name).symlink_to(self.postgres_programs / name)
        seen = f"{self.checkout} {self.postgres_programs.parent.parent}"
        setup = OVERLAY.format(folder=overlay, given=given, seen=seen)
        unshare = required("unshare", "util-linux")
        own = ["--mount", "--pid", "--net", "--fork", "--kill-child", "--propagation", "private"]
        return subprocess.run(
            [unshare, *own, str(shutil.which("bash")), "-euc", setup],
            env={"PATH": PATH},
            capture_output=True,
            text=True,
        )
