from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from smsgw.console import days

JAKARTA = ZoneInfo("Asia/Jakarta")


def test_a_day_lasts_from_midnight_to_midnight_of_the_scheme() -> None:
    assert days.read("2025-10-31") == date(2025, 10, 31)
    assert days.begins("2025-10-31", JAKARTA) == datetime(2025, 10, 31, tzinfo=JAKARTA)
    assert days.ends("2025-10-31", JAKARTA) == datetime(2025, 11, 1, tzinfo=JAKARTA)


@pytest.mark.parametrize("written", ["", "yesterday", "2025-02-30", "1999-12-31", "9999-12-31"])
def test_what_is_no_day_is_none(written: str) -> None:
    assert days.read(written) is None
    assert days.begins(written, JAKARTA) is None
    assert days.ends(written, JAKARTA) is None
