"""The ledger as a batch of messages asks it: what they are likely to look up is read for all of
them at once. What was not read so is asked for by each message alone."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from smsgw.ledger import faults
from smsgw.ledger.sql_ledger import Rows, SqlLedger
from smsgw.ledger.statements import FOR_SEVERAL
from smsgw.ledger.values import nkp_of
from smsgw.storage import deadlines

LIMIT = 0.75  # seconds: shorter than a look-up's, since a whole batch waits
LEFT_ALONE = 30.0  # seconds in which a look-up that failed for several is made by each alone

Lookups = Mapping[str, Collection[str]]  # NKPs by the name of a look-up


class NotFetched(Exception):
    """This look-up was not read for the batch."""


class FetchedLedger(SqlLedger):
    """Knows what was fetched, and what is the same for everybody. Raises NotFetched."""

    def __init__(self, ledger: SqlLedger, wanted: Lookups) -> None:
        vars(self).update(vars(ledger))  # it is one ledger all the same
        self._fetched: dict[tuple[str, str], Rows] = {}
        for name, nkps in wanted.items():
            if nkps and name in FOR_SEVERAL:
                self._fetch(name, sorted(nkps))

    def _rows(self, name: str, **keys: object) -> Rows:
        if not keys:
            return super()._rows(name)
        nkp = keys.get("nkp")
        if len(keys) > 1 or (name, nkp) not in self._fetched:
            raise NotFetched
        return self._fetched[name, str(nkp)]

    def _fetch(self, name: str, nkps: list[str]) -> None:
        """Where it fails nothing is fetched: one NKP may be to blame, which shows when each is
        looked up alone. A ledger that is away is away for all."""
        if time.monotonic() < self._fetch_again.get(name, 0.0):
            return
        circuits = (self._whole.may_pass(), *(self._circuits[name].may_pass(nkp) for nkp in nkps))
        if not all(circuits):
            return
        started = time.monotonic()
        try:
            with self._place(name), deadlines.within(LIMIT):
                rows = self._asked(FOR_SEVERAL[name], {"nkps": nkps})
        except NoConnection:
            return
        except DBAPIError as error:
            self._fetch_again[name] = time.monotonic() + LEFT_ALONE
            fault = faults.of(name, error)
            if fault.is_whole and time.monotonic() - started < LIMIT:
                self._failed(fault, None)
            return
        self._whole.worked()
        found = defaultdict(list)
        for row in rows:
            found[nkp_of(row.key)].append(row)
        if found.keys() <= set(nkps):  # else NKPs are written otherwise there
            self._fetched |= {(name, nkp): found[nkp] for nkp in nkps}
