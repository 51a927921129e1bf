"""Reads a keyword that is written with a typo."""

import re
from collections.abc import Mapping
from dataclasses import replace

from grammar.compiled import CompiledKeyword
from grammar.fields import FieldReader
from grammar.reading import NO_FIELDS, Command, Misread, Words
from grammar.suggest import similar
from grammar.whole_message import WholeMessageReader

CLOSE_TO_THE_FRONT = 2  # words among which a keyword with a typo is looked for
LONGEST_PAIR = 2  # words of a keyword in which a typo is looked for


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
        self._fields, self._whole = fields, whole
        self._single = {alias[0]: read for alias, read in aliases.items() if len(alias) == 1}
        self._pairs = {
            " ".join(alias): read
            for alias, read in aliases.items()
            if len(alias) == LONGEST_PAIR and read.keyword.asked
        }

    def read(self, text: str, words: list[str], *, is_all: bool = True) -> Command | Misread | None:
        """Finds a keyword with one typo near the front. A keyword that counts only alone must be
        alone. `is_all`: there are no other words."""
        meaningful = [
            word for word in words if word not in self._fillers and not self._fields.label(word)
        ]
        for word in meaningful[:CLOSE_TO_THE_FRONT]:
            found = [self._single[each] for each in similar(word, self._single)]
            read = found[0] if len({each.keyword.id for each in found}) == 1 else None
            if read is None or (read.keyword.alone and (len(meaningful) > 1 or not is_all)):
                continue
            if read.keyword.leads and not self._is_slipped_assent(word, text, words):
                continue
            result = self._fields.read(read, word, text.replace(word, " ", 1))
            return replace(result, is_slip=True) if isinstance(result, Command) else result
        return self._pair(words)

    def read_free_text(self, text: str, words: list[str]) -> Command | Misread | None:
        """Finds a keyword with one typo that leads and takes any words: LAPRO kantor tutup."""
        for word in words:
            if word in self._fillers:
                continue
            found = [self._single[each] for each in similar(word, self._single)]
            is_one = len({each.keyword.id for each in found}) == 1
            return self.read(text, words) if is_one and found[0].takes_words else None
        return None

    def _is_slipped_assent(self, word: str, text: str, words: list[str]) -> bool:
        """Tells whether this is YA with one typo: at the front, with no question and no number."""
        is_first = self._whole.front(words)[:1] == [word]
        return is_first and not self._whole.is_asking(text, words) and not re.search(r"\d", text)

    def _pair(self, words: list[str]) -> Command | None:
        """Returns the keyword of two words that the whole message matches with one typo."""
        written = " ".join(word for word in words if word not in self._courtesy)
        meant = {self._pairs[each].keyword.id for each in similar(written, self._pairs)}
        if len(meant) != 1:
            return None
        return Command(meant.pop(), NO_FIELDS, written, "", is_slip=True)
