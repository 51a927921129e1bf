"""Records rows that could not be opened, or whose proof was wrong: damaged, or written by somebody
else.

Each is kept once, by its table and id, for `/metrics` and for people to look at. Where many fail
within an hour it is rather our mistake than theirs, a wrong key or release, and nothing is ended
because of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update

from smsgw.storage.tables.security import failed_checks

MANY_AN_HOUR = 20
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class FailedCheck:
    table: str
    row: str
    why: str  # "unreadable", "not ours", "missing"


def record(connection: Connection, failed: Iterable[FailedCheck], now: datetime) -> None:
    """Records a failed check; a known one is written again once an hour."""
    for each in failed:
        same = (failed_checks.c.table_name == each.table) & (failed_checks.c.row == each.row)
        known = connection.execute(select(failed_checks.c.last_at).where(same)).first()
        if known is None:
            row = {"table_name": each.table, "row": each.row, "why": each.why}
            times = {"first_at": now, "last_at": now}
            connection.execute(insert(failed_checks).values(row | times))
        elif known.last_at < now - HOUR:
            connection.execute(update(failed_checks).where(same).values(last_at=now))


def count_since(connection: Connection, since: datetime) -> int:
    """Returns how many rows failed for the first time."""
    found = select(func.count()).where(failed_checks.c.first_at > since)
    return int(connection.execute(found).scalar_one())


def by_table(connection: Connection, since: datetime) -> Mapping[str, int]:
    """Returns how many rows of each table failed."""
    table = failed_checks.c.table_name
    found = (
        select(table, func.count().label("failed"))
        .where(failed_checks.c.last_at > since)
        .group_by(table)
    )
    return {row.table_name: row.failed for row in connection.execute(found)}
