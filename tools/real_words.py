"""Writes grammar/words/indonesian.txt: the commonest words of Indonesian, which are no slips.

They come from wordfreq, which neither the product nor its tests need:

    pip install wordfreq==3.1.1
    python tools/real_words.py
"""

import re
import sys
from collections.abc import Iterable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import click

FILE = Path(__file__).resolve().parents[1] / "grammar" / "words" / "indonesian.txt"
RANKS = 20_000  # two in a million words; names of persons and English go on from there
A_WORD = re.compile(r"[a-z]{3,}")
# Casual spellings of TIDAK, BENAR, TELEPON and SYARAT, and what IURAN is without one letter.
KEYWORDS_MISSPELT = frozenset(
    ["ngga", "engga", "ngak", "tida", "bener", "telpon", "telefon", "sarat", "iran"]
)
HEADER = """\
# The commonest words of Indonesian, the commonest first. None of them is read as a keyword with a
# typing slip: UANG is not ULANG.
# Source: wordfreq {version} by Robyn Speer, https://github.com/rspeer/wordfreq, its list "small" of
# "id", made from Wikipedia (https://www.wikipedia.org), OpenSubtitles 2018
# (https://opus.nlpl.eu, https://www.opensubtitles.org) and counts of words on Twitter.
# Licence: Creative Commons Attribution-ShareAlike 4.0,
# https://creativecommons.org/licenses/by-sa/4.0/
# Changed: the first {ranks:,} words, of these only what has three or more letters a to z, and none
# that is a casual spelling of a keyword. Made by tools/real_words.py on {day}.
"""


def chosen(ranked: Iterable[str]) -> list[str]:
    """Returns what is a word, in the order given."""
    words = (word for word in ranked if A_WORD.fullmatch(word))
    return [word for word in words if word not in KEYWORDS_MISSPELT]


@click.command(help=__doc__)
def main() -> None:
    try:
        from wordfreq import top_n_list
    except ImportError:
        sys.exit("wordfreq is missing: pip install wordfreq==3.1.1")
    words = chosen(top_n_list("id", RANKS, wordlist="small"))
    header = HEADER.format(version=version("wordfreq"), ranks=RANKS, day=date.today())  # noqa: DTZ011
    FILE.write_text(header + "".join(f"{word}\n" for word in words), "utf-8")
    click.echo(f"{len(words)} words are in {FILE}")


if __name__ == "__main__":
    main()
