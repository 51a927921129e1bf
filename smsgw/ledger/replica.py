"""Tells how far a streaming replica of the ledger is behind its primary.

The commit that it replayed last does not tell: where nothing is written, that may be a day old. A
replica is not behind either while it has replayed what the primary last said it had written, which
`pg_read_all_stats` allows to see. What it received does not tell: over a slow line that is replayed
at once, and hours old.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from sqlalchemy import Engine, RowMapping, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from smsgw.ledger import faults
from smsgw.ledger.server import Server
from smsgw.storage import deadlines

MEASURED_EVERY, MEASURING_LIMIT = 1.0, 0.75  # seconds
TRUSTED = 60.0  # seconds behind: up to then a number on file is believed

STANDING = text("""
SELECT pg_is_in_recovery() AS follows,
    extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS last_commit,
    extract(epoch FROM clock_timestamp() - receiver.last_msg_receipt_time) AS last_heard,
    pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') AS replayed,
    pg_wal_lsn_diff(receiver.latest_end_lsn, '0/0') AS written,
    receiver.pid AS receiver
FROM (VALUES (1)) AS one LEFT JOIN pg_stat_wal_receiver receiver ON true""")


@dataclass(frozen=True, slots=True)
class Standing:
    """Says how a replica stands. `lag`: the seconds that it is behind, at most; `is_trusted`: its
    numbers on file are believed; `is_hidden`: we may not see what its primary has written."""

    follows: bool
    lag: float
    is_trusted: bool
    is_hidden: bool


class Replica(Server):
    """A replica that look-ups are sent to. `trusted`: the seconds that it may be behind where it
    tells a number on file."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float] = time.monotonic,
        *,
        trusted: float = TRUSTED,
    ) -> None:
        super().__init__(engine, clock)
        self._clock, self._trusted = clock, trusted
        self._holds_all_until = -inf  # of `clock`: it holds all that was committed before
        self._measured_at = -inf
        self._replayed = 0
        self._receiver: int | None = None

    @property
    def lag(self) -> float:
        """Returns the seconds that it is behind, at most, as last measured; infinite where that is
        not known."""
        return self._clock() - self._holds_all_until

    def is_trusted(self) -> bool:
        """Tells whether a number on file is believed."""
        self.observe()
        return self.lag < self._trusted

    def observe(self) -> faults.LookUpFault | None:
        """Measures if it was not measured a moment ago. Others do not wait meanwhile. Returns why
        it did not answer."""
        if not self.circuit.is_closed or self._clock() - self._measured_at < MEASURED_EVERY:
            return None
        self._measured_at = self._clock()
        try:
            with deadlines.within(MEASURING_LIMIT):
                self.measure()
        except (DBAPIError, NoConnection) as error:
            fault = faults.of(faults.REPLICA, error)
            if fault.is_whole:
                self.circuit.record_failure()
            return replace(fault, name=faults.REPLICA)
        return None

    def measure(self) -> Standing:
        """Raises DBAPIError, NoConnection."""
        at = self._clock()
        row = self.ask(lambda connection: connection.execute(STANDING).mappings().one())
        self._measured_at = at
        replayed = int(row["replayed"] or 0)
        is_another = not row["follows"] or replayed < self._replayed  # or was made anew
        before = -inf if is_another else self._holds_all_until
        self._holds_all_until = max(before, at - self._behind(row))
        self._replayed, self._receiver = replayed, row["receiver"]
        is_hidden = row["receiver"] is not None and row["written"] is None
        return Standing(row["follows"], self.lag, self.lag < self._trusted, is_hidden)

    def _behind(self, row: RowMapping) -> float:
        if not row["follows"]:
            return inf
        behind = inf if row["last_commit"] is None else max(0.0, float(row["last_commit"]))
        # A receiver that has just begun has heard nothing yet of what was written since the last.
        has_all = row["written"] is not None and row["replayed"] >= row["written"]
        if has_all and row["receiver"] == self._receiver:
            behind = min(behind, max(0.0, float(row["last_heard"])))
        return behind
