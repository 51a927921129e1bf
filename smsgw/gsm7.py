"""Computes what a text costs on the air (3GPP TS 23.038 and 23.040), and keeps it cheap.

A segment holds 160 septets of GSM-7 or 70 UTF-16 units; in a text of several, 153 or 67, since each
then carries a header. Segments are packed, not divided: an escape pair (`{`), a surrogate pair and
what a reader sees as one character are never torn apart.
"""

import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from grammar.look_alikes import TABLE

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"  # an escape and a septet each

_ONLY_BASIC = re.compile(f"[{re.escape(BASIC)}]*")
_ONLY_GSM7 = re.compile(f"[{re.escape(BASIC + EXTENSION)}]*")
_UNCHANGED = re.compile("[ -Z_a-z]*")  # most values are of nothing else
_EXTENDED = re.compile(f"[{re.escape(EXTENSION)}]")
_CLUSTER = re.compile(
    "\r\n"
    "|[\U0001f1e6-\U0001f1ff]{2}"  # a flag
    "|.[\u0300-\u036f\u200d\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]*"
    "(?:(?<=\u200d).[\u0300-\u036f\u200d\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]*)*",
    re.DOTALL,
)

# What basic letters stand for, besides what looks like them.
_LOOK_ALIKE = TABLE | str.maketrans(
    {
        **dict.fromkeys("[{", "("),
        **dict.fromkeys("]}", ")"),
        "€": "EUR",
        "^": "'",
        "×": "x",
    }
)


class Encoding(StrEnum):
    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


# Units that a segment holds: alone, and as one of several.
SIZES = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}


class Count(NamedTuple):
    """`units` are the text's own septets or UTF-16 units, headers not counted."""

    encoding: Encoding
    segments: int
    units: int


def is_gsm7(text: str) -> bool:
    return _ONLY_GSM7.fullmatch(text) is not None


def count(text: str) -> Count:
    """Counts what a text costs. The empty text is one segment."""
    is_basic = _ONLY_BASIC.fullmatch(text) is not None
    if not is_basic and not is_gsm7(text):
        units = sum(map(_utf16_units, text))
        return Count(Encoding.UCS_2, len(split(text)) if units > 70 else 1, units)
    units = len(text) + (0 if is_basic else len(_EXTENDED.findall(text)))
    return Count(Encoding.GSM_7, len(split(text)) if units > 160 else 1, units)


def room(encoding: Encoding, segments: int) -> int:
    """Returns how many units fit into that many segments."""
    single, part = SIZES[encoding]
    return single if segments == 1 else part * segments


def split(text: str) -> list[str]:
    """Returns the parts as they are sent; joined they are `text`."""
    is_cheap = is_gsm7(text)
    single, part = SIZES[Encoding.GSM_7 if is_cheap else Encoding.UCS_2]
    size = _septets if is_cheap else _utf16_units
    if sum(map(size, text)) <= single:
        return [text]
    if is_cheap and _EXTENDED.search(text) is None:
        return [text[begin : begin + part] for begin in range(0, len(text), part)]
    pieces = list(text) if is_cheap else list(_clusters(text, part))
    parts, filled = [""], 0
    for piece in pieces:
        width = sum(map(size, piece))
        if filled + width > part:
            parts.append("")
            filled = 0
        parts[-1] += piece
        filled += width
    return parts


def to_gsm7(text: str) -> str:
    """Converts a value to the basic table: look-alikes where there is one, "?" where there is
    none."""
    if _UNCHANGED.fullmatch(text):
        return text
    text = "".join(map(_plain, unicodedata.normalize("NFKC", text.translate(_LOOK_ALIKE))))
    text = text.translate(_LOOK_ALIKE)
    return "".join(letter if letter in BASIC else "?" for letter in text)


def _plain(letter: str) -> str:
    """Removes from a letter what GSM-7 lacks: its accent, or all of it if it is invisible."""
    if letter in BASIC and letter not in "\r\n":
        return letter
    if letter.isspace() or unicodedata.category(letter) == "Cc":
        return " "
    if unicodedata.category(letter) in {"Cf", "Mn", "Me"}:
        return ""
    base = unicodedata.normalize("NFKD", letter)
    return "".join(part for part in base if not unicodedata.combining(part))


def _septets(letter: str) -> int:
    return 2 if letter in EXTENSION else 1


def _utf16_units(letter: str) -> int:
    return 2 if ord(letter) > 0xFFFF else 1


def _clusters(text: str, limit: int) -> Iterator[str]:
    """Returns what a reader sees as one character; letter by letter where that fits no segment."""
    for cluster in _CLUSTER.findall(text):
        whole = sum(map(_utf16_units, cluster)) <= limit
        yield from [cluster] if whole else cluster
