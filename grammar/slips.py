"""Reads a keyword that is written with a typo."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from grammar.compiled import WORDS, CompiledKeyword
from grammar.fields import SHORTEST_NUMBER, FieldReader
from grammar.reading import NO_FIELDS, Command, Misread, Words
from grammar.suggest import SimilarWords, similar
from grammar.whole_message import WholeMessageReader

CLOSE_TO_THE_FRONT = 2  # words among which a keyword with a typo is looked for
LONGEST_PAIR = 2  # words of a keyword in which a typo is looked for
LONGEST_MESSAGE = 4  # words without fillers; in a longer one a typo is some other word


class SlipReader:
    """Reads a keyword that is written with a typo."""

    def __init__(
        self,
        words: Words,
        aliases: Mapping[tuple[str, ...], CompiledKeyword],
        fields: FieldReader,
        whole: WholeMessageReader,
    ) -> None:
        self._fillers, self._courtesy = words.fillers, words.courtesy
        self._harmless = words.fillers | words.courtesy | words.addressed
        self._real_words = words.real_words
        self._fields, self._whole = fields, whole
        self._single = {alias[0]: read for alias, read in aliases.items() if len(alias) == 1}
        self._pairs = {
            " ".join(alias): read
            for alias, read in aliases.items()
            if len(alias) == LONGEST_PAIR and read.keyword.asked
        }
        self._near_single, self._near_pairs = SimilarWords(self._single), SimilarWords(self._pairs)

    def read(self, text: str, words: list[str], *, is_all: bool = True) -> Command | Misread | None:
        """Finds a keyword with one typo near the front. A keyword that counts only alone must be
        alone. `is_all`: there are no other words."""
        meaningful = [
            word for word in words if word not in self._fillers and not self._fields.label(word)
        ]
        for word in meaningful[:CLOSE_TO_THE_FRONT]:
            found = [self._single[each] for each in self._near_single.of(word)]
            read = found[0] if len({each.keyword.id for each in found}) == 1 else None
            if read is None or (read.keyword.alone and (len(meaningful) > 1 or not is_all)):
                continue
            if read.keyword.leads and not self._is_slipped_assent(word, text, words):
                continue
            result = self._fields.read(read, word, text.replace(word, " ", 1))
            if self._is_meant(word, read, text, result):
                return replace(result, is_slip=True) if isinstance(result, Command) else result
        return self._pair(words)

    def read_free_text(self, text: str, words: list[str]) -> Command | Misread | None:
        """Finds a keyword with one typo that leads and takes any words: LAPRO kantor tutup."""
        for word in words:
            if word in self._fillers:
                continue
            found = [self._single[each] for each in self._near_single.of(word)]
            is_one = len({each.keyword.id for each in found}) == 1
            return self.read(text, words) if is_one and found[0].takes_words else None
        return None

    def similar(self, written: str, words: Iterable[str]) -> list[str]:
        """Returns those of `words` that `written` is a typo of; none if it is a word itself."""
        is_word = written in self._single or written in self._real_words
        return [] if is_word else similar(written, words)

    def _is_meant(
        self, word: str, read: CompiledKeyword, text: str, result: Command | Misread
    ) -> bool:
        """Tells whether `word` was meant as the keyword by which `text` is read as `result`. A word
        of the language is, beside all that the keyword asks for: BAHAS EN."""
        if isinstance(result, Command) and read.requires_shapes:
            return True
        return word not in self._real_words and (read.has("ISI") or not self._is_long(text))

    def _is_long(self, text: str) -> bool:
        """Tells whether it is more than a few words, and bears no number that is meant for us."""
        meaningful = [word for word in WORDS.findall(text) if word not in self._fillers]
        digits = len(re.findall(r"\d", text))
        return len(meaningful) > LONGEST_MESSAGE and digits < SHORTEST_NUMBER

    def _is_slipped_assent(self, word: str, text: str, words: list[str]) -> bool:
        """Tells whether this is YA with one typo: at the front, with no question and no number."""
        is_first = self._whole.front(words)[:1] == [word]
        if any(each not in self._harmless for each in words if each != word):
            return False
        return is_first and not self._whole.is_asking(text, words) and not re.search(r"\d", text)

    def _pair(self, words: list[str]) -> Command | None:
        """Returns the keyword of two words that the whole message matches with one typo."""
        written = " ".join(word for word in words if word not in self._courtesy)
        near = self._near_pairs.of(written)
        meant = {self._pairs[each].keyword.id for each in near}
        slipped = set(written.split()).difference(" ".join(near).split())
        if len(meant) != 1 or not self._real_words.isdisjoint(slipped):
            return None
        return Command(meant.pop(), NO_FIELDS, written, "", is_slip=True)
