"""Decides about a notification at the moment it is due, by the gate that answers pass: what is told
and until when, or why it is not."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from handlers import notification
from handlers.changes import NotificationKind
from handlers.disclosure import OnFile, number_on_file
from handlers.ports import Claim, Ledger, LookUpFailed, Participant
from handlers.question import Bound, Caller, Reply
from smsgw.ledger.optional_views import OfficeOf
from smsgw.notifications import findings, quiet_hours
from smsgw.notifications.events import Event
from smsgw.notifications.findings import Digest
from smsgw.notifications.runs import Announcement
from smsgw.storage.tables.notifications import NotificationState

SHORTEST = timedelta(minutes=10)  # that is left of a day in which something is still sent
ASK_AGAIN = timedelta(hours=6)  # what the ledger does not tell clearly


@dataclass(frozen=True, slots=True)
class Known:
    """Holds what is known of the phone of an event."""

    caller: Caller
    language: str
    bound: Bound
    office: OfficeOf | None


@dataclass(frozen=True, slots=True)
class Moment:
    """Holds what is the same for all that are decided about at a moment."""

    now: datetime
    today: date  # where the scheme is
    off: Collection[date]
    unused_for: timedelta
    ledger: Ledger
    hash_: Digest


@dataclass(frozen=True, slots=True)
class Telling:
    event: Event
    known: Known
    reply: Reply
    until: datetime  # when its use is over


@dataclass(frozen=True, slots=True)
class Later:
    at: datetime


Decision = Telling | Later | NotificationState


def decide(
    event: Event, known: Known | None, announcement: Announcement | None, moment: Moment
) -> Decision:
    """Raises LedgerDown."""
    if known is None:
        return NotificationState.ENDED
    bound, now = known.bound, moment.now
    if bound.tells_from is not None and now < bound.tells_from:
        return Later(bound.tells_from)
    where = quiet_hours.zones(known.caller.phone, known.office.timezone if known.office else None)
    day_ends = quiet_hours.ends(now, where)
    if not quiet_hours.is_day(now, where, moment.off) or now + SHORTEST > day_ends:
        return Later(quiet_hours.next_day(max(now, day_ends), where, moment.off))
    try:
        participant = moment.ledger.participant(bound.nkp)
        on_file = number_on_file(participant, bound.on_file, known.caller.phone)
        if on_file is OnFile.ANOTHER:
            return NotificationState.ENDED
        if participant is None or on_file is OnFile.UNCLEAR:
            return Later(now + ASK_AGAIN)
        reply = _reply(event, known, participant, announcement, moment)
    except LookUpFailed:
        return Later(now + ASK_AGAIN)
    until = min(day_ends, event.expires_at)
    return Telling(event, known, reply, until) if reply else NotificationState.MOOT


def tell_now(kind: NotificationKind, bound: Bound, phone: str, moment: Moment) -> Reply | None:
    """Returns what a phone would be told of a participant by day, whether it is news or not; None
    where nothing may be told, or there is nothing. Raises LedgerDown."""
    if bound.tells_from is not None and moment.now < bound.tells_from:
        return None
    try:
        participant = moment.ledger.participant(bound.nkp)
        if number_on_file(participant, bound.on_file, phone) is not OnFile.SAME:
            return None
        claims = moment.ledger.claims(bound.nkp) if kind is NotificationKind.CLAIM else ()
        return _tell(kind, bound, participant, next(iter(claims), None), moment)
    except LookUpFailed:
        return None


def _reply(
    event: Event,
    known: Known,
    participant: Participant,
    announcement: Announcement | None,
    moment: Moment,
) -> Reply | None:
    if announcement is not None:
        return notification.announcement(announcement.text(known.language))
    claim = _claim(event, participant.nkp, moment)
    return _tell(event.kind, known.bound, participant, claim, moment)


def _tell(
    kind: NotificationKind,
    bound: Bound,
    participant: Participant | None,
    claim: Claim | None,
    moment: Moment,
) -> Reply | None:
    """Tells no amount to a phone that was not used for long: a notification is no use."""
    if participant is None:
        return None
    reply = notification.tell(kind, moment.ledger, participant, moment.today, claim)
    if reply is None or bound.used_at is None or moment.now - bound.used_at < moment.unused_for:
        return reply
    return notification.changed(kind, participant.nkp)


def _claim(event: Event, nkp: str, moment: Moment) -> Claim | None:
    if event.kind is not NotificationKind.CLAIM or event.about is None:
        return None
    return findings.claim_of(event.about, moment.ledger.claims(nkp), moment.hash_)
