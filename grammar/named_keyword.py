"""Reads the first keyword that stands in a text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import dropwhile

from grammar.compiled import LONGEST_ALIAS, WORDS, CompiledKeyword
from grammar.concepts import owned
from grammar.fields import SHORTEST_NUMBER, FieldReader, holds_long_number
from grammar.reading import Command, Misread, Words
from grammar.slips import SlipReader
from grammar.topics import FREE_TEXT, TopicReader
from grammar.whole_message import WholeMessageReader

MARKED_FIELDS = re.compile(r"[#*]")


@dataclass(frozen=True, slots=True)
class NamedKeyword:
    """Holds the first keyword of a text as it is read. `words` are the positions of its own.
    `leads`: only fillers stand before it. `is_command`: its number stands there, or it leads and
    all that follows is its own."""

    result: Command | Misread
    words: range
    leads: bool
    is_command: bool


class NamedKeywordReader:
    """Reads the first keyword that stands in a text."""

    def __init__(
        self,
        words: Words,
        first: Mapping[tuple[str, ...], CompiledKeyword],
        fields: FieldReader,
        whole: WholeMessageReader,
        slips: SlipReader,
        topics: TopicReader,
    ) -> None:
        """Takes `first`, the aliases of keywords that need not stand alone."""
        self._first, self._fields = first, fields
        self._whole, self._slips, self._topics = whole, slips, topics
        self._courtesy = words.courtesy
        self._harmless = words.fillers | words.courtesy
        self._free = self._harmless | words.addressed
        self._joining = words.fillers.union(words.function_words)

    def read(self, text: str, found: list[re.Match[str]]) -> NamedKeyword | None:
        """Returns the first keyword in the text, by its longest alias there."""
        words = [match[0] for match in found]
        for index in range(len(words)):
            for length in range(min(LONGEST_ALIAS, len(words) - index), 0, -1):
                read = self._by_alias(words[index : index + length])
                if read is None:
                    continue
                named = range(index, index + length)
                if slipped := self._slips.read(text, words[:index], is_all=False):
                    # DAFTRA SALDO#… asks for no balance.
                    return NamedKeyword(slipped, named, leads=False, is_command=True)
                before, after = found[index].start(), found[index + length - 1].end()
                further = f"{text[:before]} {text[after:]}"
                result = self._fields.read(read, " ".join(words[index : index + length]), further)
                if isinstance(result, Command):
                    is_slip = result.is_slip or self._is_doubtful(read, further)
                    also = self._joined_to(read, words[named.stop :])
                    result = replace(result, is_slip=is_slip, also=also)
                leads = self._free.issuperset(words[:index])
                is_command = leads and self._is_command(read, text, words, named)
                is_command = is_command or self._is_numbered(result, text, words, leads)
                return NamedKeyword(result, named, leads, is_command)
        return None

    def _joined_to(self, read: CompiledKeyword, following: list[str]) -> str | None:
        """Returns the keyword that a word joins to another: SALDO DAN KLAIM. Without such a word it
        may belong to the first, as in IURAN JP."""
        rest = list(dropwhile(self._joining.__contains__, following))
        other = self._first.get(tuple(rest[:1]))
        if other is None or other is read or not other.tells_own or len(rest) == len(following):
            return None
        return other.poster.keyword if (other.poster.keyword,) == tuple(rest[:1]) else None

    def _is_command(self, read: CompiledKeyword, text: str, words: list[str], named: range) -> bool:
        """Tells whether all that follows a keyword at the front is its own."""
        if read.takes_words:
            return read.has(FREE_TEXT) or not self._topics.names_other(words)
        if MARKED_FIELDS.search(text):
            return True
        own = {word for names in self._fields.choices_of(read) for word in names}
        return all(
            word in self._free or word in own or self._fields.label(word)
            for word in words[named.stop :]
        )

    def _is_numbered(
        self, result: Command | Misread, text: str, words: list[str], leads: bool
    ) -> bool:
        """Tells whether a number beside a keyword was meant for it, be it wrong. That of a parcel
        was not."""
        if "nkp" in result.fields:
            return True
        is_wrong = isinstance(result, Misread) and result.read is not None
        is_other = not leads and self._topics.names_other(words)
        return (is_wrong or holds_long_number(text)) and not is_other

    def _is_doubtful(self, read: CompiledKeyword, further: str) -> bool:
        """Tells whether something else is said beside a keyword that changes something: its own
        words, fillers, thanks and the number that an advert says to text are nothing else."""
        if not read.keyword.asked:
            return False
        own = {word for names in self._fields.choices_of(read) for word in names}
        words = WORDS.findall(further)
        harmless = self._harmless | own
        numbers = re.findall(r"\d+", further)
        return (
            self._whole.is_asking(further, words)
            or self._fields.contradicts_itself(read, further)
            or any(word not in harmless for word in words)
            or any(len(number) >= SHORTEST_NUMBER for number in numbers)
        )

    def _by_alias(self, words: list[str]) -> CompiledKeyword | None:
        """Returns whose alias these words are; SALDONYA is SALDO, and JHTKU is JHT."""
        read = self._first.get(tuple(words))
        if read is not None or len(words) > 1 or words[0] in self._courtesy:
            return read
        return next(filter(None, (self._first.get((stem,)) for stem in owned(words[0]))), None)
