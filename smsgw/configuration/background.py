"""Judges private messages, none of which is meant for the service: how many would be taken for
ours, and whether any would change something.

A file of them has one message a line; empty lines, and lines that begin with #, are none.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grammar import NO, YES, Command, Misread, Reason
from handlers import CHANGING
from smsgw.configuration import compiler
from smsgw.configuration.document import Document

LONGEST_TEXT = 500_000  # characters
MOST_MESSAGES = 5_000  # of a file; reading them takes seconds
MOST_TAKEN = 2  # of a hundred
SHOWN = 3  # keywords and topics that take the most
ACTING = CHANGING - {YES, NO}  # these change nothing where nobody asked
NOT_OURS = {Reason.UNKNOWN, Reason.COURTESY, Reason.MISDIRECTED, Reason.SECRET}


class NotPrivateMessages(ValueError):
    """Says why a text is no file of private messages."""


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class TakenMessage:
    """Describes a private message that is read as if it were meant for the service. It leaves out
    the text, which is somebody's own."""

    line: int
    keyword: str
    topic: str | None
    is_acting: bool  # it would change something, and not only be asked about

    @property
    def taker(self) -> str:
        return f"{self.keyword} (topic {self.topic})" if self.topic else self.keyword


@dataclass(frozen=True, slots=True)
class TooManyTaken:
    """Says that too many private messages are taken for ours."""

    taken: int
    total: int
    takers: tuple[tuple[str, int], ...]  # the commonest

    def __str__(self) -> str:
        by = ", ".join(f"{taker} {count}" for taker, count in self.takers)
        return (
            f"{self.taken} of {self.total} private messages are taken for ours, more than "
            f"{MOST_TAKEN} %: {by}"
        )


@dataclass(frozen=True, slots=True)
class ActingLine:
    """Says that a private message would change something."""

    line: int
    keyword: str

    def __str__(self) -> str:
        return (
            f"the private message in line {self.line} would change something, as {self.keyword} "
            "does"
        )


Doubt = TooManyTaken | ActingLine


@dataclass(frozen=True, slots=True)
class BackgroundFindings:
    total: int
    taken: tuple[TakenMessage, ...]

    @property
    def takers(self) -> list[tuple[str, int]]:
        """Returns keywords and topics with the number of messages that they take, the commonest
        first."""
        return Counter(each.taker for each in self.taken).most_common()

    @property
    def is_too_many(self) -> bool:
        return len(self.taken) * 100 > MOST_TAKEN * self.total

    def doubts(self) -> Iterator[Doubt]:
        if self.is_too_many:
            yield TooManyTaken(len(self.taken), self.total, tuple(self.takers[:SHOWN]))
        yield from (ActingLine(each.line, each.keyword) for each in self.taken if each.is_acting)


def parse(text: str) -> list[PrivateMessage]:
    """Reads a file of private messages. Raises NotPrivateMessages."""
    if len(text) > LONGEST_TEXT:
        raise NotPrivateMessages(f"it has more than {LONGEST_TEXT:,} characters")
    lines = enumerate(text.lstrip("\ufeff").splitlines(), 1)
    found = [
        PrivateMessage(number, line.strip())
        for number, line in lines
        if line.strip() and not line.startswith("#")
    ]
    if not found:
        raise NotPrivateMessages("it has no messages; write one a line")
    if len(found) > MOST_MESSAGES:
        raise NotPrivateMessages(f"it has more than {MOST_MESSAGES:,} messages")
    return found


def judge(read: Document, messages: Sequence[PrivateMessage]) -> BackgroundFindings:
    """Judges by the keywords that are enabled. Raises KeywordsError."""
    entries = compiler.entries_in_force(read, None)
    grammar = compiler.grammar_of(entries, read.words)
    taken = []
    for message in messages:
        said = grammar.parse(message.text)
        keyword = _taker(said)
        if keyword is not None:
            topic = grammar.topic_of(message.text)
            entry = entries.get(keyword)
            is_asked = isinstance(said, Command) and said.is_slip and entry and entry.asked
            is_acting = isinstance(said, Command) and keyword in ACTING and not is_asked
            taken.append(TakenMessage(message.line, keyword, topic, is_acting))
    return BackgroundFindings(len(messages), tuple(taken))


def changed(was: BackgroundFindings, becomes: BackgroundFindings) -> int:
    """Counts the messages of one file that are read differently."""
    before, after = ({each.line: each.taker for each in both.taken} for both in (was, becomes))
    return sum(before.get(line) != after.get(line) for line in before.keys() | after.keys())


def _taker(said: Command | Misread) -> str | None:
    """Returns what takes a message for ours: a keyword, or a question which of two is meant."""
    if isinstance(said, Command):
        return said.keyword
    if said.reason in NOT_OURS:
        return None
    return said.keyword or str(said.reason)
