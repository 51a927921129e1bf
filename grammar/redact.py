"""Takes out what nobody should have sent: PINs, one-time codes, passwords, a mother's name.

    secret   ::= pin-word { word } digits | digits { word } pin-word
               | password-word { filler } word
               | mother-phrase { filler } name | name [ filler ] mother-phrase
               | banking-word [ NIK ] pin
    pin-word ::= P I N | P.I.N | PIN(KU|NYA|MU) | …
    digits   ::= 123456 | 12 34 56 | 1-2-3-4 | SATU DUA TIGA …     3 to 12 of them

Where it is in doubt it takes out. It runs before anything is stored or logged; what it takes out
is gone. It reads a text once, from left to right, so its time grows with the text's length alone.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from grammar.normalise import MAX_CHARACTERS, normalise
from grammar.reading import Words


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


REDACTED = "***"
FEWEST_DIGITS, MOST_DIGITS, MOST_FAR = 3, 12, 8
WORDS_AFTER, WORDS_BEFORE = 6, 4  # between a pin-word and its digits
LONGEST_SPELLED = 4  # letters of a word that is written P I N
NAME_WORDS = 3
PARTICLES = ("", "KU", "NYA", "MU", "QU", "Q")
FILLERS = _set(
    "SAYA SY AKU ANDA KAMU ATM BANK NYA ADALAH YAITU IALAH ITU INI KODE CODE IS MY BARU LAMA"
    " NAMANYA BERNAMA NAMA ALM ALMARHUMAH"
)
WHERE_USED = _set(
    "JMO APLIKASI AKUN EMAIL GMAIL BPJS BPJSTK LOGIN FB IG FACEBOOK INSTAGRAM WIFI WA"
)  # a password
BEFORE_A_PASSWORD = FILLERS | WHERE_USED
# After "password" or "nama ibu" these tell that none is given.
NONE_GIVEN = _set(
    "APA APAAN BERAPA BGMN BAGAIMANA GIMANA GMN KENAPA KNP MENGAPA LUPA HILANG SALAH TIDAK TDK TAK"
    " GAK GA GK NGGAK ENGGAK BUKAN BELUM BLM SUDAH SDH DIMINTA MINTA DARI UNTUK UTK DI KE YANG YG"
    " DAN ATAU BISA BS MASUK TERBLOKIR DIBLOKIR BLOKIR RESET GANTI UBAH MAU INGIN TOLONG CEK SALDO"
    " KANDUNG LALI LUPO POHO HILAP KESUPEN FORGOT WRONG HOW CARA CARANYA RESET DIRESET GMANA GMNA"
    " GIMANE PIYE PRIPUN KUMAHA NGGA ENGGA KAGAK ORA TEU INDAK NDAK ERROR EROR KELIRU DITOLAK"
    " HARUS BERUBAH TERUS TERKUNCI SALAHNYA INVALID PERLU JANGAN KALAU KALO PAK BU MIN KAK YA DONG"
)
DIGIT_WORDS = _set(
    "NOL KOSONG SATU DUA TIGA EMPAT LIMA ENAM TUJUH DELAPAN SEMBILAN"
    " ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE"
)

_TOKEN = re.compile(r"[^\W_]+|\*{3}")  # what was taken out is a token too
_BETWEEN_DIGITS = re.compile(r"[^\S\r\n]{0,2}[.\-/:,]?[^\S\r\n]{0,2}\Z")
_GLUED = re.compile(r"\d{3,12}\Z")
_DATE = re.compile(r"(?:0?[1-9]|[12]\d|3[01])\D+(?:0?[1-9]|1[0-2])\D+(?:19|20)\d\d\Z")
_TO_BLANK = re.compile(r"[^\s#,;]*")


class Redacted(NamedTuple):
    text: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class _Token:
    word: str  # in upper case
    start: int
    end: int

    @property
    def is_digits(self) -> bool:
        return self.word.isdecimal()

    @property
    def is_letters(self) -> bool:
        return self.word.isalpha()

    @property
    def digits(self) -> int:
        """Returns how many it stands for."""
        return 1 if self.word in DIGIT_WORDS else len(self.word) * self.is_digits


class Redactor:
    def __init__(self, words: Words) -> None:
        self._pins = _phrases(words.pins)
        self._passwords = _phrases(words.passwords)
        self._mothers = _phrases(words.mothers)
        self._banking = _banking(words.banking)
        self._announced = _announced([*words.pins, *words.passwords, *words.mothers])

    def redact(self, text: str) -> Redacted:
        """Returns the text without its secrets: as it came if that is enough, otherwise in its
        normal form."""
        text = text[:MAX_CHARACTERS]
        once = self.take_out(text)
        plain = normalise(once.text)
        if plain == text:
            return once
        again = self.take_out(plain)
        return again if again.is_changed else once

    def take_out(self, text: str) -> Redacted:
        """Removes secrets from `text` and leaves the rest as it stands."""
        spans = sorted(set(self._spans(text)))
        if not spans:
            return Redacted(text, is_changed=False)
        parts, at = [], 0
        for start, end in spans:
            if start >= at:
                parts += [text[at:start], REDACTED]
                at = end
        return Redacted("".join([*parts, text[at:]]), is_changed=True)

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Returns where secrets stand."""
        if self._banking is not None and (found := self._banking.match(text)):
            yield found.span("banking")
        if self._announced is None or not self._announced.search(text):
            return
        tokens = [
            _Token(found[0].upper(), found.start(), found.end()) for found in _TOKEN.finditer(text)
        ]
        line = _Line(text, tokens)
        for index, token in enumerate(tokens):
            yield from self._joined_secret(token)
            if length := _length(self._passwords, tokens, index):
                yield from line.password_after(index + length)
            if length := _length(self._pins, tokens, index):
                yield from line.digits_near(index, index + length)
            if length := _length(self._mothers, tokens, index):
                yield from line.name_near(index, index + length)

    def _joined_secret(self, token: _Token) -> Iterator[tuple[int, int]]:
        """Finds a secret written together with its word: PIN123456."""
        if token.is_letters or token.is_digits:
            return
        for phrase in (*self._pins.single, *self._passwords.single):
            if token.word.startswith(phrase) and _GLUED.match(token.word, len(phrase)):
                yield token.start + len(phrase), token.end


class _Line:
    """Holds the tokens of one text, which are searched from a word that announces a secret."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens

    def digits_near(self, first: int, after: int) -> Iterator[tuple[int, int]]:
        """Returns those behind the words from `first` to `after`; where there are none, those
        before."""
        if not self._is_gone(range(after, after + WORDS_AFTER)):
            found = self._digits_after(after) or self._digits_before(first)
            if found is not None:
                yield found

    def password_after(self, index: int) -> Iterator[tuple[int, int]]:
        """Yields the next word that is none of ours, whatever it is."""
        while index < len(self._tokens) and self._tokens[index].word in BEFORE_A_PASSWORD:
            index += 1
            if self._tokens[index - 1].word in WHERE_USED and "," in self._gap(index):
                return  # LUPA PASSWORD JMO, KLAIM SAYA …
        if index < len(self._tokens) and self._tokens[index].word not in {*NONE_GIVEN, REDACTED}:
            token = self._tokens[index]
            end = _TO_BLANK.match(self._text, token.end)
            yield token.start, end.end() if end else token.end

    def name_near(self, first: int, after: int) -> Iterator[tuple[int, int]]:
        while after < len(self._tokens) and self._tokens[after].word in FILLERS:
            after += 1
        found = self._name(range(after, min(after + NAME_WORDS, len(self._tokens))))
        if found is None and not self._is_gone(range(after, after + 1)):
            before = first
            while before > 0 and self._tokens[before - 1].word in FILLERS:
                before -= 1
            found = self._name(range(max(0, before - NAME_WORDS), before), is_before=True)
        if found is not None:
            yield found

    def _digits_after(self, index: int) -> tuple[int, int] | None:
        """Finds up to 12 digits that follow fillers, whatever separates them, and up to 8 that
        follow other words."""
        is_near = True
        for place in range(index, min(index + WORDS_AFTER, len(self._tokens))):
            token = self._tokens[place]
            if not is_near and "#" in self._gap(place):
                return None
            if token.digits:
                found = self._run(place, range(place + 1, len(self._tokens)))
                if found is not None and (is_near or self._may_be_far(found)):
                    return found
                if token.is_digits:
                    return None
            elif not token.is_letters and is_near and any(map(str.isdecimal, token.word)):
                return token.start, max(token.end, self._to_blank(token))
            is_near = is_near and (token.word in FILLERS)
        return None

    def _digits_before(self, first: int) -> tuple[int, int] | None:
        for place in range(first - 1, max(-1, first - 1 - WORDS_BEFORE), -1):
            if "#" in self._gap(place + 1):
                return None
            if self._tokens[place].digits:
                found = self._run(place, range(place - 1, -1, -1))
                return found if found is not None and self._may_be_far(found) else None
            if not self._tokens[place].is_letters:
                return None
        return None

    def _run(self, place: int, others: range) -> tuple[int, int] | None:
        """Returns the span of the digits at `place` and those next to them."""
        count, last = self._tokens[place].digits, place
        for other in others:
            more = self._tokens[other].digits
            gap = self._gap(max(other, last))
            if not more or count + more > MOST_DIGITS or not _BETWEEN_DIGITS.match(gap):
                break
            count, last = count + more, other
        if not FEWEST_DIGITS <= count <= MOST_DIGITS:
            return None
        low, high = min(place, last), max(place, last)
        return self._tokens[low].start, self._tokens[high].end

    def _may_be_far(self, span: tuple[int, int]) -> bool:
        """Tells whether the digits are no card number, phone number or date."""
        found = self._text[slice(*span)]
        digits = sum(map(str.isdecimal, found))
        return digits <= MOST_FAR and not _DATE.match(found)

    def _name(self, places: range, *, is_before: bool = False) -> tuple[int, int] | None:
        """Returns the span of the words that may be a name, next to where one was announced."""
        waiting: list[_Token] = []
        for place in reversed(places) if is_before else places:
            token = self._tokens[place]
            if not token.is_letters or token.word in NONE_GIVEN or token.word in FILLERS:
                break
            if waiting and "#" in self._gap(place + 1 if is_before else place):
                break
            waiting.append(token)
        if not waiting:
            return None
        return min(each.start for each in waiting), max(each.end for each in waiting)

    def _is_gone(self, places: range) -> bool:
        """Tells whether a secret that stood there was taken out before."""
        return any(token.word == REDACTED for token in self._tokens[places.start : places.stop])

    def _gap(self, index: int) -> str:
        """Returns what stands before a token, since the one before it."""
        if not 0 < index < len(self._tokens):
            return ""
        return self._text[self._tokens[index - 1].end : self._tokens[index].start]

    def _to_blank(self, token: _Token) -> int:
        found = _TO_BLANK.match(self._text, token.end)
        return found.end() if found else token.end


@dataclass(frozen=True, slots=True)
class _Phrases:
    """Groups phrases by their first word; the last word of each may have a particle behind it."""

    listed: frozenset[tuple[str, ...]]
    single: tuple[str, ...]
    longest: int


def _phrases(listed: Iterable[str]) -> _Phrases:
    plain = [tuple(phrase.split()) for phrase in listed]
    spelled = [
        tuple(words[0]) for words in plain if len(words) == 1 and len(words[0]) <= LONGEST_SPELLED
    ]
    every = {
        (*words[:-1], words[-1] + particle) for words in plain + spelled for particle in PARTICLES
    }
    single = tuple(sorted((words[0] for words in every if len(words) == 1), key=len, reverse=True))
    return _Phrases(frozenset(every), single, max(map(len, every), default=0))


def _length(phrases: _Phrases, tokens: list[_Token], index: int) -> int:
    """Returns how many tokens from `index` on are one of the phrases, the longest; 0 where none
    is."""
    for length in range(phrases.longest, 0, -1):
        if tuple(token.word for token in tokens[index : index + length]) in phrases.listed:
            return length
    return 0


def _announced(phrases: list[str]) -> re.Pattern[str] | None:
    """Returns a pattern that every text with a secret matches: most texts match nothing of it."""
    first = {phrase.split()[0] for phrase in phrases}
    spelled = [r"\W{0,9}".join(word) for word in first if len(word) <= LONGEST_SPELLED]
    whole = [word for word in first if len(word) > LONGEST_SPELLED]
    listed = "|".join(sorted([*spelled, *whole]))
    return re.compile(listed, re.IGNORECASE) if listed else None


def _banking(words: Iterable[str]) -> re.Pattern[str] | None:
    listed = "|".join(
        r"\W{1,3}".join(map(re.escape, phrase.split()))
        for phrase in sorted(words, key=len, reverse=True)
    )
    if not listed:
        return None
    pin = r"(?P<banking>\d{6}|(?<=\.)\d{4})"
    text = rf"\W{{0,3}}(?:{listed})(?![^\W\d_])\W{{1,3}}(?:\d{{16}}\W{{1,3}})?{pin}\W{{0,3}}\Z"
    return re.compile(text, re.IGNORECASE)
