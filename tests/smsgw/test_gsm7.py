import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.gsm7 import BASIC, EXTENSION, Encoding, count, is_gsm7, split, to_gsm7
from tests.vectors.make_texts import texts

VECTORS = Path(__file__).parent.parent / "vectors"
PUBLISHED = json.loads((VECTORS / "segments.json").read_text("utf-8"))
any_text = st.text(st.characters(codec=None), max_size=400)
costly_text = st.text(st.sampled_from("a{€é😀日‘\r\n\u200d\u0301🇮🇩\ud800"), max_size=400)


def test_the_table_matches_the_standard() -> None:
    """3GPP TS 23.038 has 127 characters beside the escape, and 10 behind it."""
    assert len(set(BASIC)) == 127
    assert len(set(EXTENSION)) == 10
    assert [BASIC.index(letter) for letter in "@$A_"] == [0, 2, 0x41 - 1, 0x11]


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row['source']}: {row['name']}")
def test_published_vectors(row: dict[str, object]) -> None:
    text = "".join(part * times for part, times in row["text"])
    counted = count(text)
    assert (counted.encoding, counted.segments) == (row["encoding"], row["segments"])
    assert "units" not in row or counted.units == row["units"]


def test_segments_match_the_reference_counts() -> None:
    """The counts are from npm's sms-segments-calculator, for 5,000 random texts; see
    tests/vectors/README.md."""
    judged = (VECTORS / "segments_judged.txt").read_text().splitlines()
    ours = [f"{counted.encoding} {counted.segments}" for counted in map(count, texts())]
    assert len(judged) == 5000
    assert ours == judged


@given(st.one_of(any_text, costly_text))
@settings(max_examples=200)
def test_parts_contain_the_text_and_split_no_character(text: str) -> None:
    parts, counted = split(text), count(text)
    assert "".join(parts) == text
    assert len(parts) == counted.segments
    limit = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}[counted.encoding]
    for part in parts:
        is_cheap = counted.encoding is Encoding.GSM_7
        size = (
            len(part) + sum(map(part.count, EXTENSION))
            if is_cheap
            else len(part.encode("utf-16-le", "surrogatepass")) // 2
        )
        assert size <= limit[len(parts) > 1]


@given(any_text)
@settings(max_examples=200)
def test_converting_a_value_is_idempotent(text: str) -> None:
    value = to_gsm7(text)
    assert set(value) <= set(BASIC) - set("\r\n")
    assert to_gsm7(value) == value
    assert is_gsm7(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("“Siti’s”", '"Siti\'s"'),
        ("a–b…", "a-b..."),
        ("Nurul\u200b Huda\xa0", "Nurul Huda "),
        ("Ça va, Åsa é ç ł", "Ça va, Åsa é c l"),
        ("[x] {y}", "(x) (y)"),
        ("１２３", "123"),
        ("日本", "??"),
        ("a\nb", "a b"),
    ],
)
def test_values_are_converted(text: str, value: str) -> None:
    assert to_gsm7(text) == value
