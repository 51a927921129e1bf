"""Reads an answer to an open question: yes, no, or which of several.

    yes    ::= { addressed } YES { YES | beside }               and asks nothing
    no     ::= { addressed | filler } NO { NO | filler | beside }  and asks nothing
    choice ::= { beside } LETTER { beside }

The longest phrase counts: GAK MASALAH is no GAK. What is neither is no answer.
"""

import re
from collections.abc import Mapping

from grammar.compiled import WORDS, CompiledKeyword, longest_of, words_of
from grammar.concepts import undrawn
from grammar.reading import NO, YES, AnswerWords, Words
from grammar.whole_message import SHORT_NUMBER, WholeMessageReader

_TOKENS = re.compile(r"[^\W_]+")
UNSURE = ""


class AnswerReader:
    """Reads an answer to an open question."""

    def __init__(
        self,
        words: Words,
        alone: Mapping[tuple[str, ...], CompiledKeyword],
        whole: WholeMessageReader,
    ) -> None:
        """Takes `alone`, the aliases of keywords that are whole messages, YA and TIDAK among
        them."""
        answers = words.answers
        self._whole = whole
        harmless = words.fillers | words.courtesy | words.addressed
        self._beside = {YES: harmless | answers.with_yes, NO: harmless | answers.with_no}
        self._beside_choice = harmless | answers.with_choice
        self._signs = answers.signs
        self._letters = {
            word: letter for letter, listed in answers.letters.items() for word in listed
        }
        self._phrases = _phrases(answers, alone)
        self._own = {word for phrase in self._phrases for word in phrase}
        self._before_no = harmless | answers.with_no
        self._courtesy = words.courtesy
        self._particles = {each for each in self._phrases if words.fillers.issuperset(each)}
        self._thanks = {each for each in self._phrases if words.courtesy.issuperset(each)}

    def read(self, text: str) -> str | None:
        """Returns YES, NO or the letter that is chosen."""
        words = [self._plain(word) for word in WORDS.findall(text)]
        if not words:
            return self._by_sign(text) or self._choice(text)
        return self._choice(text) or self._yes_or_no(text, words)

    def _plain(self, word: str) -> str:
        return word if word in self._own else undrawn(word)

    def _by_sign(self, text: str) -> str | None:
        meant = {self._signs[sign] for sign in text if sign in self._signs}
        return meant.pop() if len(meant) == 1 else None

    def _yes_or_no(self, text: str, words: list[str]) -> str | None:
        if self._whole.is_asking(text, words) or not _bears_no_other_number(text):
            return None
        front = words if longest_of(self._phrases, words) else self._whole.front(words)
        phrase = longest_of(self._phrases, front)
        is_first = len(front) == len(words) or phrase not in self._particles
        before = set[str]()
        while front and not phrase and front[0] in self._before_no:
            before.add(front[0])
            front = front[1:]
            phrase = longest_of(self._phrases, front)
            is_first = False
        meant, rest = self._phrases.get(phrase), front[len(phrase) :]
        if meant == YES and not (is_first or self._is_said_again(rest)):
            return None  # a "ya" further on is a particle
        if meant == YES and not before <= self._beside[YES]:
            return None
        if meant == YES and phrase in self._thanks and not self._courtesy.isdisjoint(rest):
            return None  # NGGIH MATUR SUWUN thanks
        if meant == NO and len(phrase) > 1:
            return NO  # GAK JADI, whatever the reason
        return meant if meant and self._takes_nothing_back(meant, rest) else None

    def _is_said_again(self, words: list[str]) -> bool:
        """Tells whether another yes follows, which is no particle: YA SETUJU."""
        others = (longest_of(self._phrases, words[index:]) for index in range(len(words)))
        return any(
            self._phrases[each] == YES and each not in self._particles for each in others if each
        )

    def _takes_nothing_back(self, meant: str, words: list[str]) -> bool:
        index = 0
        while index < len(words):
            phrase = longest_of(self._phrases, words[index:])
            if phrase and self._phrases[phrase] == meant:
                index += len(phrase)
            elif phrase and meant == YES:
                return False
            elif words[index] in self._beside[meant]:
                index += 1
            else:
                return False
        return True

    def _choice(self, text: str) -> str | None:
        tokens = _TOKENS.findall(text)
        chosen = [
            each for each in tokens if each in self._letters or each not in self._beside_choice
        ]
        return self._letters.get(chosen[0]) if len(chosen) == 1 else None


def _bears_no_other_number(text: str) -> bool:
    """Tells whether no number stands beside it but one that an advert says to text."""
    numbers = re.findall(r"\d+", text)
    return not numbers or (len(numbers) == 1 and len(numbers[0]) in SHORT_NUMBER)


def _phrases(
    answers: AnswerWords, alone: Mapping[tuple[str, ...], CompiledKeyword]
) -> dict[tuple[str, ...], str]:
    """Returns what each phrase says: YES, NO or UNSURE."""
    return {
        **{alias: read.keyword.id for alias, read in alone.items() if read.keyword.id in {YES, NO}},
        **{words_of(phrase): YES for phrase in answers.yes},
        **{words_of(phrase): NO for phrase in answers.no},
        **{words_of(phrase): UNSURE for phrase in answers.unsure},
    }
