"""From a text to a Command or a Misread.

    message ::= { filler } keyword { item } | { item } bare-slot { item }
    item    ::= slot | label | filler | word | separator
    slot    ::= NKP | NIK | TGL_LAHIR | EMAIL | …        each by its shape, see slots.py

The keyword is looked up first, among the words; then its own items are read by the pyparsing
grammar that its poster has built. (One grammar of all keywords costs a third more and cannot say
which slot failed.) What no shape takes is a name, a place or a text, if the poster asks for one.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import dropwhile

import pyparsing as pp

from grammar import poster, slots
from grammar.normalise import normalise
from grammar.poster import Poster, PosterError
from grammar.reading import (
    NO_FIELDS,
    Command,
    Fields,
    Keyword,
    Misread,
    Reason,
    Service,
    Words,
)
from grammar.redact import Redacted, Redactor
from grammar.slots import KINDS, Shape, Token
from grammar.suggest import near

LONGEST_ALIAS = 3  # words
LONGEST_LABEL = 4
LONGEST_SIGNATURE, LONGEST_NAME = 6, 4  # words: "Sent from my iPhone", "-- Budi Santoso"
SHORTEST_NUMBER = 6  # digits; less is a house number, a year or the number an advert says to text
SHORTEST_IN_TWO = 9  # digits of a number in two groups; less is a month or two years
SHORT_NUMBER = range(4, SHORTEST_NUMBER)  # digits of one that an advert says to text
CLOSE_TO_THE_FRONT = 2  # words among which a keyword with a slip is looked for
LONGEST_PAIR = 2  # words of a keyword in which a slip is looked for
SHORTEST_STEM = 4  # letters, before -nya
FAMILY_CARD = "KK"  # a label, not a slot: nobody asks for one
_WORDS = re.compile(r"[^\W\d_]+")
_PHONE = re.compile(r"(?:0|62)8\d{8,11}")


@dataclass(frozen=True, slots=True)
class _Read:
    """A keyword ready to read messages."""

    keyword: Keyword
    poster: Poster
    items: pp.ParserElement

    def is_filled(self, kind: str, fields: Fields) -> bool:
        """By itself or, where the poster does not ask for both, by what is as good."""
        instead = KINDS[kind].instead
        kinds = [kind] if instead is None or self.has(instead) else [kind, instead]
        return any(KINDS[each].field in fields for each in kinds)

    def has(self, kind: str) -> bool:
        return any(slot.kind == kind for slot in self.poster.slots)

    @property
    def tells_own(self) -> bool:
        """Whether its answer is what is somebody's own: a balance."""
        return self.has("NKP") and not self.has("NIK")

    def joined(self, run: list[Token]) -> list[Token]:
        """As one, where the groups of a run have the digits of a number that is wanted."""
        written = _digits_of(run)
        for kind in ("NKP", "NIK") if len(run) > 1 else ():
            is_wanted = self.has(kind) or (kind == "NIK" and self.has("NKP"))
            if is_wanted and len(written) == KINDS[kind].digits:
                return [Token(kind, written, written)]
        return run


class _OptOut:
    """How the keyword that ends what was not asked for is said; without one nothing is."""

    def __init__(self, reads: Iterable[_Read], others: Mapping[tuple[str, ...], _Read]) -> None:
        """`others`: the aliases of keywords that need not stand alone."""
        self.read = next((read for read in reads if read.keyword.opt_outs), None)
        keyword = self.read.keyword if self.read else Keyword("", "")
        named = (self.read.poster.keyword, *keyword.aliases) if self.read else ()
        self._aliases = set(map(_words, keyword.opt_outs)).intersection(map(_words, named))
        self._unless = frozenset(keyword.unless)
        self._subscriptions = {
            *self._aliases,
            *map(_words, keyword.subscriptions),
            *(alias for alias, read in others.items() if not read.keyword.asked),
        }
        self._others = others
        self._single = {word for word, *more in map(_words, named) if not more}
        begun = {alias[0] for alias in others if len(alias) > 1}  # BERHENTI KERJA
        self.unmistakable = {word for word, *more in self._aliases if not more} - begun

    def length_at_front(self, words: list[str]) -> int:
        """Of an alias that ends; 0 where a longer one of another keyword stands there."""
        length = len(_longest(self._aliases, words))
        return length if len(_longest(self._others, words)) <= length else 0

    def length_of_subscription(self, words: list[str]) -> int:
        return len(_longest(self._subscriptions, words))

    def word_in(self, words: list[str], harmless: frozenset[str]) -> str | None:
        """The one that may be meant: at the front, at the end or, where it means nothing else,
        anywhere."""
        meant = [
            word
            for word, following in zip(words, [*words[1:], ""], strict=False)
            if following not in self._unless and word not in harmless
        ]
        ends = [word for word in (*meant[:1], *meant[-1:]) if word in self._single]
        return next(iter([*ends, *(word for word in meant if word in self.unmistakable)]), None)


class Grammar:
    """Reads messages by the keywords it was built from. Raises PosterError while it is built."""

    def __init__(self, keywords: Sequence[Keyword], words: Words) -> None:
        self._fillers = words.fillers
        self._courtesy = words.courtesy
        self._either = words.either
        self._services = words.services
        self._redactor = Redactor(words)
        self._labels = {
            tuple(label.split("_")): kind
            for kind, labels in words.labels.items()
            for label in labels
        }
        self._choices = {
            kind: {
                tuple(word.split()): value for value, listed in values.items() for word in listed
            }
            for kind, values in words.choices.items()
        }
        self._read = _all_built(keywords)
        aliases = _aliases(self._read.values())
        self._alone = {alias: read for alias, read in aliases.items() if read.keyword.alone}
        self._first = {alias: read for alias, read in aliases.items() if not read.keyword.alone}
        self._all = aliases
        self._own = {alias[0] for alias in self._alone}
        self._single = {alias[0]: read for alias, read in self._aliases() if len(alias) == 1}
        self._phrases = {
            _words(phrase): read for read in self._read.values() for phrase in read.keyword.phrases
        }
        self._pairs = {
            " ".join(alias): read
            for alias, read in self._aliases()
            if len(alias) == LONGEST_PAIR and read.keyword.asked
        }
        self._doubts, self._addressed = words.doubts, words.addressed
        self._harmless = words.fillers | words.courtesy
        self._signature = _signature(words.signatures)
        self._opt_out = _OptOut(self._read.values(), self._first)
        self._bare = next((read for read in self._read.values() if read.keyword.bare), None)

    def usage(self, keyword: str) -> str:
        """How a keyword is written, from its poster."""
        return self._read[keyword].poster.usage

    def redact(self, text: str) -> Redacted:
        """`text` without PINs, one-time passwords and mothers' names."""
        return self._redactor.redact(text)

    def parse(self, text: str) -> Command | Misread:
        kept = self._redactor.take_out(normalise(text))
        said = self._parsed(kept.text)
        if kept.is_changed and not said.fields:
            return Misread(Reason.SECRET, said.keyword, word=said.word)
        return said

    def complete(self, keyword: str, known: Fields, text: str) -> Command | Misread:
        """`text` read as the items of a keyword of which `known` was sent before."""
        return self._fields(self._read[keyword], "", normalise(self.redact(text).text), known)

    def _parsed(self, text: str) -> Command | Misread:
        found = list(_WORDS.finditer(text))
        words = [match[0] for match in found]
        body = self._unsigned(text)
        unsigned = words if body == text else _WORDS.findall(body)
        read = self._whole(body, unsigned) or self._phrased(words) or self._ended(body, unsigned)
        if read is not None:
            return Command(read.keyword.id, NO_FIELDS, " ".join(unsigned), "")
        told = [word for word in words if word not in self._fillers]
        if len(told) == 1 and told[0] in self._either:
            first, second = self._either[told[0]]
            return Misread(Reason.EITHER, read=first, needed=second, word=told[0])
        if service := self._elsewhere(text, words):
            return _misdirected(service, rest=" ".join(words))
        named = self._named(text, found)
        said = named or self._slipped(text, words) or self._without_keyword(text, words)
        return self._in_doubt_of_stop(said, unsigned) or said

    def _unsigned(self, text: str) -> str:
        """Without what a phone writes under a message: "Sent from my iPhone", "-- Budi"."""
        found = self._signature.search(text)
        if found is None:
            return text
        words = [word for word in _WORDS.findall(found["rest"]) if word not in self._fillers]
        is_by_phone = found["by_phone"] is not None
        keywords = {alias[0] for alias in (self._alone if is_by_phone else self._all)}
        says_more = not keywords.union(self._doubts).isdisjoint(words)
        longest = LONGEST_SIGNATURE if is_by_phone else LONGEST_NAME
        return text if says_more or len(words) > longest else text[: found.start()]

    def _ended(self, text: str, words: list[str]) -> _Read | None:
        """STOP, where what follows it is what is to end: STOP SALDO, UNREG ALL 2757."""
        front = list(dropwhile(self._harmless.union(self._addressed).__contains__, words))
        length = self._opt_out.length_at_front(front)
        if not length or self._is_asking(text, words) or not _holds_short_number(text):
            return None
        rest = front[length:]
        while rest:
            length = self._opt_out.length_of_subscription(rest) or rest[0] in self._harmless
            if not length:
                return None
            rest = rest[length:]
        return self._opt_out.read

    def _in_doubt_of_stop(
        self, said: Command | Misread, words: list[str]
    ) -> Command | Misread | None:
        """No STOP tells what is somebody's own; who may have meant it is asked."""
        read, stop = self._read.get(said.keyword or ""), self._opt_out.read
        if read is None or stop is None or not read.tells_own:
            return None
        told = [word for word in words if word not in self._harmless]
        word = self._opt_out.word_in(words, self._harmless)
        front = next((each for each in told if each not in self._doubts), None)
        if word is not None and (word == front or not self._is_asking("", words)):
            names = stop.poster.keyword, read.poster.keyword
            return Misread(Reason.EITHER, read=names[0], needed=names[1], word=word)
        if told and told[0] not in self._single and near(told[0], self._opt_out.unmistakable):
            return Command(stop.keyword.id, NO_FIELDS, told[0], "", is_slip=True)
        return None

    def _named(self, text: str, found: list[re.Match[str]]) -> Command | Misread | None:
        """The first keyword that stands in the text, by its longest alias there."""
        words = [match[0] for match in found]
        for index in range(len(words)):
            for length in range(min(LONGEST_ALIAS, len(words) - index), 0, -1):
                read = self._meant(words[index : index + length])
                if read is None:
                    continue
                if slipped := self._slipped(text, words[:index], is_all=False):
                    return slipped  # DAFTRA SALDO#… asks for no balance
                before, after = found[index].start(), found[index + length - 1].end()
                word = " ".join(words[index : index + length])
                further = f"{text[:before]} {text[after:]}"
                said = self._fields(read, word, further)
                if isinstance(said, Command) and self._is_doubtful(read, further):
                    return replace(said, is_slip=True)
                return said
        return None

    def _is_doubtful(self, read: _Read, further: str) -> bool:
        """Whether something else is said beside a keyword that changes something: its own words,
        fillers, thanks and the number that an advert says to text are nothing else."""
        if not read.keyword.asked:
            return False
        own = {
            word
            for slot in read.poster.slots
            for words in self._choices.get(slot.kind, {})
            for word in words
        }
        words = _WORDS.findall(further)
        harmless = self._fillers | self._courtesy | own
        numbers = re.findall(r"\d+", further)
        return (
            self._is_asking(further, words)
            or any(word not in harmless for word in words)
            or any(len(number) >= SHORTEST_NUMBER for number in numbers)
        )

    def _meant(self, words: list[str]) -> _Read | None:
        """Whose alias these words are; SALDONYA is SALDO, as people say it."""
        read = self._first.get(tuple(words))
        if read is not None or len(words) > 1 or words[0] in self._courtesy:
            return read
        stem = words[0].removesuffix("NYA")
        return self._first.get((stem,)) if len(stem) >= SHORTEST_STEM else None

    def _whole(self, text: str, words: list[str]) -> _Read | None:
        """The keyword that is the whole message, give or take fillers and punctuation."""
        if not words or not _holds_short_number(text):
            return None
        told = tuple(word for word in words if word in self._own or word not in self._fillers)
        bare = tuple(word for word in words if word not in self._fillers)
        thanks = (word for word in words[1:] if word not in self._harmless)
        thanked = () if words[0] in self._courtesy else (words[0], *thanks)
        tries = (self._alone.get(each) for each in (tuple(words), told, bare, thanked))
        read = next(filter(None, tries), None) or self._repeated(words)
        if read is not None and read.keyword.leads and not self._is_assent(read, text, words):
            return None
        if read is not None and not self._bears_number(read, text, words):
            return None
        return read

    def _bears_number(self, read: _Read, text: str, words: list[str]) -> bool:
        """A number beside it says nothing else: YA 2757, but not "ya 1" or "no 1234"."""
        number = re.search(r"\d+", text)
        if number is None:
            return True
        if read.keyword.leads:
            return len(number[0]) in SHORT_NUMBER
        return not self._harmless.issuperset(words)

    def _repeated(self, words: list[str]) -> _Read | None:
        """The one whose aliases are all that is said, besides fillers and thanks: STOP STOP,
        SETUJU OK. A word that is both is a filler: "ok ya" agrees to nothing."""
        meant = dict[str, _Read]()
        index = 0
        while index < len(words):
            alias = _longest(self._alone, words[index:])
            is_harmless = words[index] in self._harmless and len(alias) < 2
            if alias and not is_harmless:
                meant[self._alone[alias].keyword.id] = self._alone[alias]
            elif not is_harmless:
                return None
            index += len(alias) or 1
        return next(iter(meant.values())) if len(meant) == 1 else None

    def _is_assent(self, read: _Read, text: str, words: list[str]) -> bool:
        """YA and no question, with its own word at the front: a "ya" that ends a sentence in
        Indonesian is a particle, and says yes to nothing."""
        front = self._front(words)
        is_first = any(
            self._alone.get(tuple(front[:length])) is read
            for length in range(1, min(LONGEST_ALIAS, len(front)) + 1)
        )
        is_whole = self._alone.get(tuple(words)) is read
        return (is_first or is_whole) and not self._is_asking(text, words)

    def _front(self, words: list[str]) -> list[str]:
        return list(dropwhile(self._addressed.__contains__, words))

    def _is_asking(self, text: str, words: list[str]) -> bool:
        return "?" in text or not self._doubts.isdisjoint(words)

    def _phrased(self, words: list[str]) -> _Read | None:
        """Whose phrase stands in the text, as one asks for no more SMS in one's own words."""
        for index in range(len(words)):
            for length in range(min(LONGEST_ALIAS, len(words) - index), 0, -1):
                read = self._phrases.get(tuple(words[index : index + length]))
                if read is not None:
                    return read
        return None

    def _elsewhere(self, text: str, words: list[str]) -> Service | None:
        """The service whose message this is, by how it begins or by what it carries."""
        begins = " ".join(words) + " "
        for service in self._services:
            if any(begins.startswith(word + " ") for word in service.words):
                return service
            if service.niks and _carries(text, service.niks):
                return service
        return None

    def _slipped(
        self, text: str, words: list[str], *, is_all: bool = True
    ) -> Command | Misread | None:
        """A keyword one slip away, near the front; one that stands alone, alone. `is_all`: whether
        there are no words but these."""
        told = [word for word in words if word not in self._fillers and not self._label(word)]
        for word in told[:CLOSE_TO_THE_FRONT]:
            meant = {self._single[each].keyword.id for each in near(word, self._single)}
            read = self._read[meant.pop()] if len(meant) == 1 else None
            if read is None or (read.keyword.alone and (len(told) > 1 or not is_all)):
                continue
            if read.keyword.leads and not self._is_slipped_assent(word, text, words):
                continue
            said = self._fields(read, word, text.replace(word, " ", 1))
            return replace(said, is_slip=True) if isinstance(said, Command) else said
        return self._slipped_pair(words)

    def _is_slipped_assent(self, word: str, text: str, words: list[str]) -> bool:
        """As without the slip: at the front, with no question, and no number."""
        is_first = self._front(words)[:1] == [word]
        return is_first and not self._is_asking(text, words) and not re.search(r"\d", text)

    def _slipped_pair(self, words: list[str]) -> Command | None:
        """A keyword of two words that is all of the message, one slip away."""
        written = " ".join(word for word in words if word not in self._courtesy)
        meant = {self._pairs[each].keyword.id for each in near(written, self._pairs)}
        if len(meant) != 1:
            return None
        return Command(meant.pop(), NO_FIELDS, written, "", is_slip=True)

    def _without_keyword(self, text: str, words: list[str]) -> Command | Misread:
        rest = " ".join(words)
        if self._is_courtesy(text, words):
            return Misread(Reason.COURTESY, rest=rest)
        if self._bare is None or not re.search(r"\d", text):
            return Misread(Reason.UNKNOWN, rest=rest)
        said = self._fields(self._bare, "", text)
        is_number = isinstance(said, Command) and said.fields
        is_mistyped = isinstance(said, Misread) and not words
        return said if is_number or is_mistyped else Misread(Reason.UNKNOWN, rest=rest)

    def _is_courtesy(self, text: str, words: list[str]) -> bool:
        if not words:
            symbols = [letter for letter in text if unicodedata.category(letter) == "So"]
            return bool(symbols) and not re.search(r"\d", text)
        return any(word in self._courtesy for word in words) and all(
            word in self._courtesy or word in self._fillers for word in words
        )

    def _fields(
        self, read: _Read, word: str, text: str, known: Fields = NO_FIELDS
    ) -> Command | Misread:
        tokens = [token for token in read.items.parse_string(text) if isinstance(token, Token)]
        if sum(token.kind == "NUMBER" for token in tokens) > 1:
            tokens = [token for run in _runs_of_numbers(tokens) for token in read.joined(run)]
        runs = list(self._runs(tokens, read.poster))
        fields: dict[str, str | date] = {**known, **self._by_shape(tokens)}
        for slot in read.poster.slots:
            value, runs = self._by_words(slot.kind, runs, f"{word} {text}")
            if value:
                fields[KINDS[slot.kind].field] = value
        rest = " ".join(" ".join(run) for run in runs)
        problem = self._problem(read, tokens, fields)
        if problem is None:
            return Command(read.keyword.id, fields, word, rest)
        return replace(problem, keyword=read.keyword.id, word=word, rest=rest, fields=fields)

    def _by_shape(self, tokens: Sequence[Token]) -> Fields:
        fields: dict[str, str | date] = {}
        for index, token in enumerate(tokens):
            kind = KINDS.get(token.kind)
            if kind is None or token.value is None or self._labelled(tokens, index) == FAMILY_CARD:
                continue
            fields.setdefault(kind.field, token.value)
        return fields

    def _by_words(
        self, kind: str, runs: list[list[str]], text: str
    ) -> tuple[str | None, list[list[str]]]:
        """What words say of a slot, and the words that are left."""
        match KINDS[kind].shape:
            case Shape.CHOICE:
                return self._chosen(kind, text), runs
            case Shape.NAME:
                return " ".join(runs[0]) if runs else None, runs[1:]
            case Shape.WORDS:
                return " ".join(" ".join(run) for run in runs), []
        return None, runs

    def _chosen(self, kind: str, text: str) -> str | None:
        """The first of a list's words that stands in the text."""
        words, known = _WORDS.findall(text), self._choices.get(kind, {})
        for index in range(len(words)):
            for length in range(min(LONGEST_ALIAS, len(words) - index), 0, -1):
                value = known.get(tuple(words[index : index + length]))
                if value is not None:
                    return value
        return None

    def _problem(self, read: _Read, tokens: Sequence[Token], fields: Fields) -> Misread | None:
        """What was written wrongly comes before what is absent: it explains more."""
        wanted = [slot for slot in read.poster.slots if not read.is_filled(slot.kind, fields)]
        kinds = [slot.kind for slot in wanted]
        for token in tokens:
            if token.kind == "IMPOSSIBLE" and "TGL_LAHIR" in kinds:
                return Misread(Reason.IMPOSSIBLE_DATE, slot="TGL_LAHIR", read=token.text)
        numbers = [kind for kind in kinds if KINDS[kind].digits]
        written = next(_unread_numbers(tokens), None) if numbers else None
        if written is not None:
            return self._wrong_number(written, numbers)
        missing = next((slot.kind for slot in wanted if slot.is_required), None)
        if missing is None:
            return None
        labelled = {self._labelled(tokens, index) for index in range(len(tokens))}
        if missing == "NIK" and FAMILY_CARD in labelled:
            return Misread(Reason.FAMILY_CARD, slot="NIK")
        return Misread(Reason.MISSING, slot=missing)

    def _wrong_number(self, number: str, kinds: list[str]) -> Misread:
        for service in self._services:
            if service.digits == len(number) and "NKP" in kinds and not _PHONE.fullmatch(number):
                return _misdirected(service, slot=str(service.digits))
        length = len(number)
        kind = min(kinds, key=lambda kind: abs((KINDS[kind].digits or 0) - length))
        reason = Reason.PHONE_NUMBER if _PHONE.fullmatch(number) else Reason.WRONG_LENGTH
        return Misread(reason, slot=kind, read=str(length), needed=str(KINDS[kind].digits))

    def _runs(self, tokens: Sequence[Token], read: Poster) -> Iterator[list[str]]:
        """Words that stand together and are neither label, filler nor of the keyword itself."""
        own = set(read.words[1:]) | {
            alias[0]
            for name in read.words[1:]
            for alias, other in self._first.items()
            if other.poster.words[0] == name and len(alias) == 1
        }
        run: list[str] = []
        for token in tokens:
            if token.kind == "WORD":
                run.append(token.text)
                continue
            yield from self._kept(run, own)
            run = []
        yield from self._kept(run, own)

    def _kept(self, run: list[str], own: set[str]) -> Iterator[list[str]]:
        kept: list[str] = []
        index = 0
        while index < len(run):
            label = self._label_at(run, index)
            word = run[index]
            if not label and word not in self._fillers and word not in own:
                kept.append(word)
            index += label or 1
        if kept:
            yield kept

    def _label_at(self, run: list[str], index: int) -> int:
        """How many words from `index` on are a label; 0 for none."""
        for length in range(min(LONGEST_LABEL, len(run) - index), 0, -1):
            parts = "_".join(run[index : index + length]).split("_")
            if tuple(parts) in self._labels:
                return length
        return 0

    def _label(self, word: str) -> str | None:
        return self._labels.get(tuple(word.split("_")))

    def _labelled(self, tokens: Sequence[Token], index: int) -> str | None:
        """The kind that the words just before a token announce."""
        for token in tokens[max(index - 2, 0) : index][::-1]:
            if token.kind == "WORD":
                return self._label(token.text)
            if token.kind != "SEPARATOR":
                return None
        return None

    def _aliases(self) -> Iterator[tuple[tuple[str, ...], _Read]]:
        yield from self._alone.items()
        yield from self._first.items()


def _words(alias: str) -> tuple[str, ...]:
    return tuple(_WORDS.findall(normalise(alias)))


def _longest(aliases: Collection[tuple[str, ...]], words: list[str]) -> tuple[str, ...]:
    """The longest that the words begin with; () for none."""
    begins = (tuple(words[:length]) for length in range(min(LONGEST_ALIAS, len(words)), 0, -1))
    return next((each for each in begins if each in aliases), ())


def _holds_short_number(text: str) -> bool:
    """One at most, and no card's: the number that a poster says to text."""
    numbers = re.findall(r"\d+", text)
    return len(numbers) <= 1 and all(len(number) < SHORTEST_NUMBER for number in numbers)


def _signature(begins: Iterable[str]) -> re.Pattern[str]:
    listed = "|".join(f"{re.escape(each)} " for each in begins) or "(?!)"
    return re.compile(rf"(?<=\S)\s+(?:--+(?!\d)|(?P<by_phone>{listed}))(?P<rest>[^?]*)\Z")


def _runs_of_numbers(tokens: Sequence[Token]) -> list[list[Token]]:
    """Numbers that only a mark or an X parts, together and without it; each other token by itself.
    What `#` and `*` part are fields of their own."""
    runs: list[list[Token]] = []
    marks: list[Token] | None = None  # since the number before
    for token in tokens:
        if token.kind == "NUMBER":
            if marks is None:
                runs.append([token])
            else:
                runs[-1].append(token)
            marks = []
        elif marks is not None and _parts_groups(token):
            marks.append(token)
        else:
            runs += [[each] for each in (*(marks or ()), token)]
            marks = None
    return runs + [[each] for each in marks or ()]


def _parts_groups(token: Token) -> bool:
    if token.kind == "SEPARATOR":
        return not {"#", "*"}.intersection(token.text)
    return token.text == "X"


def _digits_of(tokens: Iterable[Token]) -> str:
    return "".join(str(token.value) for token in tokens if token.kind == "NUMBER")


def _unread_numbers(tokens: Sequence[Token]) -> Iterator[str]:
    """The digits of what was meant as a number: in one piece, then in groups."""
    runs = [run for run in _runs_of_numbers(tokens) if run[0].kind == "NUMBER"]
    for run in runs:
        written = _digits_of(run)
        fewest = SHORTEST_IN_TWO if len(run) == 2 else SHORTEST_NUMBER
        if len(written) >= fewest or any(len(each.text) >= SHORTEST_NUMBER for each in run):
            yield written


def _all_built(keywords: Sequence[Keyword]) -> dict[str, _Read]:
    """Raises PosterError, which names all that cannot be read, one a line."""
    built, faults = {}, []
    for keyword in keywords:
        try:
            built[keyword.id] = _built(keyword)
        except PosterError as error:
            faults.append(str(error))
    if faults:
        raise PosterError("\n".join(faults))
    return built


def _built(keyword: Keyword) -> _Read:
    try:
        read = poster.read(keyword.poster)
    except PosterError as error:
        raise PosterError(f"{keyword.id}: {error}") from None
    kinds = {slot.kind for slot in read.slots}
    kinds |= {KINDS[kind].instead or kind for kind in kinds}
    numbers = [kind for kind in ("NIK", "NKP") if kind in kinds]
    is_only = "NKP" in kinds and not any(slot.kind == "NIK" for slot in read.slots)
    grouped = [slots.grouped(kind, is_only=is_only) for kind in numbers]
    if is_only:
        grouped.insert(1, slots.apart(is_year_wanted="TAHUN" in kinds))
    shapes = [
        *slots.lettered(kinds),
        *slots.words(),
        *(slots.exact(kind) for kind in numbers),
        *([slots.birth_date()] if "TGL_LAHIR" in kinds else []),
        *grouped,
        *([slots.year()] if "TAHUN" in kinds else []),
        *slots.others(),
    ]
    items = pp.ZeroOrMore(pp.MatchFirst(shapes)) + pp.StringEnd()
    return _Read(keyword, read, items.streamline())


def _aliases(reads: Iterable[_Read]) -> dict[tuple[str, ...], _Read]:
    """Every way to write each keyword. Raises PosterError, which names all that two share."""
    aliases: dict[tuple[str, ...], _Read] = {}
    faults = []
    for read in reads:
        for alias in (read.poster.keyword, *read.keyword.aliases):
            words = _words(alias)
            if not words or len(words) > LONGEST_ALIAS:
                faults.append(
                    f"{read.keyword.id}: {alias!r}: an alias has one to {LONGEST_ALIAS} words"
                )
            elif aliases.setdefault(words, read) is not read:
                other = aliases[words].keyword.id
                faults.append(f"{alias!r} belongs to {other} and to {read.keyword.id}")
    if faults:
        raise PosterError("\n".join(faults))
    return aliases


def _carries(text: str, niks: int) -> bool:
    """Whether that many numbers of a NIK's length stand in it, and none of an NKP's."""
    if sum(map(str.isdigit, text)) < 16 * niks:
        return False
    joined = re.sub(r"(?<=\d)[ .\-](?=\d)", "", text)
    lengths = [len(number) for number in re.findall(r"\d+", joined)]
    return lengths.count(16) == niks and 11 not in lengths


def _misdirected(service: Service, slot: str | None = None, rest: str = "") -> Misread:
    return Misread(
        Reason.MISDIRECTED, slot=slot, read=service.name, needed=service.contact, rest=rest
    )
