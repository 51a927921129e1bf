"""Defines what carriers and the rest of the system exchange. Carriers know no database."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from smsgw.variables import Endpoint

LONGEST_ID = 18  # digits
LONGEST_KEY = 64  # characters: of a message's id, of its sender and of our number


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """Holds what a carrier sent us, without a web framework.

    `path` and `query` are raw, as on the wire (a signature covers those octets); `form` keeps
    every value of a repeated field, in order; `body` is empty where it was a form.
    """

    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case
    form: tuple[tuple[str, str], ...]
    body: bytes = b""
    address: str = ""  # of the other end of the connection


@dataclass(frozen=True, slots=True)
class MessagePart:
    """Says which part of a long message an SMS is."""

    reference: str  # all parts of a message have it; the phone uses it again later
    number: int  # from 1
    total: int


@dataclass(frozen=True, slots=True)
class IncomingSms:
    carrier: str
    carrier_ref: str  # the carrier's own id: one message has one, however often it is delivered
    sender: str  # as the carrier wrote it: E.164, a short code or a name
    sender_id: str  # our number it came to, and the one its reply leaves by
    text: str
    opted: str | None = None  # stop, start or help: the carrier has answered and acted itself
    part: MessagePart | None = None  # the rest of the message comes in requests of its own

    @property
    def faults(self) -> Sequence[str]:
        """Returns why it cannot be stored. Two messages without an id would be one message and
        its repeat."""
        keys = self.carrier_ref, self.sender, self.sender_id
        return [
            f"a message needs {name} of 1 to {LONGEST_KEY} characters"
            for name, key in zip(("an id", "a sender", "a recipient"), keys, strict=True)
            if not key.strip() or len(key) > LONGEST_KEY
        ]


@dataclass(frozen=True, slots=True)
class OutgoingSms:
    attempt_id: int  # goes into the callback address, so that a report finds its attempt
    recipient: str  # E.164
    sender_id: str
    text: str
    lasts: timedelta = timedelta(hours=2)  # after that it is of no use, and must not be delivered


class Delivery(StrEnum):
    """Holds what a delivery report says. Anything else that a carrier reports is ignored."""

    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class Report:
    carrier: str  # who tells it: of another carrier's attempt nobody is believed
    attempt_id: int
    delivery: Delivery
    carrier_ref: str | None = None
    code: str | None = None
    is_opted_out: bool = False  # the phone said STOP to the carrier


@dataclass(frozen=True, slots=True)
class CarrierRecord:
    """Holds what the carrier's own books say of an SMS of ours."""

    carrier_ref: str
    taken_at: datetime
    is_same_text: bool
    delivery: Delivery
    code: str | None = None


class Forged(Exception):
    """Says that the request does not come from the carrier."""


class Malformed(Exception):
    """Says that the request comes from the carrier, but lacks what a message or a report must
    have."""


def attempt_named(out: str) -> int:
    """Returns the attempt that a report's address names. Raises Malformed."""
    if not out.isascii() or not out.isdigit() or len(out) > LONGEST_ID:
        raise Malformed("out must name an attempt")
    return int(out)


class Ending(StrEnum):
    """Says how a send failed."""

    REFUSED = "refused"  # final: the carrier said no
    RETRY = "retry"  # surely never sent, safe to try again
    UNKNOWN = "unknown"  # it may have gone out; never send it blindly again


class SendError(Exception):
    """Says how a send failed. `is_opted_out`: the carrier refuses because the phone said STOP to
    it."""

    def __init__(self, ending: Ending, code: str, *, is_opted_out: bool = False) -> None:
        super().__init__(f"{ending}: {code}")
        self.ending = ending
        self.code = code
        self.is_opted_out = is_opted_out


class Reads(StrEnum):
    """Says what a route receives."""

    MESSAGES = "messages"
    REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Answers a carrier once everything is stored."""

    status: int = 200
    body: str = ""
    media_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Route:
    """Describes one webhook of a carrier."""

    path: str  # below /in
    methods: tuple[str, ...]
    reads: Reads
    acknowledgement: Acknowledgement
    summary: str  # as docs/openapi.yaml has it


class Carrier(Protocol):
    """`verify` comes before any `read`; `send` is called with no transaction open."""

    name: str
    default_sender_id: str  # the sender of notifications

    @property
    def routes(self) -> Sequence[Route]: ...

    def verify(self, request: WebhookRequest) -> None:
        """Raises Forged."""

    def read_messages(self, request: WebhookRequest) -> Sequence[IncomingSms]:
        """Raises Malformed."""

    def read_reports(self, request: WebhookRequest) -> Sequence[Report]:
        """Returns the reports except those that are no news. Raises Malformed."""

    def send(self, sms: OutgoingSms) -> str | None:
        """Returns the carrier's id of the message where it gives one. Raises SendError."""

    def find(self, sms: OutgoingSms) -> Sequence[CarrierRecord] | None:
        """Returns what it has taken for the same recipient from the same sender, of late at least,
        or None if it cannot tell. Raises SendError if it does not answer."""

    def misconfigured(self) -> str | None:
        """Returns what `smsgw doctor` says is to be set right, and where, or None if all is well.
        Raises SendError where the carrier does not tell."""


class CarrierSettings(Endpoint, ABC):
    """Holds the settings of one carrier, each read from its own environment variable.

    A validator finds the whole environment in its context.
    """

    @property
    def reaches_people(self) -> bool:
        """Tells whether it sends to more than this machine."""
        return True

    @property
    def further_variables(self) -> Set[str]:
        """Returns the variables that it reads besides its own, as a file of it names them."""
        return frozenset()

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yields (variable, what is wrong) for faults that only show when settings are read
        together, while the carrier is in use."""
        yield from ()

    @abstractmethod
    def build(self) -> Carrier: ...


def lacking(needed: Mapping[str, object], carrier: str) -> Iterator[tuple[str, str]]:
    """Yields a fault for each variable without a value."""
    for name, value in needed.items():
        if not value:
            yield name, f"is needed with SMSGW_CARRIER={carrier}"
