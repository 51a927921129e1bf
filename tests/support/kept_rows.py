"""Keeps the rows of a PostgreSQL database beside it, and puts them back for each test.

TRUNCATE makes each table's files anew, which takes fifteen times as long as deleting a few rows.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

# As a replica it runs no triggers, so that the order of tables does not matter. What no test
# changed is left as it is.
PUT_BACK = """
CREATE FUNCTION kept.put_back() RETURNS void LANGUAGE plpgsql
SET session_replication_role = replica
AS $$ BEGIN {statements} END $$
"""
# Whoever an earlier test left writing comes to its end first: what it writes is deleted too.
LOCK = "LOCK TABLE {tables} IN EXCLUSIVE MODE;"
EMPTY = "DELETE FROM public.{table};"
FILL = """
IF EXISTS (TABLE kept.{table} EXCEPT ALL TABLE public.{table})
OR EXISTS (TABLE public.{table} EXCEPT ALL TABLE kept.{table}) THEN
    DELETE FROM public.{table};
    INSERT INTO public.{table} TABLE kept.{table};
END IF;
"""
SEQUENCE = "PERFORM setval('{sequence}', {last}, {is_called});"
SEQUENCES = """
SELECT relname, pg_get_serial_sequence('public.' || relname, 'id')
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relkind IN ('r', 'p') AND NOT relispartition
    AND relnamespace = 'public'::regnamespace AND attname = 'id'
"""


def keep(connection: psycopg.Connection, tables: Sequence[str]) -> None:
    """Keeps what `tables` hold, so that `put_back` can put it back."""
    connection.execute("CREATE SCHEMA kept")
    lock = LOCK.format(tables=", ".join(f"public.{table}" for table in tables))
    statements = [lock, *(_kept(connection, table) for table in tables)]
    for table, sequence in connection.execute(SEQUENCES).fetchall():
        if table in tables and sequence is not None:
            last = _one(connection, f"SELECT max(id) FROM public.{table}")
            numbering = {"last": last or 1, "is_called": last is not None}
            statements.append(SEQUENCE.format(sequence=sequence, **numbering))
    connection.execute(PUT_BACK.format(statements="\n".join(statements)))


def _kept(connection: psycopg.Connection, table: str) -> str:
    """Keeps a table and returns the statement that puts it back."""
    connection.execute(f"CREATE TABLE kept.{table} AS TABLE public.{table}")
    is_filled = _one(connection, f"SELECT EXISTS (TABLE kept.{table})")
    return (FILL if is_filled else EMPTY).format(table=table)


def _one(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row and row[0]


def put_back(connection: psycopg.Connection) -> None:
    connection.execute("SELECT kept.put_back()")
