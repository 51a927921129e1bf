"""This package reads messages: text in, value out.

Nothing here knows a clock, a file, a database or a log, and nothing here raises for what a person
wrote. Keywords, fillers and labels are given as values by whoever builds a Grammar.
"""

from grammar.look_alikes import fold
from grammar.normalise import MAX_CHARACTERS, normalise
from grammar.parser import Grammar
from grammar.poster import PosterError
from grammar.reading import (
    NO,
    NO_FIELDS,
    YES,
    AnswerWords,
    Command,
    Fields,
    Keyword,
    Misread,
    Reason,
    Service,
    Topic,
    Words,
)
from grammar.redact import Redacted
from grammar.suggest import is_typo

__all__ = [
    "MAX_CHARACTERS",
    "NO",
    "NO_FIELDS",
    "YES",
    "AnswerWords",
    "Command",
    "Fields",
    "Grammar",
    "Keyword",
    "Misread",
    "PosterError",
    "Reason",
    "Redacted",
    "Service",
    "Topic",
    "Words",
    "fold",
    "is_typo",
    "normalise",
]
