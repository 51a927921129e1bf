"""Maps what handsets and word processors write to the plain character that it looks like, or to
none.

Read on the way in, and on the way out where GSM-7 lacks it: one table for both.
"""

import unicodedata

_INVISIBLE_LETTERS = "\u115f\u1160\u3164\uffa0\ufffc"  # fillers; what stands for a picture
_DASHES = (
    "\u058a\u05be\u1400\u1806\u2010\u2011\u2012\u2013\u2014\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u2e5d"
    "\u301c\u3030\u30a0\ufe31\ufe32\ufe58\ufe63\uff0d\U00010ead"  # category Pd
    "~\u02d7\u2043\u2212\u2500\u2501\u2796\u30fc\uff70\uff5e"  # minus, hyphen bullet, lines, …
    "\u2022\u25cf\u25e6\u25aa\u25ab\u25a0\u25cb"  # bullets
)
TABLE = str.maketrans(
    {
        **dict.fromkeys(_DASHES, "-"),
        **dict.fromkeys("«»“”„‟″〝〞〟＂", '"'),
        **dict.fromkeys("‘’‚‛′ʹʻʼʽˈ‹›´`", "'"),
        **dict.fromkeys("·‧∙⋅・･。｡․۔٫", "."),
        **dict.fromkeys("،٬、､﹐", ","),
        **dict.fromkeys("|\\⁄∕⧸／＼¦", "/"),
        **dict.fromkeys("∶ː：", ":"),
        **dict.fromkeys("؛；", ";"),
        "ı": "i",
        "…": "...",
        "ł": "l",
        "Ł": "L",
        "\u2800": " ",  # a blank of Braille
        "\U0001f51f": "10",
        **dict.fromkeys(_INVISIBLE_LETTERS, ""),
    }
)
_CONTROLS = dict.fromkeys([*range(32), 127], " ")
_OF_ASCII = _CONTROLS | {each: to for each, to in TABLE.items() if each < 128}


def fold(text: str) -> str:
    """Replaces characters by plain ones: digits of any script, accented letters, marks and quotes.
    Removes invisible characters, and turns line breaks into spaces."""
    if text.isascii():
        return text.translate(_OF_ASCII)
    text = unicodedata.normalize("NFKD", text.translate(TABLE)).translate(TABLE)
    return "".join(map(_plain, text))


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isprintable() else " "
    category = unicodedata.category(letter)
    if category in {"Cf", "Cs", "Mn", "Me"}:
        return ""
    if category == "Cc" or letter.isspace():
        return " "
    value = unicodedata.digit(letter, None)
    return letter if value is None else str(value)
