"""Defines what a message is read as: values, never exceptions. A user's mistake is a value too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

Fields = Mapping[str, str | date]
YES, NO = "ya", "tidak"  # ids of the keywords that answer a question
NO_FIELDS: Fields = MappingProxyType({})


class Reason(StrEnum):
    UNKNOWN = "unknown"
    MISSING = "missing"
    WRONG_LENGTH = "wrong_length"
    IMPOSSIBLE_DATE = "impossible_date"
    PHONE_NUMBER = "phone_number"  # where an NKP or a NIK belongs
    FAMILY_CARD = "family_card"  # a KK number, of 16 digits like a NIK
    MISDIRECTED = "misdirected"  # meant for another public service
    EITHER = "either"  # a word that means one of two things here
    SECRET = "secret"  # a PIN, an OTP, a mother's name, and nothing else to do
    COURTESY = "courtesy"  # thanks, ok, a thumb


@dataclass(frozen=True, slots=True)
class Command:
    keyword: str
    fields: Fields
    word: str  # the alias as it was read; "" for a bare number
    rest: str  # words that no slot took
    is_slip: bool = False  # the keyword was one slip away, or may not have been meant
    also: str | None = None  # what else the sentence asks for, as it may be sent: KLAIM
    as_answer: str | None = None  # what it says to an open question: YES, NO or a letter


@dataclass(frozen=True, slots=True)
class Misread:
    """Says why a text is no command. `read` and `needed` are numbers of digits, another service's
    name and how to reach it, or the two keywords that a word may mean; `read` alone is the date as
    it was written."""

    reason: Reason
    keyword: str | None = None
    slot: str | None = None
    read: str | None = None
    needed: str | None = None
    word: str = ""
    rest: str = ""
    fields: Fields = field(default_factory=lambda: NO_FIELDS)  # what was read rightly
    as_answer: str | None = None  # what it says to an open question: YES, NO or a letter


@dataclass(frozen=True, slots=True)
class Keyword:
    """Holds a keyword as an operator defines it.

    `alone`: an alias counts only as the whole message (STOP). `leads`: and has to be at its front
    (YA). `asked`: with other words around it, it is not sure that it is meant (GANTI HP). `phrases`
    are meant wherever they stand. `bare`: the kind of slot that means this keyword when it is sent
    without any. `opt_outs`: aliases that other keywords, or `subscriptions`, may follow, as in
    UNREG ALL; none is meant before a word of `unless` (STOP KERJA).
    """

    id: str
    poster: str
    aliases: tuple[str, ...] = ()
    alone: bool = False
    bare: str | None = None
    leads: bool = False
    asked: bool = False
    phrases: tuple[str, ...] = ()
    opt_outs: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """Describes another public service whose messages arrive here by mistake.

    `words`: phrases its messages begin with. `anywhere`: phrases of its own wherever they stand.
    `digits`: the length of its card's number. `niks`: it
    is sent that many numbers of 16 digits and no NKP.
    """

    name: str
    contact: str | None = None
    words: tuple[str, ...] = ()
    digits: int | None = None
    niks: int | None = None
    anywhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topic:
    """Says what concepts mean together: all of `needs`, one of `any` if there are some, and none of
    `without`. `means` is a message that is answered in its place: INFO JHT."""

    name: str
    means: str
    needs: tuple[str, ...]
    any: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerWords:
    """Holds what answers an open question, beside the aliases of YES and NO.

    `unsure`: phrases that are neither, though they begin as one. `with_yes` and `with_no`: words
    beside them that take nothing back. `letters`: words for each letter of a choice, and
    `with_choice` words beside them. `signs`: YES or NO by a sign.
    """

    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    with_yes: frozenset[str] = frozenset()
    with_no: frozenset[str] = frozenset()
    with_choice: frozenset[str] = frozenset()
    letters: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    signs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Words:
    """Holds the words that are configured, in the upper case that texts are read in. Phrases
    contain spaces."""

    fillers: frozenset[str]  # fall away
    labels: Mapping[str, tuple[str, ...]]  # printed before a kind of slot
    courtesy: frozenset[str] = frozenset()  # ask for nothing
    with_courtesy: frozenset[str] = frozenset()  # nor do these beside them
    choices: Mapping[str, Mapping[str, tuple[str, ...]]] = field(
        default_factory=lambda: MappingProxyType({})
    )  # kind of slot -> value -> words that mean it
    services: tuple[Service, ...] = ()
    either: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    doubts: frozenset[str] = frozenset()  # ask something, so they agree to nothing
    addressed: frozenset[str] = frozenset()  # may come before a word of assent
    signatures: tuple[str, ...] = ()  # begin what a phone writes under a message
    pins: tuple[str, ...] = ()  # stand beside a PIN, an OTP
    passwords: tuple[str, ...] = ()  # come before a password
    mothers: tuple[str, ...] = ()  # stand beside a mother's name
    banking: tuple[str, ...] = ()  # keywords that banks want a PIN after
    answers: AnswerWords = field(default_factory=AnswerWords)
    concepts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    topics: tuple[Topic, ...] = ()  # the first that fits is meant
    everyday: frozenset[str] = frozenset()  # aliases that people also write of other things
    function_words: tuple[str, ...] = ()  # hold a sentence together
    unrelated: tuple[str, ...] = ()  # words of matters that are none of ours
    related: tuple[str, ...] = ()  # concepts that make a sentence ours all the same
    real_words: frozenset[str] = frozenset()  # of the languages; none is a typing slip
