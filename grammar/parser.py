"""Turns a text into a Command or a Misread.

    message ::= { filler } keyword { item } | { item } bare-slot { item }
    item    ::= slot | label | filler | word | separator
    slot    ::= NKP | NIK | TGL_LAHIR | EMAIL | …        each by its shape, see slots.py

The keyword is looked up first, among the words; then its own items are read by the pyparsing
grammar that its poster has built. (One grammar of all keywords costs a third more and cannot say
which slot failed.) What no shape takes is a name, a place or a text, if the poster asks for one.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain, dropwhile

from grammar.answers import AnswerReader
from grammar.compiled import (
    LONGEST_ALIAS,
    WORDS,
    CompiledKeyword,
    aliases_of,
    compile_all,
    words_of,
)
from grammar.concepts import undrawn
from grammar.fields import FieldReader, holds_long_number, holds_short_number
from grammar.named_keyword import NamedKeyword, NamedKeywordReader
from grammar.normalise import normalise
from grammar.opt_out import OptOutReader
from grammar.reading import NO, NO_FIELDS, YES, Command, Fields, Keyword, Misread, Reason, Words
from grammar.redact import Redacted, Redactor
from grammar.run_together import RunTogether
from grammar.services import misdirection, service_of
from grammar.signature import LONGEST_NAME, LONGEST_SIGNATURE, signature_pattern
from grammar.slips import SlipReader
from grammar.slots import CODE
from grammar.topics import FREE_TEXT, TopicReader
from grammar.whole_message import WholeMessageReader

MOST_BESIDE_PHRASE = 1  # words that say something else
# Texts that were read last, of those that hold nothing of somebody's own, and their characters.
KEPT_TEXTS, LONGEST_KEPT = 2_000, 100
A_CODE = re.compile(CODE)


class Grammar:
    """Reads messages by the keywords it was built from. Raises PosterError while it is built."""

    def __init__(self, keywords: Sequence[Keyword], words: Words) -> None:
        self._fillers = words.fillers
        self._courtesy = words.courtesy
        self._either = words.either
        self._services = words.services
        self._redactor = Redactor(words)
        self._read = compile_all(keywords)
        aliases = aliases_of(self._read.values())
        self._alone = {alias: read for alias, read in aliases.items() if read.keyword.alone}
        self._first = {alias: read for alias, read in aliases.items() if not read.keyword.alone}
        self._fields = FieldReader(words, self._first)
        self._all = aliases
        self._own = {alias[0] for alias in self._alone}
        self._single = {alias[0] for alias in aliases if len(alias) == 1}
        beside = _beside_keywords(words)
        self._harmless_alone = {each for each in self._single if not self._hides(each)}
        self._run_together = RunTogether(self._single, beside, words.real_words)
        self._vocabulary = frozenset(chain(*map(str.split, beside), *aliases))
        self._parse_again = lru_cache(KEPT_TEXTS)(self._parse_text)
        self._phrases = {
            words_of(phrase): read
            for read in self._read.values()
            for phrase in read.keyword.phrases
        }
        self._doubts = words.doubts
        self._whole = WholeMessageReader(words, self._alone)
        self._slips = SlipReader(words, aliases, self._fields, self._whole)
        self._topics = TopicReader(words, aliases, self._fields)
        self._named = NamedKeywordReader(
            words, self._first, self._fields, self._whole, self._slips, self._topics
        )
        self._answers = AnswerReader(words, self._alone, self._whole)
        self._harmless = words.fillers | words.courtesy
        self._free = self._harmless | words.addressed
        self._beside_thanks = self._harmless | words.with_courtesy
        self._opt_out = OptOutReader(self._read.values(), self._first)
        about = [word for phrase in self._opt_out.subscriptions for word in phrase]
        self._beside_phrase = self._free.union(words.answers.with_no, about)
        self._signature = signature_pattern(words.signatures)
        self._bare = next((read for read in self._read.values() if read.keyword.bare), None)

    def usage(self, keyword: str) -> str:
        """Returns how a keyword is written, from its poster."""
        return self._read[keyword].poster.usage

    def redact(self, text: str) -> Redacted:
        """Returns `text` without PINs, one-time passwords and mothers' names."""
        if text.upper() in self._harmless_alone:  # most messages
            return Redacted(text, is_changed=False)
        return self._redactor.redact(text)

    def _hides(self, text: str) -> bool:
        return self._redactor.redact(text).is_changed

    def parse(self, text: str) -> Command | Misread:
        """Keeps how a short text of configured words alone is read, as it comes from many people. A
        number is none of these words, nor is a name, unless it is a configured word too."""
        normal = normalise(text)
        if len(normal) <= LONGEST_KEPT and self._vocabulary.issuperset(normal.split()):
            return self._parse_again(normal)
        return self._parse_text(normal)

    def _parse_text(self, normal: str) -> Command | Misread:
        redacted = self._redactor.take_out(normal)
        result = self._parse(self._run_together.part(redacted.text))
        if redacted.is_changed and not result.fields:
            return Misread(Reason.SECRET, result.keyword, word=result.word)
        return result

    def topic_of(self, text: str) -> str | None:
        """Returns the topic by which a text is read."""
        normal = self._run_together.part(self._redactor.take_out(normalise(text)).text)
        found = self._topics.find(normal)
        named = self._named.read(normal, list(WORDS.finditer(normal))) if found else None
        if found is None or (named is not None and named.is_command):
            return None
        return found[0] if self._parse(normal).keyword == found[1] else None

    def complete(self, keyword: str, known: Fields, text: str) -> Command | Misread:
        """Reads `text` as the missing items of a keyword, of which `known` was sent before."""
        return self._fields.read(self._read[keyword], "", normalise(self.redact(text).text), known)

    def _parse(self, text: str) -> Command | Misread:
        found = list(WORDS.finditer(text))
        words = [match[0] for match in found]
        body = self._without_signature(text)
        unsigned = words if body == text else WORDS.findall(body)
        read = self._whole.read(body, unsigned)
        if read is None and (by_phrase := self._by_phrase(words)):
            return by_phrase
        read = read or self._stop(body, unsigned)
        if read is not None and read.keyword.id not in {YES, NO}:
            return Command(read.keyword.id, NO_FIELDS, " ".join(unsigned), "")
        if read is not None:
            return self._yes_or_no(read.keyword.id, body, unsigned)
        meaningful = [word for word in words if word not in self._fillers]
        if len(meaningful) == 1 and meaningful[0] in self._either:
            first, second = self._either[meaningful[0]]
            return Misread(Reason.EITHER, read=first, needed=second, word=meaningful[0])
        if words and self._is_courtesy(text, words):
            return self._with_answer(Misread(Reason.COURTESY, rest=" ".join(words)), body)
        if not self._leads_free_text(words) and (
            service := service_of(self._services, text, words)
        ):
            return misdirection(service, rest=" ".join(words))
        named = self._named.read(text, found)
        if named is not None and named.is_command:
            said = self._more_exact(named, text) or named.result
            command = self._in_doubt_of_stop(said, unsigned) or said
            return self._with_answer(command, body) if words[0] in self._own else command
        result = (
            self._slips.read_free_text(text, words)
            or self._of_sentence(named, text, words)
            or self._slipped(text, words)
            or self._without_keyword(text, words)
        )
        return self._with_answer(self._in_doubt_of_stop(result, unsigned) or result, body)

    def _yes_or_no(self, meant: str, text: str, words: list[str]) -> Command | Misread:
        """Returns the yes or no that is the whole message, unless the words beside it take it back:
        YES NO, TIDAK TAU."""
        answer, said = self._answers.read(text), " ".join(words)
        if answer == meant:
            return Command(meant, NO_FIELDS, said, "")
        reason = Reason.COURTESY if self._is_courtesy(text, words) else Reason.UNKNOWN
        return Misread(reason, rest=said, as_answer=answer)

    def _with_answer(self, read: Command | Misread, text: str) -> Command | Misread:
        answer = self._answers.read(text)
        return replace(read, as_answer=answer) if answer else read

    def _without_signature(self, text: str) -> str:
        """Removes what a phone writes under a message: "Sent from my iPhone", "-- Budi"."""
        found = self._signature.search(text)
        if found is None:
            return text
        words = [word for word in WORDS.findall(found["rest"]) if word not in self._fillers]
        is_by_phone = found["by_phone"] is not None
        keywords = {alias[0] for alias in (self._alone if is_by_phone else self._all)}
        says_more = not keywords.union(self._doubts).isdisjoint(words)
        longest = LONGEST_SIGNATURE if is_by_phone else LONGEST_NAME
        return text if says_more or len(words) > longest else text[: found.start()]

    def _stop(self, text: str, words: list[str]) -> CompiledKeyword | None:
        """Returns STOP if it is followed by what it is to end: STOP SALDO, UNREG ALL 2757."""
        front = list(dropwhile(self._free.__contains__, words))
        length = self._opt_out.length_at_front(front)
        if not length or self._whole.is_asking(text, words) or not holds_short_number(text):
            return None
        rest = front[length:]
        while rest:
            length = self._opt_out.length_of_subscription(rest) or rest[0] in self._harmless
            if not length:
                return None
            rest = rest[length:]
        return self._opt_out.read

    def _in_doubt_of_stop(
        self, parsed: Command | Misread, words: list[str]
    ) -> Command | Misread | None:
        """Returns a question or STOP instead of a reading that discloses the sender's own data, if
        STOP may be meant."""
        read, stop = self._read.get(parsed.keyword or ""), self._opt_out.read
        if read is None or stop is None or not read.tells_own:
            return None
        meaningful = [word for word in words if word not in self._harmless]
        word = self._opt_out.word_in(words, self._harmless)
        front = next((each for each in meaningful if each not in self._doubts), None)
        if word is not None and (word == front or not self._whole.is_asking("", words)):
            names = stop.poster.keyword, read.poster.keyword
            return Misread(Reason.EITHER, read=names[0], needed=names[1], word=word)
        if meaningful and self._slips.similar(meaningful[0], self._opt_out.unmistakable):
            return Command(stop.keyword.id, NO_FIELDS, meaningful[0], "", is_slip=True)
        return None

    def _of_sentence(
        self, named: NamedKeyword | None, text: str, words: list[str]
    ) -> Command | Misread | None:
        """Returns what a sentence is about, or else the keyword that it names if it is not about
        something else."""
        meant = self._topics.read(text)
        if named is None:
            return meant
        result = named.result
        if isinstance(meant, Command) and meant.keyword == result.keyword:
            if isinstance(result, Command):
                return replace(result, also=result.also or meant.also)
            return result
        is_ours = meant is None and self._topics.is_ours(words, named.words, leads=named.leads)
        return result if is_ours else meant

    def _more_exact(self, named: NamedKeyword, text: str) -> Command | None:
        """Returns what the sentence is about, if that takes the number for what it is: a claim's,
        or a card's whose claim is asked for (PENGAJUAN JHT 190… DITOLAK)."""
        result = named.result
        if named.leads and isinstance(result, Command):
            return None
        meant = self._topics.read(text)
        if not isinstance(meant, Command) or not self._read[meant.keyword].has("NOMOR"):
            return None
        if "number" in meant.fields and isinstance(result, Misread):
            return meant
        is_alias = result.keyword and result.word != self._read[result.keyword].poster.keyword
        nkp = meant.fields.get("nkp")
        is_same_card = nkp is not None and nkp == result.fields.get("nkp")
        return meant if is_same_card and is_alias and not named.leads else None

    def _slipped(self, text: str, words: list[str]) -> Command | Misread | None:
        """Returns the keyword that has a typo, unless the sentence is about something else."""
        is_other = not holds_long_number(text) and self._topics.names_other(words)
        return None if is_other else self._slips.read(text, words)

    def _by_phrase(self, words: list[str]) -> Command | None:
        """Returns whose phrase stands in the text, as one asks for no more SMS in one's own words.
        It is in doubt where more is said that may be about somebody else."""
        for index in range(len(words)):
            for length in range(min(LONGEST_ALIAS, len(words) - index), 0, -1):
                read = self._phrases.get(tuple(words[index : index + length]))
                if read is not None:
                    beside = [*words[:index], *words[index + length :]]
                    more = sum(word not in self._beside_phrase for word in beside)
                    is_slip = more > MOST_BESIDE_PHRASE
                    return Command(read.keyword.id, NO_FIELDS, " ".join(words), "", is_slip=is_slip)
        return None

    def _without_keyword(self, text: str, words: list[str]) -> Command | Misread:
        rest = " ".join(words)
        if not words and self._is_courtesy(text, words):
            return Misread(Reason.COURTESY, rest=rest)
        meaningful = [word for word in words if word not in self._harmless]
        if len(meaningful) == 1 and A_CODE.fullmatch(meaningful[0]):
            return Misread(Reason.UNKNOWN, rest=rest, fields={"code": meaningful[0]})
        if self._bare is None or not re.search(r"\d", text):
            return Misread(Reason.UNKNOWN, rest=rest)
        result = self._fields.read(self._bare, "", text)
        is_number = isinstance(result, Command) and result.fields
        is_mistyped = isinstance(result, Misread) and not words
        return result if is_number or is_mistyped else Misread(Reason.UNKNOWN, rest=rest)

    def _is_courtesy(self, text: str, words: list[str]) -> bool:
        if not words:
            symbols = [letter for letter in text if unicodedata.category(letter) == "So"]
            return bool(symbols) and not re.search(r"\d", text)
        plain = [word if word in self._beside_thanks else undrawn(word) for word in words]
        is_thanking = not self._courtesy.isdisjoint(plain)
        return is_thanking and self._beside_thanks.issuperset(plain)

    def _leads_free_text(self, words: list[str]) -> bool:
        front = next((word for word in words if word not in self._harmless), "")
        read = self._first.get((front,))
        return read is not None and read.has(FREE_TEXT)


def _beside_keywords(words: Words) -> list[str]:
    """Returns the configured words and phrases that stand beside keywords."""
    named = chain(words.function_words, *words.concepts.values())
    return [*named, *words.fillers, *words.courtesy, *words.addressed]
