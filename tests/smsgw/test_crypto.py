import pytest

from smsgw.crypto import Unreadable, Vault

VAULT = Vault("a key for tests, of no use elsewhere")


def test_what_is_sealed_opens_in_its_column_alone() -> None:
    sealed = VAULT.encrypt("SALDO 👍", "messages.text")
    assert VAULT.decrypt(sealed, "messages.text") == "SALDO 👍"
    assert sealed != VAULT.encrypt("SALDO 👍", "messages.text")
    for vault, column in ((VAULT, "replies.text"), (Vault("another key"), "messages.text")):
        with pytest.raises(Unreadable):
            vault.decrypt(sealed, column)
    with pytest.raises(Unreadable):
        VAULT.decrypt(b"\x02" + sealed[1:], "messages.text")


def test_the_hash_finds_a_value_of_its_kind_again() -> None:
    assert VAULT.hash("1", "nkp") == VAULT.hash("1", "nkp")
    assert len({VAULT.hash("1", "nkp"), VAULT.hash("1", "phone"), VAULT.hash("2", "nkp")}) == 3
    assert VAULT.hash("1", "nkp") != Vault("another key").hash("1", "nkp")
