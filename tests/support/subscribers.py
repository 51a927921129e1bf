"""Fills a database with participants, some of whom are bound to a phone and have subscribed."""

from collections.abc import Sequence
from datetime import timedelta

import psycopg

from handlers.changes import NotificationKind
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.runtime import Runtime
from smsgw.storage import migrations, row_macs
from smsgw.storage.tables.security import Ciphertext

BALANCE = NotificationKind.BALANCE
FIRST_NKP, FIRST_PHONE = 80_000_000_000, 10_000_000
AT_ONCE = 5_000
PEOPLE = """
INSERT INTO participants (nkp, phone, name, status)
SELECT (%(nkp)s + n)::text, '+62812' || (%(phone)s + n)::text, 'Ani', 'AKTIF'
FROM generate_series(0, %(number)s - 1) n"""
BALANCES = """
INSERT INTO balances (nkp, as_of, total)
SELECT (%(nkp)s + n)::text, DATE '2026-10-31', 1000000 + n
FROM generate_series(0, %(number)s - 1) n"""


def fill(rt: Runtime, url: str, participants: int, subscribed: int) -> None:
    migrations.upgrade(rt.service, "service")
    migrations.upgrade(rt.ledger.engine, "ledger")
    load(rt.ledger.engine, reference_folder())
    given = {"nkp": FIRST_NKP, "phone": FIRST_PHONE, "number": participants}
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in (PEOPLE, BALANCES):
            connection.execute(statement, given)
        step = participants // subscribed
        for first in range(0, subscribed, AT_ONCE):
            some = range(first, min(first + AT_ONCE, subscribed))
            _copy(rt, connection, [(index, index * step) for index in some])
        connection.execute("SELECT setval('phones_id_seq', (SELECT max(id) FROM phones))")
        connection.execute("SELECT setval('bindings_id_seq', (SELECT max(id) FROM bindings))")
        connection.execute("VACUUM ANALYZE")


def _copy(rt: Runtime, connection: psycopg.Connection, some: Sequence[tuple[int, int]]) -> None:
    """Copies phones that are bound and have asked; of each (its place, its participant's)."""
    made = [_rows(rt, place + 1, FIRST_NKP + at, f"+62812{FIRST_PHONE + at}") for place, at in some]
    names = {
        "phones": "id, hash, number, version",
        "bindings": "id, phone_id, nkp_hash, nkp, bound_at, consented_at, on_file, on_file_hash, "
        "made_by, used_at, mac",
        "subscriptions": "kind, phone_id, consented_at, mac",
    }
    with connection.cursor() as cursor:
        for number, (table, columns) in enumerate(names.items()):
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for rows in made:
                    copy.write_row(rows[number])


def _rows(
    rt: Runtime, id_: int, participant: int, number: str
) -> tuple[tuple[object, ...], tuple[object, ...], tuple[object, ...]]:
    vault, nkp, at = rt.vault, str(participant), rt.now() - timedelta(days=1)
    phone_hash, nkp_hash = vault.hash(number, "phone"), vault.hash(nkp, "nkp")
    sealed = vault.encrypt(number, Ciphertext.PHONE, phone_hash)
    proven = {
        "phone": phone_hash,
        "nkp_hash": nkp_hash,
        "on_file_hash": phone_hash,
        "made_by": "consent",
        "tells_from": None,
        "consented_at": at,
    }
    asked = {"phone": phone_hash, "kind": BALANCE, "consented_at": at}
    bound = (
        *(id_, id_, nkp_hash, vault.encrypt(nkp, Ciphertext.NKP, nkp_hash), at, at),
        vault.encrypt(number, Ciphertext.ON_FILE, phone_hash),
        *(phone_hash, "consent", at, row_macs.BINDING.make(vault, proven)),
    )
    subscribed = (str(BALANCE), id_, at, row_macs.SUBSCRIPTION.make(vault, asked))
    return (id_, phone_hash, sealed, 1), bound, subscribed
