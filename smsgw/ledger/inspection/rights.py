"""Checks that the ledger's role may read and nothing else."""

import re
from collections.abc import Iterator

from sqlalchemy import Connection, text

from smsgw.ledger.inspection.finding import Finding

PLACE = "rights"
NAMED = 5
# What the role may write or make, beyond its own temporary tables.
POSTGRESQL = """
    SELECT * FROM (
        SELECT 'is a superuser' AS what FROM pg_roles WHERE rolname = current_user AND rolsuper
        UNION ALL
        SELECT what FROM (
            SELECT 'may write ' || c.oid::regclass AS what FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^(pg_|information_schema$)'
                AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                AND has_schema_privilege(n.oid, 'USAGE')
            LIMIT :named) tables
        UNION ALL
        SELECT 'may make tables in schema ' || nspname FROM pg_namespace
        WHERE nspname !~ '^(pg_|information_schema$)' AND has_schema_privilege(oid, 'CREATE')
        UNION ALL
        SELECT 'may make schemas' WHERE has_database_privilege(current_database(), 'CREATE')
    ) found LIMIT :named
"""
READS = {
    "USAGE",
    "SELECT",
    "SHOW VIEW",
    "SHOW DATABASES",
    "PROCESS",
    "EXECUTE",
    "REPLICATION CLIENT",
    "REPLICA MONITOR",
    "SLAVE MONITOR",
    "BINLOG MONITOR",
}
GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<where>.+?) TO ")


def check(connection: Connection) -> Iterator[Finding]:
    if connection.dialect.name == "postgresql":
        found = list(connection.execute(text(POSTGRESQL), {"named": NAMED}).scalars())
        if found and found[0] == "is a superuser":
            found = found[:1]  # and so may all the rest
    elif connection.dialect.name == "mysql":
        grants = connection.execute(text("SHOW GRANTS FOR CURRENT_USER")).scalars()
        found = [each for grant in grants for each in _writes(str(grant))][:NAMED]
    else:
        return
    remedy = "give LEDGER_URL a role of its own that may only read: GRANT SELECT on the views alone"
    if found:
        yield Finding(PLACE, f"the role {'; '.join(found)}", remedy)


def _writes(grant: str) -> Iterator[str]:
    """Yields what a grant lets its role do beside reading."""
    parsed = GRANT.match(grant)
    if parsed is None:
        return  # a role, whose own grants are listed too
    granted = re.sub(r"\([^)]*\)", "", parsed["rights"]).split(",")
    others = {each.strip() for each in granted} - READS
    if others:
        yield f"has {', '.join(sorted(others))} on {parsed['where']}"
