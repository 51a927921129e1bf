"""systemd accepts the units of deploy/systemd/."""

import re
import subprocess
from pathlib import Path

import pytest

from smsgw.cli.run import procfile
from tests.support.programs import required
from tests.support.service_set import BIN

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
INSTALLED = "/opt/smsgw/bin/"
MOST_EXPOSED = 1.5  # of 10, as systemd counts


@pytest.fixture(scope="module")
def analyze() -> str:
    return required("systemd-analyze", "systemd")


def test_systemd_accepts_the_units(analyze: str, tmp_path: Path) -> None:
    """It also looks for the programs, which are here in another folder."""
    copies = [tmp_path / unit.name for unit in UNITS]
    for unit, copy in zip(UNITS, copies, strict=True):
        copy.write_text(unit.read_text().replace(INSTALLED, f"{BIN}/"))
    done = subprocess.run([analyze, "verify", *copies], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_hardened(analyze: str, unit: Path) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", unit], capture_output=True, text=True
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= MOST_EXPOSED


def test_each_process_of_the_procfile_has_a_unit() -> None:
    starts = {
        unit.stem.removeprefix("smsgw-").removesuffix("@"): line.removeprefix("ExecStart=")
        for unit in UNITS
        for line in unit.read_text().splitlines()
        if line.startswith("ExecStart=")
    }
    wanted = procfile()
    wanted["migrate"] = wanted.pop("release")
    assert starts == {name: f"{INSTALLED}{command}" for name, command in wanted.items()}
