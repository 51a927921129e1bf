"""Names every word of the configuration by which sentences and answers are read."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from grammar import AnswerWords, Words

FLAT = ("with_courtesy", "function_words", "unrelated")
OF_ANSWERS = ("yes", "no", "unsure", "with_yes", "with_no", "with_choice")
Several = TypeVar("Several", tuple[str, ...], frozenset[str])


@dataclass(frozen=True, slots=True)
class Listed:
    """Holds a word or a phrase, and the list that it stands in: concepts.CARD."""

    place: str
    word: str

    def __str__(self) -> str:
        return f"{self.place}: {self.word}"


def words_in(words: Words) -> list[Listed]:
    """Returns every word of concepts, of answers and of what stands beside them."""
    lists: dict[str, Iterable[str]] = {name: getattr(words, name) for name in FLAT}
    lists |= {f"concepts.{name}": listed for name, listed in words.concepts.items()}
    lists |= {f"answers.{name}": getattr(words.answers, name) for name in OF_ANSWERS}
    lists |= {f"answers.letters.{name}": each for name, each in words.answers.letters.items()}
    lists["answers.signs"] = words.answers.signs
    return [Listed(place, word) for place, listed in lists.items() for word in sorted(listed)]


def without(words: Words, dropped: Collection[Listed]) -> Words:
    """Returns the configured words without these."""
    gone = {(each.place, each.word) for each in dropped}

    def kept(place: str, listed: Several) -> Several:
        return type(listed)(each for each in listed if (place, each) not in gone)

    flat = {name: kept(name, getattr(words, name)) for name in FLAT}
    answers = {name: kept(f"answers.{name}", getattr(words.answers, name)) for name in OF_ANSWERS}
    letters = {
        letter: kept(f"answers.letters.{letter}", listed)
        for letter, listed in words.answers.letters.items()
    }
    signs = {
        sign: meant
        for sign, meant in words.answers.signs.items()
        if ("answers.signs", sign) not in gone
    }
    concepts = {name: kept(f"concepts.{name}", each) for name, each in words.concepts.items()}
    told = AnswerWords(**answers, letters=letters, signs=signs)
    return replace(words, **flat, concepts=concepts, answers=told)


def without_topic(words: Words, name: str) -> Words:
    return replace(words, topics=tuple(each for each in words.topics if each.name != name))


def doubled(words: Words) -> Iterator[Listed]:
    """Yields what stands twice in one list."""
    for name, listed in words.concepts.items():
        yield from (Listed(f"concepts.{name}", each) for each in listed if listed.count(each) > 1)
