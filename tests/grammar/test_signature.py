import pytest

from grammar.signature import signature_pattern

PATTERN = signature_pattern(["SENT FROM MY", "DIKIRIM DARI"])


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("SALDO SENT FROM MY IPHONE", "IPHONE"),
        ("SALDO\nDIKIRIM DARI ANDROID", "ANDROID"),
        ("SALDO -- BUDI", " BUDI"),
    ],
)
def test_what_is_written_under_a_message_is_found(text: str, rest: str) -> None:
    found = PATTERN.search(text)
    assert found is not None
    assert (text[: found.start()], found["rest"]) == ("SALDO", rest)


@pytest.mark.parametrize(
    "text", ["SALDO", "-- BUDI", "SALDO --19012345678", "SALDO -- BERAPA?", "SENT FROM MY IPHONE"]
)
def test_a_message_of_its_own_is_no_signature(text: str) -> None:
    assert PATTERN.search(text) is None


def test_dashes_are_found_where_no_words_are_known() -> None:
    assert signature_pattern([]).search("SALDO -- BUDI") is not None
    assert signature_pattern([]).search("SALDO SENT FROM MY IPHONE") is None
