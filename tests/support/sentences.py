"""Shares what the tests of sentences read: the shipped words and the sentences that need them."""

from functools import cache

from smsgw.configuration import validation
from smsgw.configuration.document import Document
from tools.sentences.__main__ import examples, read
from tools.sentences.coverage import unnoticed
from tools.sentences.word_lists import Listed, words_in

ADVICE = "python -m tools.sentences --write adds a sentence for each, or says that it can go"


@cache
def shipped() -> Document:
    return validation.load_shipped()


@cache
def sentences() -> list[str]:
    return [text for listed in read().values() for text in listed]


def needless(place: str) -> list[str]:
    """Returns the words of these lists that can be dropped without any sentence being read in
    another way."""
    document = shipped()
    listed: list[Listed] = [
        each for each in words_in(document.words) if each.place.startswith(place)
    ]
    return [str(each) for each in unnoticed(document, listed, [*examples(), *sentences()])]
