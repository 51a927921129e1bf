import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.storage.crypto import Keys, Part, Unreadable, Vault, Wrapper, json_list, json_of, new_key


def vault() -> Vault:
    keys = Keys({1: new_key()}, 1, new_key())
    return Vault(lambda: keys)


def test_ciphertext_decrypts_only_in_its_own_column() -> None:
    own, other = vault(), vault()
    sealed = own.encrypt("SALDO 👍", "messages.text")
    assert own.decrypt(sealed, "messages.text") == "SALDO 👍"
    assert sealed != own.encrypt("SALDO 👍", "messages.text")
    for each, column in ((own, "replies.text"), (other, "messages.text")):
        with pytest.raises(Unreadable):
            each.decrypt(sealed, column)
    with pytest.raises(Unreadable):
        own.decrypt(b"\x02" + sealed[1:], "messages.text")


def test_the_hash_finds_a_value_of_its_kind_again() -> None:
    own = vault()
    assert own.hash("1", "nkp") == own.hash("1", "nkp")
    assert len({own.hash("1", "nkp"), own.hash("1", "phone"), own.hash("2", "nkp")}) == 3
    assert own.hash("1", "nkp") != vault().hash("1", "nkp")


def test_a_new_key_is_loaded_when_needed() -> None:
    first, second = new_key(), new_key()
    held = [Keys({1: first}, 1, first)]
    reader, writer = Vault(lambda: held[-1]), Vault(lambda: Keys({1: first, 2: second}, 2, first))
    assert reader.active == 1
    sealed = writer.encrypt("SALDO", "messages.text")
    assert sealed[0] == 2
    held.append(Keys({1: first, 2: second}, 2, first))
    assert reader.decrypt(sealed, "messages.text") == "SALDO"
    assert reader.active == 2


def test_a_wrapped_key_opens_with_its_secret_and_under_its_name() -> None:
    key = new_key()
    wrapped = Wrapper(["one"]).wrap(key, "key 1")
    assert Wrapper(["one"]).unwrap(wrapped, "key 1") == key
    assert Wrapper(["two", "one"]).unwrap(wrapped, "key 1") == key
    for wrapper, name in ((Wrapper(["two"]), "key 1"), (Wrapper(["one"]), "key 2")):
        with pytest.raises(Unreadable):
            wrapper.unwrap(wrapped, name)


PARTS = st.one_of(
    st.text(st.characters(), max_size=20),
    st.integers(),
    st.booleans(),
    st.none(),
    st.binary(max_size=40),
    st.dates(),
    st.datetimes(timezones=st.timezones()).filter(lambda at: at.year > 1),
)


@given(st.lists(PARTS, max_size=6))
def test_what_names_a_row_is_written_as_json(parts: list[Part]) -> None:
    """What was sealed or signed before opens only if this is the same to the octet."""
    assert json_list(map(json_of, parts)) == json.dumps([plain(part) for part in parts])


def plain(part: Part) -> str | int | None:
    if isinstance(part, bytes):
        return part.hex()
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat()
    return part.isoformat() if isinstance(part, date) else part
