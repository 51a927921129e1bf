"""Fills tables of PostgreSQL with millions of rows that take up room, and binds a few phones.

Rows are made by the database. Nothing in them can be opened, so nothing may read them: their phones
write no messages, and what they said was answered long ago.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer

import psycopg

from smsgw.runtime import Runtime
from smsgw.storage import partitions
from smsgw.storage.monthly_ids import FIRST, MONTH, month_of, months_between
from smsgw.storage.tables.security import Ciphertext
from tests.support.bench_traffic import SENDER_ID, bind_phones, nkp_of
from tests.support.service_set import connect

FAST = {
    "session_replication_role": "replica",  # references are not checked
    "synchronous_commit": "off",
    "maintenance_work_mem": "512MB",
}
A_PHONE = 10  # messages of one phone
BOUND = 10  # one in so many participants has a phone that is bound
DAYS = 85  # that messages with a text are spread over: they are kept for 90 days
YEARS = 2  # that messages without one are spread over
REPLY = "Saldo JHT NKP *******5678 per 31-10-2025: Rp12.345.678. Status AKTIF. Iuran terakhir Okt."

MONTH_ID = f"""
CREATE FUNCTION month_id(at timestamptz) RETURNS bigint IMMUTABLE RETURN
CASE WHEN at >= TIMESTAMPTZ '2026-01-01 00:00+00'
    THEN to_char(at AT TIME ZONE 'UTC', 'YYMM')::bigint * {MONTH} ELSE 0 END"""
PEOPLE = """
INSERT INTO participants (nkp, nik, name, birth_date, phone, status)
SELECT (80000000000 + n)::text, '3273' || lpad(n::text, 12, '0'), 'Ani', DATE '1990-01-01',
    CASE WHEN n %% %(step)s = 0 AND n / %(step)s < %(bound)s
        THEN '+62812' || lpad((n / %(step)s)::text, 8, '0')
        ELSE '+62899' || lpad(n::text, 8, '0') END, 'AKTIF'
FROM generate_series(0, %(number)s - 1) n"""
BALANCES = """
INSERT INTO balances (nkp, as_of, total)
SELECT (80000000000 + n)::text, date_trunc('month', now())::date, 12345678
FROM generate_series(0, %(number)s - 1) n"""
CONTRIBUTIONS = """
INSERT INTO contributions (nkp, month, jht)
SELECT (80000000000 + n)::text, date_trunc('month', now())::date, 1
FROM generate_series(0, %(number)s - 1) n"""
PHONES = """
INSERT INTO phones (hash, number, version)
SELECT sha256(('phone ' || %(first)s + n)::bytea), %(phone)s, 1
FROM generate_series(0, %(number)s - 1) n"""
BINDINGS = """
INSERT INTO bindings (phone_id, nkp_hash, nkp, bound_at, consented_at, on_file, on_file_hash,
    made_by, used_at, mac)
SELECT %(first)s + n, sha256(('nkp ' || n)::bytea), %(nkp)s, now(), now(), %(phone)s,
    sha256(('file ' || n)::bytea), 'consent', now(), '\\x01'::bytea || sha256(('mac ' || n)::bytea)
FROM generate_series(0, %(number)s - 1) n"""
MESSAGES = """
INSERT INTO messages (id, carrier, carrier_ref, sender_id, phone_id, text, text_hash, received_at,
    keyword, outcome, state)
SELECT month_id(at) + nextval('messages_id_seq'), 'twilio',
    'SMfill' || lpad(n::text, 28, '0'), %(sender_id)s, %(first)s + n %% %(phones)s,
    %(said)s, CASE WHEN %(said)s IS NOT NULL THEN sha256(n::text::bytea) END,
    at, 'saldo', 'answered', 'answered'
FROM (SELECT n, now() - interval '1 day' * (%(days)s * (1 - n / %(number)s::float)) AS at
    FROM generate_series(0, %(number)s - 1) n) each"""
REPLIES = """
INSERT INTO replies (id, message_id, phone_id, carrier, sender_id, text, wording, encoding,
    segments, state, priority, made_at, expires_at, attempts, carrier_ref, waited)
SELECT month_id(received_at) + nextval('replies_id_seq'), id, phone_id, carrier, sender_id,
    %(told)s, 'saldo.answer', 'GSM-7', 1, 'delivered', 0,
    received_at, received_at + interval '2 hours', 1, 'SM' || lpad(id::text, 32, '0'), 1.0
FROM messages"""
ATTEMPTS = """
INSERT INTO attempts (id, reply_id, started_at, ended_at, ending, carrier_ref)
SELECT month_id(made_at) + nextval('attempts_id_seq'), id, made_at, made_at, 'sent', carrier_ref
FROM replies"""
AUDIT = """
INSERT INTO audit (at, actor, act, phone_id, message_id, subject, salt, mac, number, seal)
SELECT received_at, 'participant', 'disclosed', phone_id, id, sha256(('nkp ' || phone_id)::bytea),
    decode(md5(id::text), 'hex'), sha256(('mac ' || id)::bytea), row_number() OVER (ORDER BY id),
    sha256(('seal ' || id)::bytea)
FROM messages"""
HEAD = """
INSERT INTO audit_head (id, number, seal) SELECT 1, count(*), sha256('seal') FROM audit"""
# The hours before are not counted again, as if a clock had run all the time.
COUNTED = """
INSERT INTO tallies (hour, carrier, keyword, outcome, reason, messages, answered)
VALUES (date_trunc('hour', now()), '', '', '', '', 0, 0)"""


@dataclass(frozen=True)
class Size:
    """Says how many rows there are. `has_texts`: not once their time is over."""

    participants: int
    messages: int
    has_texts: bool = True


def fill(rt: Runtime, size: Size, bound: int, limit: float) -> None:
    """Fills empty tables, and binds the phones of `bound` participants who are spread evenly.
    Raises QueryCanceled after `limit` seconds."""
    step = size.participants // bound
    make_partitions(rt)
    samples = _samples(rt)
    with connect(rt.settings.service_url) as connection, _at_most(limit, connection):
        for name, value in FAST.items():
            connection.execute(f"SET {name} = '{value}'")
        people = {"number": size.participants, "step": step, "bound": bound}
        _run(connection, "participants", PEOPLE, people)
        _run(connection, "balances", BALANCES, people)
        _run(connection, "contributions", CONTRIBUTIONS, people)
        others = {"number": size.participants // BOUND, **samples}
        _run(connection, "bindings", BINDINGS, others | {"first": _phones(connection, others)})
        _messages(connection, size, samples)
        bind_phones(rt, [nkp_of(index * step) for index in range(bound)])
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def make_partitions(rt: Runtime) -> None:
    """Makes those of the months until now, and a function of the database that tells the lowest id
    of a month."""
    months = months_between(FIRST * MONTH, month_of(rt.now()) * MONTH)
    partitions.make(rt.service, months)
    with rt.service.begin() as connection:
        connection.exec_driver_sql(MONTH_ID)


@contextmanager
def _at_most(seconds: float, connection: psycopg.Connection) -> Iterator[None]:
    """Cancels the statement that runs after so long."""
    timer = Timer(seconds, connection.cancel)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _messages(connection: psycopg.Connection, size: Size, samples: dict[str, bytes]) -> None:
    senders = {"number": size.messages // A_PHONE, **samples}
    if not size.has_texts:  # such phones are forgotten
        senders |= {"phone": None}
    values = {
        "first": _phones(connection, senders), "phones": senders["number"],
        "number": size.messages, "sender_id": SENDER_ID,
        "days": DAYS if size.has_texts else YEARS * 365,
        "said": samples["said"] if size.has_texts else None,
        "told": samples["told"] if size.has_texts else None,
    }  # fmt: skip
    _run(connection, "messages", MESSAGES, values)
    _run(connection, "replies", REPLIES, values)
    _run(connection, "attempts", ATTEMPTS, {})
    _run(connection, "audit", AUDIT, {})
    connection.execute(HEAD)
    connection.execute(COUNTED)


def _phones(connection: psycopg.Connection, values: dict[str, object]) -> int:
    """Returns the id of the first one."""
    (first,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM phones").fetchone()
    _run(connection, "phones", PHONES, {**values, "first": first})
    return int(first)


def _samples(rt: Runtime) -> dict[str, bytes]:
    """Returns ciphertexts as long as real ones."""
    encrypt = rt.vault.encrypt
    return {
        "phone": encrypt("+6281200000000", Ciphertext.PHONE, b""),
        "nkp": encrypt("80000000000", Ciphertext.NKP, b""),
        "said": encrypt("SALDO", Ciphertext.MESSAGE, b"", 1),
        "told": encrypt(REPLY, Ciphertext.REPLY, b"", 1, 1),
    }


def _run(
    connection: psycopg.Connection, table: str, statement: str, values: dict[str, object]
) -> None:
    with _without_indexes(connection, table), psycopg.ClientCursor(connection) as cursor:
        cursor.execute(statement, values or None)


@contextmanager
def _without_indexes(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Makes the indexes that guard nothing anew afterwards, which takes half of the time."""
    found: Sequence[tuple[str, str]] = connection.execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i "
        "WHERE i.indrelid = %s::regclass AND NOT i.indisunique",
        [table],
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, definition in found:
        connection.execute(definition.replace(" ON ONLY ", " ON "))  # and on its partitions
