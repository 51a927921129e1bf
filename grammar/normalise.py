"""Undoes what handsets, newspapers and people do to a text before it reaches us."""

import re

from grammar.look_alikes import fold

MAX_CHARACTERS = 1600  # the longest an SMS gateway delivers; what lies beyond is not read

_SPASI = re.compile(r"[(<\[{_]SPASI[)>\]}_]|(?<![^\W_])SPASI(?![^\W_])")
_APOSTROPHE_IN_A_NAME = re.compile(r"(?<=[^\W\d_])'(?=[^\W\d_])")
_DRAWN_OUT = re.compile(r"([AEIOU])\1{2,}")  # no word has a vowel three times
_WRAPPING = re.compile(r"[()<>\[\]{}'\s]+")
_SPACED_OUT = re.compile(r"(?<![^\W_])[A-Z](?: [A-Z]){3,}(?![^\W_])")
_ALMOST_NUMBER = re.compile(r"(?<![^\W_])[0-9OIL]*[0-9][0-9OIL]*(?![^\W_])")
_LETTERS_AS_DIGITS = str.maketrans("OIL", "011")
DIGITS_NEEDED = 0.6  # of a token, for its O, I and l to be digits too


def normalise(text: str) -> str:
    """Returns a text in upper case, with plain digits and single spaces, and S A L D O joined.
    Removes `(spasi)`, brackets and quotes.

    Two texts with the same normal form say the same, so it also tells a repeat.
    """
    text = fold(text[:MAX_CHARACTERS])[:MAX_CHARACTERS].upper()[:MAX_CHARACTERS]
    if text.isalpha() and "SPASI" not in text:  # most messages: what follows changes no letter
        return _DRAWN_OUT.sub(r"\1", text)
    text = _SPASI.sub(" ", text.replace('"', "'"))
    text = _APOSTROPHE_IN_A_NAME.sub("", text)
    text = _DRAWN_OUT.sub(r"\1", _WRAPPING.sub(" ", text))
    text = _SPACED_OUT.sub(lambda found: found[0].replace(" ", ""), text)
    return _ALMOST_NUMBER.sub(_as_number, text).strip()


def _as_number(found: re.Match[str]) -> str:
    """Reads 19O12345678 as a number, but not SOLO."""
    token = found[0]
    digits = sum(letter.isdigit() for letter in token)
    if digits < DIGITS_NEEDED * len(token):
        return token
    return token.translate(_LETTERS_AS_DIGITS)
