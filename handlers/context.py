"""What a message means while a question is open."""

from dataclasses import replace

from grammar import Command, Misread
from handlers.question import Caller, Choice

LETTERS = "ABCDEF"
NO_TO_A_QUESTION = "BATAL"  # with none open it stops unasked messages, as elsewhere in the country


def resolve(said: Command | Misread, caller: Caller) -> Command | Misread:
    if caller.open is None:
        return said
    if isinstance(said, Command) and said.word == NO_TO_A_QUESTION:
        return replace(said, keyword="tidak")
    if isinstance(caller.open, Choice) and said.keyword is None and said.rest in tuple(LETTERS):
        return Command(keyword="saldo", fields={}, word="", rest=said.rest)
    return said
