from pathlib import Path

from smsgw import addresses


def test_only_a_sqlite_address_names_a_file() -> None:
    assert addresses.sqlite_file("sqlite:////var/smsgw.db") == Path("/var/smsgw.db")
    assert addresses.sqlite_file("sqlite:///:memory:") is None
    assert addresses.sqlite_file("sqlite://") is None
    assert addresses.sqlite_file("postgresql://user@host/name") is None
    assert addresses.sqlite_file(None) is None


def test_another_file_keeps_the_rest_of_the_address() -> None:
    beside = addresses.with_file("sqlite:////var/smsgw.db?timeout=9", Path("/var/ledger.db"))
    assert beside == "sqlite:////var/ledger.db?timeout=9"
    assert addresses.is_sqlite(beside)
    assert not addresses.is_sqlite("postgresql+psycopg://user@host/name")
