"""Compares this machine's clock with the database's, to tell whether it can be trusted.

What has been kept for its time is destroyed for good, and what is past its use is given up; a clock
that is ahead would do both at once. Which of the two is wrong nobody can tell, so while they are
apart nothing expires. SQLite has no clock of its own: there is nothing to compare.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from smsgw import logs

log = logs.get(__name__)

APART = timedelta(seconds=60)
COMPARED_EVERY = 5.0  # seconds
JUMP = 1.0  # seconds that the clock moves beside the monotonic one: then it is compared at once
LOG_EVERY = 60.0  # seconds


def machine_now() -> datetime:
    return datetime.now(UTC)


class ClockCheck:
    """Compares the machine's clock with the database's, once a process; a replay sets only the
    runtime's clock."""

    def __init__(self, service: Engine, now: Callable[[], datetime] = machine_now) -> None:
        self._service = service
        self._now = now
        self._compared: tuple[datetime, float] | None = None
        self._is_right = True
        self._logged_at = -LOG_EVERY

    def compare(self) -> timedelta:
        """Returns how far the machine's clock is ahead of the database's, at least: what the
        question takes does not count. Raises SQLAlchemyError."""
        skew = self._skew()
        self._compared = self._now(), time.monotonic()
        self._is_right = abs(skew) <= APART
        if not self._is_right and time.monotonic() >= self._logged_at + LOG_EVERY:
            self._logged_at = time.monotonic()
            log.error("this machine's clock differs from the database's", **_details(skew))
        return skew

    def is_right(self) -> bool:
        """Tells whether they are close, as compared within the last seconds. Raises
        SQLAlchemyError."""
        if self._is_due():
            self.compare()
        return self._is_right

    def _is_due(self) -> bool:
        if self._compared is None:
            return True
        then, was = self._compared
        passed = time.monotonic() - was
        jumped = abs((self._now() - then).total_seconds() - passed)
        return passed >= COMPARED_EVERY or jumped > JUMP

    def _skew(self) -> timedelta:
        if self._service.dialect.name == "sqlite":
            return timedelta()
        alone = {"isolation_level": "AUTOCOMMIT"}  # one round trip
        with self._service.connect().execution_options(**alone) as connection:
            before = self._now()
            there: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            after = self._now()
        return max(before - there, timedelta()) + min(after - there, timedelta())


def _details(skew: timedelta) -> dict[str, object]:
    return {"ahead_seconds": round(skew.total_seconds()), "so": "nothing expires or is destroyed"}
