"""Holidays are added, counted and removed, and missing ones are noticed in time."""

from datetime import date

import pytest

from smsgw.registry import holidays
from smsgw.runtime import Runtime
from tests.support.conversation import audit_entries

NYEPI, CHRISTMAS = date(2026, 3, 19), date(2026, 12, 25)


def test_a_holiday_is_added_once_and_removed_once(rt: Runtime) -> None:
    with rt.writing() as tx:
        assert holidays.add(tx, {NYEPI: "Nyepi"}, "shell:ani") == [NYEPI]
        again = {NYEPI: "Hari Suci Nyepi", CHRISTMAS: "Natal"}
        assert holidays.add(tx, again, "shell:budi") == [CHRISTMAS]
        rows = [(row.day, row.name, row.added_by) for row in holidays.of_year(tx, 2026)]
        assert rows == [(NYEPI, "Nyepi", "shell:ani"), (CHRISTMAS, "Natal", "shell:budi")]
        assert holidays.of_year(tx, 2027) == []
        assert holidays.remove(tx, NYEPI, "shell:budi")
        assert not holidays.remove(tx, NYEPI, "shell:budi")
    assert audit_entries(rt) == [
        ("holiday added", "2026-03-19: Nyepi"),
        ("holiday added", "2026-12-25: Natal"),
        ("holiday removed", "2026-03-19: Nyepi"),
    ]


def test_days_of_the_setting_count_too(rt: Runtime) -> None:
    further = (date(2026, 1, 1), NYEPI, date(2027, 1, 1))
    with rt.writing() as tx:
        holidays.add(tx, {NYEPI: "Nyepi"}, "shell:ani")
        assert holidays.all_days(tx, further) == {NYEPI, *further}
        assert holidays.count(tx, 2026, further) == 2


@pytest.mark.parametrize(
    ("today", "missing"),
    [
        (date(2025, 9, 30), None),
        (date(2025, 10, 1), 2026),
        (date(2025, 12, 31), 2026),
        (date(2026, 1, 1), None),
    ],
)
def test_a_year_without_holidays_is_missed_from_october(
    rt: Runtime, today: date, missing: int | None
) -> None:
    with rt.writing() as tx:
        assert holidays.missing_year(tx, today, ()) == missing
        assert holidays.missing_year(tx, today, [CHRISTMAS]) is None
        holidays.add(tx, {NYEPI: "Nyepi"}, "shell:ani")
        assert holidays.missing_year(tx, today, ()) is None
