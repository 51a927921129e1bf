"""Measures how long backends of PostgreSQL wait for locks, by looking a hundred times a second."""

import threading
from dataclasses import dataclass

import psycopg

EVERY = 0.01  # seconds
# Within one statement, so that nobody outside is busy with it.
FUNCTION = f"""
CREATE OR REPLACE FUNCTION lock_waits(seconds float, OUT locks bigint, OUT internal bigint)
LANGUAGE plpgsql AS $$
DECLARE until timestamptz := clock_timestamp() + seconds * interval '1 second'; l bigint; i bigint;
BEGIN
    locks := 0; internal := 0;
    WHILE clock_timestamp() < until LOOP
        PERFORM pg_stat_clear_snapshot();
        SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'),
            count(*) FILTER (WHERE wait_event_type = 'LWLock')
            INTO l, i FROM pg_stat_activity WHERE state = 'active';
        locks := locks + l; internal := internal + i;
        PERFORM pg_sleep({EVERY});
    END LOOP;
END $$"""


@dataclass(frozen=True)
class Waits:
    """Holds seconds that backends waited, all together."""

    locks: float  # of rows, tables and transactions
    internal: float  # of the server's own structures


class LockWaits:
    """Looks for `seconds`, in a thread."""

    def __init__(self, connection: psycopg.Connection, seconds: float) -> None:
        connection.execute(FUNCTION)
        self._connection, self._seconds = connection, seconds
        self._found: tuple[int, int] = (0, 0)
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        asked = self._connection.execute("SELECT * FROM lock_waits(%s)", [self._seconds])
        self._found = asked.fetchone() or (0, 0)

    def result(self) -> Waits:
        """Waits until the time is over."""
        self._thread.join()
        return Waits(*(EVERY * each for each in self._found))
