"""Answers the look-ups of a batch of messages from rows that were read for all of them at once."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from smsgw.ledger.faults import Unanswered
from smsgw.ledger.row_ledger import RowLedger, Rows
from smsgw.ledger.values import nkp_of

LIMIT = 0.75  # seconds: shorter than a look-up's, since a whole batch waits
LEFT_ALONE = (
    30.0  # seconds in which a look-up that failed for a batch is made by each message alone
)

Lookups = Mapping[str, Collection[str]]  # NKPs by the name of a look-up


class NotFetched(Exception):
    """The look-up was not read for the batch."""


class BatchLedger(RowLedger):
    """Knows what was read for the batch, and what is the same for everybody. Any other look-up
    raises NotFetched."""

    def __init__(self, ledger: RowLedger, lookups: Lookups) -> None:
        vars(self).update(vars(ledger))  # it is one ledger all the same
        self._fetched: dict[tuple[str, str], Rows] = {}
        wanted = {
            name: sorted(nkps)
            for name, nkps in lookups.items()
            if nkps and name in self._source.together and self._may_fetch(name)
        }
        if wanted:
            self._fetch(wanted)

    def _rows(self, name: str, **keys: object) -> Rows:
        if not keys:
            return super()._rows(name)
        number, *_ = keys.values()
        if (name, number) not in self._fetched:
            raise NotFetched
        return self._fetched[name, str(number)]

    def _may_fetch(self, name: str) -> bool:
        """A look-up that failed a moment ago is tried by one message alone, as its circuit says."""
        is_due = time.monotonic() >= self._fetch_again.get(name, 0.0)
        return is_due and self._circuits[name].is_closed

    def _fetch(self, lookups: Mapping[str, Sequence[str]]) -> None:
        """Leaves a look-up to each message alone where it fails."""
        started = time.monotonic()
        for name, found in self._source.read_several(lookups, LIMIT):
            if isinstance(found, Unanswered):
                self._leave_alone(name, found, time.monotonic() - started)
            else:
                self._keep(name, lookups[name], found)
            started = time.monotonic()

    def _keep(self, name: str, nkps: Sequence[str], rows: Rows) -> None:
        found = defaultdict(list)
        for row in rows:
            found[nkp_of(row["key"])].append(row)
        # Otherwise NKPs are written in another way there.
        if found.keys() <= set(nkps):
            self._fetched |= {(name, nkp): found[nkp] for nkp in nkps}

    def _leave_alone(self, name: str, error: Unanswered, took: float) -> None:
        if not error.was_asked:
            return
        self._fetch_again[name] = time.monotonic() + LEFT_ALONE
        # A slow look-up may be slow for one NKP, which shows when each is looked up alone.
        if error.fault.is_whole and took < LIMIT:
            self._record_fault(error.fault, None)
