"""Shares what tests of the test phone need."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from smsgw.runtime import Runtime
from smsgw.storage.tables.types import service

FICTITIOUS_PHONE = "+6284000000001"


def all_rows(rt: Runtime) -> dict[str, Sequence[Any]]:
    with rt.reading() as tx:
        return {
            table.name: tx.connection.execute(select(table)).all()
            for table in service.sorted_tables
        }


DAFTAR = "DAFTAR SALDO#3171011708900000#BUDI SANTOSO#17-08-1990#19012345678"
