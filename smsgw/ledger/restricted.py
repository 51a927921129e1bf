"""Restricts the ledger for somebody who may not see whom it holds."""

from smsgw import phone
from smsgw.ledger.row_ledger import RowLedger, Rows
from smsgw.ledger.statements import NOBODY


class FictitiousLedger(RowLedger):
    """Knows offices, rates and contacts, but of participants only made ones, by their phones."""

    may_fetch = False  # each look-up has to pass `_rows`

    def __init__(self, ledger: RowLedger) -> None:
        vars(self).update(vars(ledger))  # it is one ledger all the same

    def _rows(self, name: str, **keys: object) -> Rows:
        """Every look-up comes through here; what concerns somebody is by an NKP or a NIK."""
        if "nkp" in keys and not self._is_fictitious(keys["nkp"]):
            keys["nkp"] = NOBODY["nkp"]
        rows = super()._rows(name, **keys)
        return [row for row in rows if _is_made(row["phone"])] if "nik" in keys else rows

    def _is_fictitious(self, nkp: object) -> bool:
        return any(_is_made(row["phone"]) for row in super()._rows("participant", nkp=nkp))


def _is_made(number: object) -> bool:
    return phone.is_fictitious(str(number))
