"""An answer to an open question is read from what leads it, and each word of answers is needed."""

import pytest

from smsgw.configuration import compiler
from tests.support.sentences import ADVICE, needless


def answer(text: str) -> str | None:
    said = compiler.load_shipped().grammar.parse(text)
    return said.as_answer or (said.keyword if said.keyword in {"ya", "tidak"} else None)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("muhun", "ya"),
        ("pak iyaaa", "ya"),
        ("setuju pak, daftarkan", "ya"),
        ("makasih ya, setuju", "ya"),
        ("leres 2757", "ya"),
        ("gak jadi deh pak", "tidak"),
        ("pak moh ah", "tidak"),
        ("👎", "tidak"),
        ("yg b aja pak", "B"),
        ("pilih nomor 2", "B"),
        ("yang kedua", "B"),
    ],
)
def test_an_answer_is_read_in_whichever_words(text: str, meant: str) -> None:
    assert answer(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "ya tapi nanti",
        "setuju gak ya",
        "iya dulu deh, besok saja",
        "muhun?",
        "leres 19012345678",
        "kok ya",
        "gak masalah",
        "👎 👍 ❌ a b",
        "a b",
        "yg mana",
        "",
    ],
)
def test_what_asks_or_takes_back_or_says_several_is_no_answer(text: str) -> None:
    assert answer(text) is None


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["answers.", "with_courtesy"])
def test_each_word_is_needed_by_an_answer(place: str) -> None:
    assert needless(place) == [], ADVICE
