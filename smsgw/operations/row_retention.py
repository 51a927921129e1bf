"""Deletes the rows of messages, replies and attempts that are not kept any more, and what told
repeats of messages.

On PostgreSQL a month is dropped as a whole: its partitions. It is kept for as long as a figure, an
answer, an open case or a send still needs a row of it. SQLite deletes rows, a batch at a time. The
audit log is never deleted.
"""

from datetime import UTC, datetime, timedelta

from smsgw import logs
from smsgw.messaging import delivery_reports, hourly_counts, inbox, outbox
from smsgw.runtime import Runtime
from smsgw.storage import partitions
from smsgw.storage.monthly_ids import MONTH, begins, first_id, month_of, months_ago, next_month

log = logs.get(__name__)

REFS_KEPT = timedelta(days=8)  # longer than carriers deliver again what they know to be undelivered
REFS_AT_ONCE = 5_000
BATCH = 500  # rows of a table in one transaction
EVERY = timedelta(hours=1)
FIRST_HOUR = datetime(2000, 1, 1, tzinfo=UTC)


class RowRetention:
    """Runs in the clock, and remembers when to look again."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._next_refs = self._next_look = datetime.min.replace(tzinfo=UTC)

    def step(self) -> int:
        """Deletes a batch of what is not kept; once an hour also makes and drops partitions.
        Returns how many rows, or months, were deleted."""
        if not self._rt.clock_check.is_right():
            return 0
        deleted = self._forget_refs()
        now = self._rt.now()
        if now < self._next_look:
            return deleted
        self._next_look = now + EVERY
        if partitions.has_partitions(self._rt.service):
            return deleted + self._change_partitions(now)
        rows = self._delete_rows()
        if rows:
            self._next_look = now
        return deleted + rows

    def _forget_refs(self) -> int:
        now = self._rt.now()
        if now < self._next_refs:
            return 0
        with self._rt.writing() as tx:
            forgotten = inbox.forget_refs(tx, now - REFS_KEPT, REFS_AT_ONCE)
        if forgotten < REFS_AT_ONCE:
            self._next_refs = now + timedelta(minutes=1)
        return forgotten

    def _change_partitions(self, now: datetime) -> int:
        try:
            self._make_partitions(now)
            dropped = [month for month in self._months_over() if self._drop(month)]
        except partitions.Busy:
            log.warning("no partition was made or dropped, since others use the tables")
            return 0
        return len(dropped)

    def _make_partitions(self, now: datetime) -> None:
        with self._rt.service.connect() as connection:
            missing = partitions.missing(connection, now)
            strays = set(partitions.strays(connection)) - partitions.months(connection)
        wanted = sorted({*missing, *strays})
        partitions.make(self._rt.service, wanted)
        if wanted:
            log.info("partitions made", months=wanted)

    def _months_over(self) -> list[int]:
        kept_from = month_of(self._rt.rows_since)
        with self._rt.service.connect() as connection:
            return sorted(each for each in partitions.months(connection) if each < kept_from)

    def _drop(self, month: int) -> bool:
        after = next_month(month)
        ids = range(month * MONTH, after * MONTH)
        with self._rt.reading() as tx:
            is_summed = hourly_counts.are_settled(tx, begins(month), begins(after))
            is_in_use = inbox.is_in_use(tx, ids) or outbox.is_in_use(tx, ids)
        if is_in_use or not is_summed:
            why = "it is not in the hourly sums yet" if not is_summed else "something is open"
            log.warning("a month is over and kept", month=month, why=why)
            return False
        partitions.drop(self._rt.service, month)
        log.info("a month was dropped", month=month)
        return True

    def _delete_rows(self) -> int:
        """Deletes a batch of rows whose months are over, on SQLite."""
        kept_from = self._rt.rows_since
        first = first_id(kept_from)
        with self._rt.writing() as tx:
            if not hourly_counts.are_settled(tx, FIRST_HOUR, kept_from):
                return 0
            rows = inbox.delete_old(tx, first, BATCH)
            rows += delivery_reports.delete_old(tx, first, BATCH)
            if rows:
                partitions.note_deleted(tx.connection, month_of(months_ago(kept_from, 1)))
            return rows
