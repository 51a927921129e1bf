"""Holidays are edited a year at a time, and count for complaints that wait."""

import pytest

from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import P1, Clock
from tests.smsgw.console.conftest import As
from tests.support.conversation import audit_entries, say

HOLIDAYS = "/console/reference/holidays/"
MISSING = "2026 has no holidays yet"


def test_a_holiday_moves_the_deadline_of_a_complaint_that_waits(as_: As, rt: Runtime) -> None:
    say(rt, P1, "LAPOR gaji saya tidak dibayar")
    visitor = as_(Role.PUBLISHER)
    visitor.get("/console/waiting/complaints/")
    assert "07-11-2025" in visitor.text
    visitor.get(HOLIDAYS)
    visitor.submit(HOLIDAYS + "?year=2025", days="2025-11-05 Hari Libur\n")
    assert "Holidays added: 1." in visitor.text
    visitor.get("/console/waiting/complaints/")
    assert "10-11-2025" in visitor.text
    visitor.get(HOLIDAYS)
    visitor.submit("/delete")
    assert "The holiday is deleted." in visitor.text
    visitor.get("/console/waiting/complaints/ADU-251031-0001")
    assert "07-11-2025" in visitor.text
    done = [entry for entry in audit_entries(rt) if entry[0].startswith("holiday")]
    day = "2025-11-05: Hari Libur"
    assert done == [("holiday added", day), ("holiday removed", day)]


def test_several_are_added_at_once_and_none_twice(as_: As) -> None:
    visitor = as_(Role.PUBLISHER)
    visitor.get(HOLIDAYS + "?year=2026")
    lines = "2026-01-01 Tahun Baru\n\n- 2026-03-19: Nyepi\n2026-12-25;Natal\r\n"
    visitor.submit(HOLIDAYS + "?year=2026", days=lines)
    assert "Holidays added: 3." in visitor.text
    assert "01-01-2026 Tahun Baru operator:publisher" in visitor.text
    assert "19-03-2026 Nyepi" in visitor.text
    visitor.submit(HOLIDAYS + "?year=2026", days="2026-01-01 Lain\n2026-05-01 Hari Buruh")
    assert "Already there, and left as they are: 1." in visitor.text
    assert "01-01-2026 Tahun Baru" in visitor.text


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("2026-01-01 Tahun Baru\n1 Mei 2026", "Line 2: it must begin with a date such as"),
        ("2026-02-30 Tidak Ada", "Line 1: it must begin with a date such as 2026-03-20."),
        ("2026-01-01", "Line 1: the name must have 1 to 100 characters."),
        (f"2026-01-01 {'x' * 101}", "Line 1: the name must have 1 to 100 characters."),
        ("2026-01-01 A\n2026-01-01 B", "Line 2: this date stands in an earlier line too."),
        ("2026-01-01 A\n" * 101, "Add at most 100 days at once."),
        (" \n", "There is no day."),
    ],
)
def test_a_mistake_adds_nothing_and_loses_nothing(as_: As, typed: str, says: str) -> None:
    visitor = as_(Role.PUBLISHER)
    visitor.get(HOLIDAYS + "?year=2026")
    assert visitor.submit(HOLIDAYS + "?year=2026", days=typed).status_code == 400
    assert says in visitor.text
    assert "operator:publisher" not in visitor.text
    assert visitor.form(HOLIDAYS + "?year=2026").values["days"].strip() == typed.strip()


def test_a_day_that_is_gone_is_said(as_: As) -> None:
    visitor = as_(Role.PUBLISHER)
    visitor.get(HOLIDAYS)
    visitor.post(HOLIDAYS + "delete", day="2026-01-01")
    assert "It was already deleted." in visitor.text
    assert visitor.post(HOLIDAYS + "delete", day="x").status_code == 400


def test_next_year_is_missed_from_october(as_: As, clock: Clock) -> None:
    visitor = as_(Role.PUBLISHER)
    for address in ("/console/", HOLIDAYS):
        visitor.get(address)
        assert MISSING in visitor.text
    clock.moves(days=-31)
    visitor.get("/console/")
    assert MISSING not in visitor.text
    clock.moves(days=31)
    visitor.get(HOLIDAYS)
    visitor.submit(HOLIDAYS + "?year=2025", days="2026-01-01 Tahun Baru")
    visitor.get("/console/")
    assert MISSING not in visitor.text


def test_viewers_see_them_and_cannot_change_them(as_: As) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(HOLIDAYS)
    assert "Add holidays" not in visitor.text
    assert visitor.post(HOLIDAYS, days="2026-01-01 A").status_code == 403
    assert visitor.post(HOLIDAYS + "delete", day="2026-01-01").status_code == 403
