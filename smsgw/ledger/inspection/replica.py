"""Tells how far a replica is behind. As long, a number that changed on file still gets answers."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from smsgw.ledger.inspection.finding import Finding

PLACE = "replica"
# While nothing is written there is nothing to replay, and the last replay says nothing.
POSTGRESQL = """
    SELECT pg_is_in_recovery() AS is_replica,
        CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
            AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
        ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END AS seconds
"""
MYSQL = ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")  # before 8.0.22 and 10.5, the second alone
LAGS = ("Seconds_Behind_Source", "Seconds_Behind_Master")
REMEDY = "look at its replication; until it has caught up, a number that changed still gets answers"


def check(connection: Connection, at_most: timedelta) -> Iterator[Finding]:
    if connection.dialect.name == "postgresql":
        row = connection.execute(text(POSTGRESQL)).one()
        if row.is_replica:
            yield from _lag(row.seconds, at_most)
    elif connection.dialect.name == "mysql":
        yield from _mysql(connection, at_most)


def _lag(seconds: float | None, at_most: timedelta) -> Iterator[Finding]:
    if seconds is None:
        yield Finding(PLACE, "it is a replica that does not say how far it is behind", REMEDY)
    elif seconds > at_most.total_seconds():
        yield Finding(PLACE, f"it is {round(seconds)} seconds behind", REMEDY)


def _mysql(connection: Connection, at_most: timedelta) -> Iterator[Finding]:
    for statement in MYSQL:
        try:
            row = connection.execute(text(statement)).mappings().first()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            continue
        if row is not None:
            yield from _lag(next((row[name] for name in LAGS if name in row), None), at_most)
        return
    if connection.execute(text("SELECT @@global.read_only")).scalar_one():
        problem = "it may be a replica, and the role may not ask how far it is behind"
        remedy = "GRANT REPLICA MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) to it"
        yield Finding(PLACE, problem, remedy, is_note=True)
