"""What `pip install .` leaves behind works from any folder, without the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.conftest import P1

ROOT = Path(__file__).parent.parent
SOURCES = ["smsgw", "grammar", "handlers", "migrations"]
FILES = ["setup.cfg", "pyproject.toml", "README.md", "LICENSE", "Procfile"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in SOURCES:
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in FILES:
        shutil.copy(ROOT / file, source)
    pip("wheel", "--no-build-isolation", "--wheel-dir", made, source)
    (built,) = made.glob("*.whl")
    return built


def pip(command: str, *arguments: str | Path, python: str | Path = sys.executable) -> None:
    options = ("--quiet", "--no-index", "--no-deps")
    pip_there = (sys.executable, "-m", "pip", "--python", python)
    subprocess.run([*pip_there, command, *options, *arguments], check=True)


def test_the_wheel_holds_all_that_is_needed_and_no_more(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in names if ".dist-info/" not in name and ".data/" not in name}
    assert held == wanted
    assert any(name.endswith(".data/data/share/smsgw/Procfile") for name in names)


def test_an_installation_works_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """Uses a venv that sees this one's libraries but not its editable install of ours."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip("install", wheel, python=venv / "bin" / "python")
    environ = {"PATH": os.environ["PATH"], "SMSGW_HOME": str(tmp_path), "SMSGW_DEMO": "1"}

    def smsgw(*arguments: str) -> str:
        done = subprocess.run(
            [venv / "bin" / "smsgw", *arguments],
            env=environ,
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    smsgw("migrate")
    smsgw("demo")
    assert "Rp123.456.789" in smsgw("say", "SALDO 19012345678", "--from", P1)
    finds = "import smsgw, smsgw.cli.run as run; print(smsgw.__file__, sorted(run.procfile()))"
    found = subprocess.run(
        [venv / "bin" / "python", "-c", finds], cwd="/", capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith(str(site))
    assert "['clock', 'release', 'web', 'worker']" in found.stdout
