"""The ledger for somebody who may not see whom it holds."""

from typing import Any

from sqlalchemy import Select

from smsgw import phone
from smsgw.ledger import PARTICIPANT, Rows, SqlLedger

NOBODY = ""  # no participant has this NKP


class FictitiousLedger(SqlLedger):
    """Knows offices, rates and contacts, but of participants only made ones, by their phones."""

    def __init__(self, ledger: SqlLedger) -> None:
        super().__init__(ledger.engine, ledger._clock)
        self._circuit, self._kept = ledger._circuit, ledger._kept  # it is one ledger all the same

    def _rows(self, statement: Select[*tuple[Any, ...]], **keys: object) -> Rows:
        """Every look-up comes through here; what concerns somebody is by an NKP or a NIK."""
        if "nkp" in keys and not self._is_fictitious(keys["nkp"]):
            keys["nkp"] = NOBODY
        rows = super()._rows(statement, **keys)
        return [row for row in rows if _is_made(row.phone)] if "nik" in keys else rows

    def _is_fictitious(self, nkp: object) -> bool:
        return any(_is_made(row.phone) for row in super()._rows(PARTICIPANT, nkp=nkp))


def _is_made(number: str | None) -> bool:
    return number is not None and phone.is_fictitious(number)
