"""Answers look-ups about many participants from rows that were read for all of them at once.

It is for work that nobody waits for. What it asks is by key, for a slice of participants; a ledger
of millions is never read whole.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from handlers.ports import LedgerDown
from smsgw.ledger.faults import Unanswered
from smsgw.ledger.row_ledger import RowLedger, Rows
from smsgw.ledger.statements import MOST_CLAIMS
from smsgw.ledger.values import nkp_of

LIMIT = 2.0  # seconds of a look-up, as any other


class SliceLedger(RowLedger):
    """Knows what was read for the slice, and what is the same for everybody."""

    def __init__(self, ledger: RowLedger, names: Collection[str], nkps: Sequence[str]) -> None:
        """Raises LedgerDown."""
        vars(self).update(vars(ledger))  # it is one ledger all the same
        self._fetched: dict[str, Mapping[str, Rows]] = {}
        for name in names:
            self._fetched[name] = self._fetch(name, nkps) if nkps else {}

    def _fetch(self, name: str, nkps: Sequence[str]) -> Mapping[str, Rows]:
        if not self._circuits[name].may_pass():
            raise LedgerDown("away a moment ago")
        try:
            rows = self._source.read_slice(name, nkps, LIMIT)
        except Unanswered as error:
            raise LedgerDown(str(error.fault.kind)) from error
        found: dict[str, list[Mapping[Any, Any]]] = defaultdict(list)
        for row in rows:
            found[nkp_of(row["key"])].append(row)
        return found

    def _rows(self, name: str, **keys: object) -> Rows:
        if not keys or name not in self._fetched:
            return super()._rows(name, **keys)
        rows = self._fetched[name].get(str(keys["nkp"]), ())
        return rows[:MOST_CLAIMS] if name == "claims" else rows
