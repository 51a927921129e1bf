"""Builds deploy/container/Containerfile with buildah, and runs the image as a container runtime
does: over a read-only root, as the image's user, with its variables and nothing else of ours.

Neither needs a daemon or a registry: the base image is made of this machine's Python.
"""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import PATH, required
from tests.support.servers import die_with_parent

ROOT = Path(__file__).parents[2]
PROGRAMS = ("sh", "sleep", "env")
DEBIANS_PIP = Path("/usr/share/python-wheels")
LEFT_OUT = (
    "site-packages",
    "dist-packages",
    "test",
    "idlelib",
    "__pycache__",
    "tkinter",
    "config-*",
)
# Of libraries that a wheel may want and that nothing here names.
FURTHER = ("libstdc++.so.6", "libgcc_s.so.1")
VOLUME = "/run/smsgw"
MEMORY = "/dev/shm"  # noqa: S108


def write_base(folder: Path) -> None:
    """Copies this machine's Python with what it loads, to the same paths."""
    python = Path(
        sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"
    )
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    shutil.copytree(
        library, folder / library.relative_to("/"), ignore=shutil.ignore_patterns(*LEFT_OUT)
    )
    if DEBIANS_PIP.exists():
        shutil.copytree(DEBIANS_PIP, folder / DEBIANS_PIP.relative_to("/"))
    programs = [Path(str(shutil.which(name, path=PATH))) for name in PROGRAMS]
    for each in (python, *programs, *_libraries([python, *programs, *library.rglob("*.so")])):
        _copy(each, folder)
    (folder / "usr/bin").mkdir(parents=True, exist_ok=True)
    for name, path in {"usr/bin/python3": python, "bin/sh": programs[0]}.items():
        if not (folder / name).exists():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).symlink_to(path)
    for name in ("etc", "tmp", "dev/shm", "proc", VOLUME[1:]):
        (folder / name).mkdir(parents=True)
    (folder / "etc/passwd").write_text(
        "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
    )
    (folder / "tmp").chmod(0o1777)


def _libraries(files: Iterable[Path]) -> Iterator[Path]:
    """Yields the shared libraries that files load, as the loader finds them."""
    found = subprocess.run(
        [required("ldd", "libc-bin"), *files], capture_output=True, text=True
    ).stdout
    yield from {Path(path) for path in re.findall(r"(/\S+) \(0x", found)}
    known = subprocess.run([required("ldconfig", "libc-bin"), "-p"], capture_output=True, text=True)
    for name in FURTHER:
        if match := re.search(rf"{re.escape(name)} .*x86-64.* => (\S+)", known.stdout):
            yield Path(match[1])


def _copy(file: Path, folder: Path) -> None:
    target = folder / file.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy(file, target)


class Image:
    """Builds the image; its root is a folder."""

    def __init__(self, folder: Path) -> None:
        self._buildah = [
            required("buildah", "buildah"), "--storage-driver", "vfs",
            "--root", str(folder / "store"), "--runroot", str(folder / "run"),
        ]  # fmt: skip
        base = folder / "base"
        base.mkdir(parents=True)
        write_base(base)
        container = self._call("from", "scratch").strip()
        self._call("add", "--quiet", container, base, "/")
        self._call("commit", "--quiet", "--rm", container, "localhost/base")
        self.root = folder / "root"
        self._call(
            "build", "--quiet", "--isolation", "chroot", "--build-arg", "BASE=localhost/base",
            "--file", ROOT / "deploy" / "container" / "Containerfile", "--tag", "smsgw",
            "--output", f"type=local,dest={self.root}", ROOT,
        )  # fmt: skip
        self.root.chmod(0o755)  # as a runtime mounts it
        described = json.loads(self._call("inspect", "--type", "image", "smsgw"))
        self.config = described["OCIv1"]["config"]

    def _call(self, *arguments: str | Path) -> str:
        done = subprocess.run([*self._buildah, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def command(
        self, environ: Mapping[str, str], arguments: Sequence[str] = (), volume: str = ""
    ) -> list[str]:
        """Returns what runs the image's command, or another. `volume` is seen as VOLUME."""
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in environ.items())]
        root, user = self.root, self.config["User"]
        mounts = [
            f"mount --rbind {root} {root}",
            *([f"mount --bind {volume} {root}{VOLUME}"] if volume else []),
            f"mount -o remount,bind,ro {root}",
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs tmpfs {root}{MEMORY}",
        ]
        inside = 'exec setpriv --no-new-privs chroot --userspec="$1" "$2" /usr/bin/env -i "${@:3}"'
        return [
            "unshare", "--mount", "bash", "-euc",
            " && ".join([*mounts, inside]), "bash", user, str(root), *variables,
            *(arguments or self.config["Cmd"]),
        ]  # fmt: skip


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, preexec_fn=die_with_parent(15), env={"PATH": PATH}
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)
