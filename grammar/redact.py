"""Takes out what nobody should have sent: PINs, one-time passwords, a mother's name.

    secret ::= pin-word { filler } value | mother-phrase name | banking-word [ NIK ] pin

It runs before anything is stored or logged; what it takes out is gone.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from grammar.normalise import MAX_CHARACTERS, normalise
from grammar.reading import Words

GONE = "***"
_BETWEEN = r"\W{0,4}(?:(?:ATM|BANK|SAYA|SY|ANDA|NYA|ADALAH|YAITU|IS|KODE|CODE|INI)\W{1,3}){0,3}"
_VALUE = r"(?=\S{0,11}\d)[^\s#,;]{3,12}"  # a token with a digit in it
_NAME = r"[^\W\d_]+(?:\s+[^\W\d_]+){0,2}"


@dataclass(frozen=True, slots=True)
class Redacted:
    text: str
    is_changed: bool


class Redactor:
    def __init__(self, words: Words) -> None:
        parts = [
            *([rf"{_one_of(words.pins)}{_BETWEEN}(?P<pin>{_VALUE})"] if words.pins else []),
            *(
                [
                    rf"{_one_of(words.mothers)}(?:\W{{1,3}}(?:SAYA|ADALAH)(?!\w))*\W{{1,3}}(?P<name>{_NAME})"
                ]
                if words.mothers
                else []
            ),
            *(
                [
                    rf"\A\W{{0,3}}{_one_of(words.banking)}\W{{1,3}}(?:\d{{16}}\W{{1,3}})?"
                    rf"(?P<banking>\d{{6}}|(?<=\.)\d{{4}})\W{{0,3}}\Z"
                ]
                if words.banking
                else []
            ),
        ]
        self._secret = re.compile("|".join(parts), re.IGNORECASE) if parts else None

    def redact(self, text: str) -> Redacted:
        """`text` as it came where that is enough, else its normal form, without the secrets."""
        text = text[:MAX_CHARACTERS]
        once = self.take_out(text)
        plain = normalise(once.text)
        again = self.take_out(plain)
        return again if again.is_changed else once

    def take_out(self, text: str) -> Redacted:
        """Of `text` as it stands."""
        if self._secret is None:
            return Redacted(text, False)
        kept, number = self._secret.subn(_without_value, text)
        return Redacted(kept, number > 0)


def _without_value(found: re.Match[str]) -> str:
    start, end = found.span(str(found.lastgroup))
    whole, offset = found[0], found.start()
    return whole[: start - offset] + GONE + whole[end - offset :]


def _one_of(phrases: Iterable[str]) -> str:
    listed = "|".join(
        r"\W{1,3}".join(map(re.escape, phrase.split()))
        for phrase in sorted(phrases, key=len, reverse=True)
    )
    return rf"(?<![^\W_])(?:{listed})(?![^\W\d_])"
