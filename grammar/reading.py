"""Defines what a message is read as: values, never exceptions. A user's mistake is a value too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

Fields = Mapping[str, str | date]
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

    `words`: phrases its messages begin with. `digits`: the length of its card's number. `niks`: it
    is sent that many numbers of 16 digits and no NKP.
    """

    name: str
    contact: str | None = None
    words: tuple[str, ...] = ()
    digits: int | None = None
    niks: int | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """Holds the words that are configured, in the upper case that texts are read in. Phrases
    contain spaces."""

    fillers: frozenset[str]  # fall away
    labels: Mapping[str, tuple[str, ...]]  # printed before a kind of slot
    courtesy: frozenset[str] = frozenset()  # ask for nothing
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
