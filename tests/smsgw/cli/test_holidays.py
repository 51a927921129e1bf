"""`smsgw holidays` lists, adds and removes days; the doctor misses those of next year in time."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from smsgw.cli.doctor import holidays_note
from smsgw.registry import holidays
from smsgw.runtime import Runtime
from tests.conftest import Clock
from tests.support.commands import smsgw


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert smsgw(tmp_path, "migrate").returncode == 0
    return tmp_path


def test_holidays_are_edited(home: Path) -> None:
    assert "2032-03-11 is a holiday" in smsgw(home, "holidays", "add", "2032-03-11", "Nyepi").stdout
    listed = smsgw(home, "holidays", "list", "2032", SMSGW_HOLIDAYS="2032-12-25,2031-12-25").stdout
    assert listed == "2032-03-11  Nyepi\n2032-12-25  SMSGW_HOLIDAYS\n"
    assert smsgw(home, "holidays", "remove", "2032-03-11").returncode == 0
    assert smsgw(home, "holidays", "list", "2032").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "2032-03-11", "Nyepi"), "2032-03-11 is a holiday already"),
        (("add", "2032-03-12", " "), "a name has 1 to 100 characters"),
        (("add", "11-03-2032", "Nyepi"), "does not match the format '%Y-%m-%d'"),
        (("remove", "2032-12-25"), "is set by SMSGW_HOLIDAYS; take it out there, and restart"),
        (("remove", "2032-05-01"), "is no holiday; see smsgw holidays list 2032"),
    ],
)
def test_a_mistake_says_what_to_do(home: Path, arguments: tuple[str, ...], says: str) -> None:
    smsgw(home, "holidays", "add", "2032-03-11", "Nyepi")
    failed = smsgw(home, "holidays", *arguments, SMSGW_HOLIDAYS="2032-12-25")
    assert failed.returncode != 0
    assert says in failed.stderr


def test_the_doctor_notes_a_year_without_holidays(rt: Runtime, clock: Clock) -> None:
    assert "2026 has none yet; add them in the console" in (holidays_note(rt) or "")
    set_days = {"holidays": (date(2026, 1, 1),)}
    assert holidays_note(replace(rt, settings=rt.settings.model_copy(update=set_days))) is None
    with rt.writing() as tx:
        holidays.add(tx, {date(2026, 12, 25): "Natal"}, "shell:ani")
    assert holidays_note(rt) is None
    clock.moves(days=365)
    assert "2027 has none yet" in (holidays_note(rt) or "")
