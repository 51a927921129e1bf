"""Announces something, once, to people who asked for notifications of a kind."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from handlers import notification
from handlers.changes import NotificationKind
from handlers.values import Verbatim
from smsgw import gsm7
from smsgw.backoffice import casework
from smsgw.backoffice.notifications import NotDone
from smsgw.configuration.compiler import Configuration
from smsgw.ledger import optional_views
from smsgw.ledger.values import NKP_DIGITS
from smsgw.notifications import kinds, runs
from smsgw.notifications.runs import Announcement, Run
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.notifications import Audience, RunState
from smsgw.storage.transaction import Transaction

LONGEST_USE = timedelta(days=30)
LOOKS_BACK = 50  # runs, for one that tells the same
PROGRAMS = ("JHT", "JKK", "JKM", "JP", "JKP")
WORDING = f"{notification.SECTION}.announcement"
# What may be wrong, by the names of fields.
KIND, TEXT_ID, TEXT_EN, UNTIL = "kind", "text_id", "text_en", "until"
OFFICE, PROGRAM, NKPS = "office", "program", "nkps"


class AnnouncementFault(StrEnum):
    """Says why an announcement cannot be sent."""

    OFF = "This kind is off, so its subscribers get nothing. Switch it on first."
    EMPTY = "There is no text."
    LINK = "An SMS must not contain links. Put a space after each full stop."
    CHARACTER = "An SMS cannot contain this character: {character}"
    LONG = "It has {length} characters. {most} fit into one SMS."
    LAST_DAY = "Choose a day from today on, at most {days} days ahead."
    NO_OFFICE = "Enter the code of an office, as on the page Offices."
    NO_OFFICES = "The ledger does not say whose office is which. Choose another audience."
    NO_PROGRAM = "Choose a programme: {programs}."
    NO_NKP = "The list holds no NKP."
    REPEATED = "Run {run} tells the same already. It was not announced again."


@dataclass(frozen=True, slots=True)
class FieldFault:
    """Says what is wrong with a field; `values` stand for the names in braces."""

    name: str
    fault: AnnouncementFault
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name.removeprefix('text_')}: {self.fault.format(**self.values)}"


class NotAnnounced(NotDone):
    """Holds all that is wrong with an announcement."""

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class AnnouncementPreview:
    """Holds an announcement as it would be sent in a language."""

    text: str
    count: gsm7.Count
    length: int  # of what is announced, in characters


@dataclass(frozen=True, slots=True)
class NkpList:
    nkps: Sequence[str]
    wrong: Sequence[int]  # the lines that hold no NKP


def announce(
    rt: Runtime,
    kind: NotificationKind,
    announcement: Announcement,
    actor: str,
    nkps: Collection[str] = (),
) -> Run:
    """Plans an announcement to subscribers of a kind; the clock looks for whom it is. Raises
    NotAnnounced, LedgerDown."""
    found = faults(rt, kind, announcement, nkps)
    if found:
        raise NotAnnounced(found)
    announcement = replace(
        announcement, text_id=plain(announcement.text_id), text_en=plain(announcement.text_en)
    )
    with rt.writing() as tx:
        kinds.lock(tx, kind)  # a form that is sent twice at once is announced once
        if not kinds.read(tx, kind).is_on:
            raise NotAnnounced([FieldFault(KIND, AnnouncementFault.OFF)])
        same = _same(tx, kind, announcement, nkps)
        if same is not None:
            raise NotAnnounced([FieldFault(TEXT_ID, AnnouncementFault.REPEATED, {"run": same.id})])
        run = runs.start(tx, kind, actor, announcement=announcement)
        if announcement.audience is Audience.LIST:
            runs.set_list(tx, run, nkps)
        audit.note(tx, Act.ANNOUNCED, actor, detail=f"{kind}: run {run.id}")
    return run


def faults(
    rt: Runtime,
    kind: NotificationKind,
    announcement: Announcement,
    nkps: Collection[str] = (),
) -> list[FieldFault]:
    """Returns all that is wrong. Raises LedgerDown."""
    with rt.reading() as tx:
        is_on = kinds.read(tx, kind).is_on
    found = [] if is_on else [FieldFault(KIND, AnnouncementFault.OFF)]
    for name, text in ((TEXT_ID, announcement.text_id), (TEXT_EN, announcement.text_en)):
        found += text_faults(name, text)
    last = announcement.expires_at.astimezone(rt.settings.zone).date()
    is_soon = rt.today <= last <= rt.today + LONGEST_USE
    if not is_soon or announcement.expires_at <= rt.now():
        days = {"days": LONGEST_USE.days}
        found.append(FieldFault(UNTIL, AnnouncementFault.LAST_DAY, days))
    return [*found, *_audience_faults(rt, announcement, nkps)]


def text_faults(name: str, text: str) -> Iterator[FieldFault]:
    """Yields what is wrong with a text, as with an officer's answer."""
    length, most = len(plain(text)), notification.LONGEST_ANNOUNCEMENT
    lost = next(filter(casework.is_lost, " ".join(text.split())), None)
    if not length:
        yield FieldFault(name, AnnouncementFault.EMPTY)
    if casework.LINK.search(plain(text)):
        yield FieldFault(name, AnnouncementFault.LINK)
    if lost is not None:
        shown = lost if lost.isprintable() else f"U+{ord(lost):04X}"
        yield FieldFault(name, AnnouncementFault.CHARACTER, {"character": shown})
    if length > most:
        yield FieldFault(name, AnnouncementFault.LONG, {"length": length, "most": most})


def plain(text: str) -> str:
    """Returns a text as an SMS holds it: in one line, with plain quotes and dashes."""
    return gsm7.to_gsm7(" ".join(text.split()))


def preview(configuration: Configuration, text: str, language: str) -> AnnouncementPreview:
    values = {"announcement": Verbatim(plain(text)), "off": notification.OFF}
    whole = configuration.text(WORDING, values, language)
    return AnnouncementPreview(whole, gsm7.count(whole), len(plain(text)))


def read_list(text: str) -> NkpList:
    """Reads an NKP a line."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    some = [(number, line) for number, line in lines if line]
    wrong = [number for number, line in some if not _is_nkp(line)]
    return NkpList(list(dict.fromkeys(line for _, line in some if _is_nkp(line))), wrong)


def _is_nkp(line: str) -> bool:
    return len(line) == NKP_DIGITS and line.isascii() and line.isdigit()


def _same(
    tx: Transaction, kind: NotificationKind, announcement: Announcement, nkps: Collection[str]
) -> Run | None:
    """Returns a run that tells the same to the same people, and was not stopped."""
    hashes = {tx.vault.hash(nkp, "nkp") for nkp in nkps}
    for run in runs.latest(tx, kind, LOOKS_BACK, is_dry=False):
        told = run.announcement
        is_same = told is not None and replace(told, expires_at=announcement.expires_at) == (
            announcement
        )
        if is_same and run.state is not RunState.STOPPED and runs.list_of(tx, run) == hashes:
            return run
    return None


def _audience_faults(
    rt: Runtime, announcement: Announcement, nkps: Collection[str]
) -> Iterator[FieldFault]:
    """Raises LedgerDown."""
    which = announcement.audience_of
    match announcement.audience:
        case Audience.OFFICE if not optional_views.knows_offices(rt.ledger):
            yield FieldFault(OFFICE, AnnouncementFault.NO_OFFICES)
        case Audience.OFFICE if not which or not optional_views.is_office(rt.ledger, which):
            yield FieldFault(OFFICE, AnnouncementFault.NO_OFFICE)
        case Audience.PROGRAM if which not in PROGRAMS:
            programs = {"programs": ", ".join(PROGRAMS)}
            yield FieldFault(PROGRAM, AnnouncementFault.NO_PROGRAM, programs)
        case Audience.LIST if not nkps:
            yield FieldFault(NKPS, AnnouncementFault.NO_NKP)
