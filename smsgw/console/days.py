"""Reads days in addresses, such as 2025-10-31, in the scheme's time zone."""

from datetime import date, datetime, timedelta, tzinfo


def read(written: str) -> date | None:
    """Returns the day, or None if it is malformed or far from our time."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return day if 2000 <= day.year < 2200 else None


def begins(written: str, zone: tzinfo) -> datetime | None:
    day = read(written)
    return datetime(day.year, day.month, day.day, tzinfo=zone) if day else None


def ends(written: str, zone: tzinfo) -> datetime | None:
    """Returns when the next one begins."""
    day = read(written)
    return begins((day + timedelta(days=1)).isoformat(), zone) if day else None
