"""Nobody is notified at night, wherever they are."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.notifications import quiet_hours

JAKARTA, MAKASSAR, JAYAPURA = (ZoneInfo(each) for each in quiet_hours.OFFICES.values())
INDONESIAN, JAPANESE = "+6281234567890", "+819012345678"


@pytest.mark.parametrize(
    ("number", "office", "expected"),
    [
        (INDONESIAN, "WIB", (JAKARTA,)),
        (INDONESIAN, "WITA", (MAKASSAR,)),
        (INDONESIAN, "WIT", (JAYAPURA,)),
        (INDONESIAN, None, (JAKARTA, MAKASSAR, JAYAPURA)),
        (INDONESIAN, "GMT", (JAKARTA, MAKASSAR, JAYAPURA)),
        (JAPANESE, None, (ZoneInfo("Asia/Tokyo"),)),
        (JAPANESE, "WIB", (ZoneInfo("Asia/Tokyo"),)),  # who works abroad is there
        ("+4915112345678", None, (JAKARTA, MAKASSAR, JAYAPURA)),
    ],
)
def test_the_zone_is_that_of_the_office_or_of_the_number(
    number: str, office: str | None, expected: tuple[ZoneInfo, ...]
) -> None:
    assert quiet_hours.zones(number, office) == expected


@pytest.mark.parametrize(
    ("hour", "minute", "zone", "expected"),
    [
        (7, 59, JAKARTA, False),
        (8, 0, JAKARTA, True),
        (19, 57, JAKARTA, True),
        (19, 59, JAKARTA, False),  # the send would end after 20.00
        (20, 0, JAKARTA, False),
        (7, 59, JAYAPURA, False),
        (8, 0, JAYAPURA, True),
        (20, 0, MAKASSAR, False),
    ],
)
def test_day_is_from_8_to_20(hour: int, minute: int, zone: ZoneInfo, expected: bool) -> None:
    at = datetime(2026, 11, 29, hour, minute, tzinfo=zone)
    assert quiet_hours.is_day(at, (zone,)) is expected


def test_of_a_number_whose_place_nobody_knows_it_is_day_where_it_is_day_in_all_three_zones() -> (
    None
):
    zones = quiet_hours.zones(INDONESIAN)
    hours = [
        hour
        for hour in range(24)
        if quiet_hours.is_day(datetime(2026, 11, 29, hour, 0, tzinfo=JAKARTA), zones)
    ]
    assert hours == list(range(8, 18))


@given(
    st.integers(0, 2 * 365 * 24 * 60).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.sampled_from([INDONESIAN, JAPANESE, "+6591234567", "+393312345678"]),
    st.sampled_from(["WIB", "WITA", "WIT", None]),
)
def test_the_next_day_is_the_first_instant_that_is_day(
    at: datetime, number: str, office: str | None
) -> None:
    zones = quiet_hours.zones(number, office)
    begins = quiet_hours.next_day(at, zones)
    assert at <= begins <= at + timedelta(days=1)
    assert quiet_hours.is_day(begins, zones)
    assert begins == at or not quiet_hours.is_day(begins - timedelta(seconds=1), zones)
    assert begins < quiet_hours.ends(begins, zones) <= begins + timedelta(hours=12)


def test_days_that_are_left_out_are_not_sent_on() -> None:
    new_year = date(2027, 1, 1)
    at = datetime(2026, 12, 31, 21, 0, tzinfo=JAKARTA)
    begins = quiet_hours.next_day(at, (JAKARTA,), {new_year})
    assert begins == datetime(2027, 1, 2, 8, 0, tzinfo=JAKARTA)
    assert all(a < b for a, b in pairwise([at, begins]))
