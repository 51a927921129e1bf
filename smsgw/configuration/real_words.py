"""Reads the words of Indonesia's languages, of which none is a keyword with a typing slip."""

from functools import cache
from importlib import resources

FOLDER = resources.files("grammar").joinpath("words")


@cache
def load() -> frozenset[str]:
    """Returns one set for all grammars, in the upper case that texts are read in."""
    lists = (file.read_text("utf-8").splitlines() for file in FOLDER.iterdir())
    return frozenset({line.upper() for each in lists for line in each if not line.startswith("#")})
