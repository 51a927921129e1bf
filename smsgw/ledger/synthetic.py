"""Fictitious participants, for load and demonstration. Nobody can be harmed by them: their NIKs end
in 0000, which is never issued, and their phones begin with what is never assigned."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from random import Random

from sqlalchemy import Connection, Engine, Table, delete, select

from smsgw import phone
from smsgw.ledger import staged_import
from smsgw.storage.tables.ledger import balances, contributions, participants, programs

FIRST_NKP = 90_000_000_000
MONTHS_PAID = 2  # rows a participant: enough for SALDO, and a million in about a minute
BATCH = 2_000  # participants
FIRST_NAMES = [
    "Agus",
    "Budi",
    "Citra",
    "Dewi",
    "Eka",
    "Fitri",
    "Gilang",
    "Hana",
    "Indra",
    "Joko",
    "Kartika",
    "Lina",
    "Made",
    "Nur",
]
LAST_NAMES = [
    "Santoso",
    "Wijaya",
    "Siregar",
    "Putri",
    "Hidayat",
    "Lestari",
    "Nugroho",
    "Simatupang",
    "Utami",
    "Wenda",
]
PROVINCES = (11, 12, 31, 32, 33, 35, 51, 64, 73, 91)
AS_OF = date(2025, 9, 30)
JOINED = date(2005, 1, 1)

Rows = dict[Table, list[tuple[object, ...]]]


class NumbersTaken(Exception):
    """Real participants have NKPs in the range of the made ones."""


def make(
    engine: Engine,
    count: int,
    seed: int = 0,
    progress: Callable[[int], object] = lambda synthetic_rows: None,
) -> None:
    """Makes `count` participants, the same for the same seed. They replace those of an earlier run.

    Raises NumbersTaken or LoadError, having changed nothing.
    """
    last = str(FIRST_NKP + count - 1)
    synthetic_rows = select(participants.c.nkp).where(
        participants.c.nkp >= str(FIRST_NKP), participants.c.phone.like(f"{phone.FICTITIOUS}%")
    )
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            staged_import.take_lock(connection)
        for table in (programs, balances, contributions, participants):
            connection.execute(delete(table).where(table.c.nkp.in_(synthetic_rows)))
        taken = participants.c.nkp.between(str(FIRST_NKP), last)
        if connection.execute(select(participants.c.nkp).where(taken).limit(1)).first():
            raise NumbersTaken
        numbers = iter(range(count))
        while batch := list(islice(numbers, BATCH)):
            for table, rows in _rows(batch, Random(f"{seed} {batch[0]}")).items():
                _write(connection, table, rows)
            progress(len(batch))


def _rows(numbers: list[int], chance: Random) -> Rows:
    rows: Rows = {participants: [], programs: [], balances: [], contributions: []}
    for number in numbers:
        nkp = str(FIRST_NKP + number)
        since = JOINED + timedelta(days=chance.randrange(7_000))
        rows[participants].append(_participant(nkp, number, since, chance))
        rows[programs] += [(nkp, program, since, None) for program in ("JHT", "JKK", "JKM")]
        paid, gained = chance.randrange(10**6, 10**8), chance.randrange(10**5, 10**7)
        amounts = (Decimal(paid), Decimal(gained), Decimal(paid + gained))
        rows[balances].append((nkp, AS_OF, *amounts))
        rows[contributions] += _contributions(nkp, Decimal(paid // 200))
    return rows


def _participant(nkp: str, number: int, since: date, chance: Random) -> tuple[object, ...]:
    born = date(1965, 1, 1) + timedelta(days=chance.randrange(14_000))
    nik = f"{chance.choice(PROVINCES)}{chance.randrange(100, 9999):04}{born:%d%m%y}0000"
    name = f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}"
    number_on_file = f"{phone.FICTITIOUS}{number:09}"
    nobody = (None, None, None, None)
    return (nkp, nik, name, born, number_on_file, None, "PU", "AKTIF", since, *nobody)


def _contributions(nkp: str, jht: Decimal) -> Iterator[tuple[object, ...]]:
    for month in range(MONTHS_PAID):
        first = date(AS_OF.year, AS_OF.month - month, 1)
        yield (nkp, first, jht, jht // 2, jht // 10, jht // 20, None, first + timedelta(days=40))


def _write(connection: Connection, table: Table, rows: list[tuple[object, ...]]) -> None:
    names = [column.name for column in table.columns]
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])


def _copy(connection: Connection, table: Table, rows: list[tuple[object, ...]]) -> None:
    """Copies rows in PostgreSQL's own bulk format, at ten times an INSERT's speed."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    driver = connection.connection.cursor()
    with driver.copy(f"COPY {table.name} FROM STDIN (FORMAT csv)") as copy:
        copy.write(text.getvalue())
