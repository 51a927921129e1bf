"""Imports the ledger's CSV files: upsert by key, all or nothing.

Whoever reads meanwhile waits for nothing and sees what was there before, until the one commit at
the end: PostgreSQL's readers never wait for writers, and on SQLite the ledger is a file of its own
(settings), whose readers do not either.
"""

from collections.abc import Callable
from datetime import date
from importlib import resources
from pathlib import Path

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from smsgw.ledger import row_import, staged_import
from smsgw.ledger.csv_faults import Faults, LoadError, Rejection, collected
from smsgw.ledger.csv_format import FILES
from smsgw.ledger.load_request import LoadRequest, LoadResult

__all__ = ["LoadError", "LoadResult", "Rejection", "load", "load_into", "reference_folder", "why"]

# What is said of some of PostgreSQL's errors, by the beginning of their SQLSTATE.
REMEDIES = {
    "25006": "; it is read-only, as a standby is: give the address of the primary",
    "23505": "; another one wrote the same rows meanwhile: load again",
    "42501": "; its user may not create tables or write there: load as the owner of the tables",
    "53100": "; its disk is full: an import needs four times the room of its files",
    "57": "; it was stopped: load again when it is back",
    "08": "; the connection was lost: load again when it is back",
}


def load(
    engine: Engine,
    folder: Path,
    *,
    replace: bool = False,
    since: date | None = None,
    rejection: Rejection | None = None,
    progress: Callable[[int], object] = lambda octets: None,
    begin_step: Callable[[str], object] = lambda name: None,
) -> dict[str, LoadResult]:
    """Returns what became of each file of `folder`. Files that are absent are left alone.

    `replace` also deletes what a present file no longer holds; `since` leaves out older rows; with
    a rejection some bad rows may be left out. Raises LoadError.
    """
    request = LoadRequest(_present(folder), replace, since, progress, begin_step)
    try:
        with collected(rejection) as faults:
            if engine.dialect.name == "postgresql":
                return staged_import.load(engine, request, faults)
            with engine.begin() as connection:
                return _load_rows(connection, request, faults)
    except (DBAPIError, psycopg.Error) as error:
        raise LoadError(f"the ledger could not be written{why(error)}") from None


def why(error: DBAPIError | psycopg.Error) -> str:
    """Returns the rest of a sentence."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if "database is locked" in str(original):
        return "; another one writes it, try again when that has ended"
    state = getattr(original, "sqlstate", None) or ""
    remedy = next((says for known, says in REMEDIES.items() if state.startswith(known)), None)
    return f" ({type(original).__name__}){remedy or '; run smsgw migrate first'}"


def load_into(connection: Connection, folder: Path) -> dict[str, LoadResult]:
    """Does the same in the caller's transaction, which must not be committed after LoadError."""
    return _load_rows(connection, LoadRequest(_present(folder)), Faults())


def _load_rows(
    connection: Connection, request: LoadRequest, faults: Faults
) -> dict[str, LoadResult]:
    results = row_import.load(connection, request, faults)
    faults.raise_if_any()
    return results


def _present(folder: Path) -> dict[str, Path]:
    present = {name: path for name in FILES if (path := folder / f"{name}.csv").is_file()}
    if not present:
        raise LoadError(f"{folder} holds none of {', '.join(f'{name}.csv' for name in FILES)}")
    return present


def reference_folder() -> Path:
    """Returns the folder of the packaged ledger of fictitious people."""
    return Path(str(resources.files("smsgw.ledger") / "seeds"))
