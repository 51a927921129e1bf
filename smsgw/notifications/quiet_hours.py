"""Says when a phone may be notified: by day, where its owner is.

The participant's office says in which of Indonesia's three zones that is, and a number of another
country says it by its calling code. Of any other mobile number nobody knows where it is: it is told
only while it is day in all three zones.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from smsgw import phone

BEGINS, ENDS = time(8), time(20)  # of the day on which notifications are sent
# A send that has begun by then is over before the quiet hours begin.
MARGIN = timedelta(minutes=2)
INDONESIA = "62"
OFFICES = {"WIB": "Asia/Jakarta", "WITA": "Asia/Makassar", "WIT": "Asia/Jayapura"}
ALL_OF_INDONESIA = tuple(map(ZoneInfo, OFFICES.values()))
ABROAD = {
    "39": "Europe/Rome",
    "60": "Asia/Kuala_Lumpur",
    "65": "Asia/Singapore",
    "81": "Asia/Tokyo",
    "82": "Asia/Seoul",
    "90": "Europe/Istanbul",
    "673": "Asia/Brunei",
    "852": "Asia/Hong_Kong",
    "886": "Asia/Taipei",
    "962": "Asia/Amman",
    "965": "Asia/Kuwait",
    "966": "Asia/Riyadh",
    "968": "Asia/Muscat",
    "971": "Asia/Dubai",
    "973": "Asia/Bahrain",
    "974": "Asia/Qatar",
}
LONGEST_WAIT = 30  # days without one on which anything may be sent


def zones(number: str, office: str | None = None) -> tuple[ZoneInfo, ...]:
    """Returns the zones in which it has to be day. `office`: WIB, WITA or WIT, if it is known."""
    code = phone.calling_code(number)
    if code == INDONESIA and office in OFFICES:
        return (ZoneInfo(OFFICES[office]),)
    return (ZoneInfo(ABROAD[code]),) if code in ABROAD else ALL_OF_INDONESIA


def is_day(at: datetime, where: Sequence[ZoneInfo], off: Collection[date] = ()) -> bool:
    """Tells whether it is day in all these zones, and no day that is left out."""
    return all(_is_day(at.astimezone(zone), off) for zone in where)


def next_day(at: datetime, where: Sequence[ZoneInfo], off: Collection[date] = ()) -> datetime:
    """Returns `at` if it is day, else when the next day begins."""
    if is_day(at, where, off):
        return at
    begins = (
        datetime.combine(at.astimezone(zone).date() + timedelta(days=days), BEGINS, zone)
        for days in range(LONGEST_WAIT)
        for zone in where
    )
    mornings = sorted(each.astimezone(UTC) for each in begins)
    days = (each for each in mornings if each > at and is_day(each, where, off))
    return next(days, at + timedelta(days=LONGEST_WAIT))


def ends(at: datetime, where: Sequence[ZoneInfo]) -> datetime:
    """Returns when the day ends that `at` is in: nothing is sent from then on."""
    evenings = (datetime.combine(at.astimezone(zone).date(), ENDS, zone) for zone in where)
    return min(each.astimezone(UTC) for each in evenings) - MARGIN


def _is_day(local: datetime, off: Collection[date]) -> bool:
    ends_at = datetime.combine(local.date(), ENDS, local.tzinfo) - MARGIN
    begins_at = datetime.combine(local.date(), BEGINS, local.tzinfo)
    return begins_at <= local < ends_at and local.date() not in off
