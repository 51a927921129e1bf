"""Looks at the subscribers of a kind, a slice at a time: who is there to be told something?

Of each slice the ledger is asked once; what it answers is compared here. What a slice found is
written together with how far the run came, so that a run that was killed goes on behind its last
slice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from handlers import iuran, notification
from handlers.changes import NotificationKind
from handlers.disclosure import OnFile, number_on_file
from handlers.ports import Ledger, LookUpFailed
from smsgw.ledger import optional_views
from smsgw.ledger.slice_ledger import SliceLedger
from smsgw.notifications import events, findings, kinds, quiet_hours, runs, subscribers
from smsgw.notifications.events import NewEvent
from smsgw.notifications.findings import Finding, News
from smsgw.notifications.kinds import KindState
from smsgw.notifications.runs import Run
from smsgw.notifications.subscribers import DIGEST_OCTETS, Slice, Subscriber
from smsgw.registry import holidays
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import Audience, RunState
from smsgw.storage.transaction import Transaction

AT_ONCE = 1000  # subscribers
SAMPLES = 5
FIRST_PAGE = -1  # of those whose data changed, as a cursor
LATE_COMMITS = timedelta(minutes=10)
A_YEAR = timedelta(days=365)
# How long something is news.
LASTS = {
    NotificationKind.BALANCE: timedelta(days=7),
    NotificationKind.CONTRIBUTION: timedelta(days=14),
    NotificationKind.CLAIM: timedelta(days=7),
    NotificationKind.DATA: timedelta(days=60),
    NotificationKind.STATUS: timedelta(days=14),
}


@dataclass(frozen=True, slots=True)
class Told:
    """Holds what was found about a subscriber; the number is that of the phone, where there is
    news."""

    subscriber: Subscriber
    finding: Finding
    number: str = ""


def look(rt: Runtime, run: Run, *, only_new: bool = False) -> Run | None:
    """Looks at the next slice of a run. Returns None once it has looked at all. Raises LedgerDown,
    and Conflict where another process looks for the same run."""
    with rt.reading() as tx:
        of_slice = subscribers.read(tx, run, AT_ONCE, only_new=only_new)
    found = _found(rt, run, of_slice.subscribers)
    with rt.writing() as tx:
        run = write(rt, tx, run, of_slice, found)
        if of_slice.is_last:
            finish(tx, run, rt.settings.notification_approval)
    return None if of_slice.is_last else run


def look_at_new(rt: Runtime, run: Run) -> Run | None:
    """Looks at subscribers who were told nothing yet, where the ledger says what changed for the
    others. Raises LedgerDown, Conflict."""
    with rt.reading() as tx:
        of_slice = subscribers.read(tx, run, AT_ONCE, only_new=True)
    found = _found(rt, run, of_slice.subscribers)
    if of_slice.is_last:
        of_slice = replace(of_slice, cursor=FIRST_PAGE)
    with rt.writing() as tx:
        return write(rt, tx, run, of_slice, found)


def look_at_changes(rt: Runtime, run: Run, state: KindState) -> Run | None:
    """Looks at the next page of participants whose data changed. Pages are counted down. Raises
    LedgerDown, Conflict."""
    until = state.changes_until or run.started_at
    # What was written then may have been committed later; who was told is not told again.
    since = until - LATE_COMMITS if run.cursor == FIRST_PAGE else until
    changes = optional_views.changed_since(rt.ledger, since)
    with rt.reading() as tx:
        some = subscribers.of_participants(tx, run.kind, changes.nkps)
    found = _found(rt, run, some)
    of_slice = Slice(some, run.cursor - 1, changes.is_last)
    with rt.writing() as tx:
        # The kind before the run, as everywhere: no deadlock.
        kinds.note_changes(tx, state, max(until, min(changes.until, tx.now)))
        run = write(rt, tx, run, of_slice, found)
        if changes.is_last:
            finish(tx, run, rt.settings.notification_approval)
    return None if changes.is_last else run


def finish(tx: Transaction, run: Run, most: int) -> None:
    """Ends the looking: what it found is sent, once a second person agrees if it is many. What the
    clock began is dropped if it found nobody; somebody waits for the others."""
    if run.is_dry or (not run.found and run.announcement is not None):
        runs.move(tx, run, RunState.DONE)
    elif not run.found:
        runs.drop(tx, run)
    else:
        runs.move(tx, run, RunState.WAITING if run.found > most else RunState.SENDING)


def write(rt: Runtime, tx: Transaction, run: Run, of_slice: Slice, found: Sequence[Told]) -> Run:
    """Writes what was found, and how far the run came. Raises Conflict."""
    news = [each for each in found if each.finding.news]
    told_before = _told_before(tx, run, news)
    new = _new_events(rt, tx, run, news, told_before)
    samples = [*run.samples, *(each.binding_id for each in new)][:SAMPLES]
    cursor, looked_at = of_slice.cursor, len(of_slice.subscribers)
    run = runs.advance(tx, run, cursor, looked_at, len(new), samples)
    if not run.is_dry:
        events.add(tx, run.id, run.kind, new)
        if run.announcement is None:
            subscribers.remember(tx, run.kind, _digests(found, told_before))
    return run


def _told_before(tx: Transaction, run: Run, news: Sequence[Told]) -> set[tuple[bytes, str]]:
    """Returns who was told before in which period. What is told once a year is not told in December
    and in January."""
    hashes = {each.subscriber.nkp_hash for each in news}
    told = events.periods(tx, run.kind, hashes)
    if run.kind is not NotificationKind.DATA or run.announcement is not None:
        return told
    of_late = events.planned_since(tx, run.kind, hashes, tx.now - A_YEAR)
    return told | {
        (each.subscriber.nkp_hash, one.period)
        for each in news
        for one in each.finding.news
        if each.subscriber.nkp_hash in of_late
    }


def _found(rt: Runtime, run: Run, some: Sequence[Subscriber]) -> list[Told]:
    if not some:
        return []
    nkps = [each.nkp for each in some]
    if run.announcement is not None:
        asked = _audience(rt, run, nkps)
        news = Finding((News(run.period or ""),))
        found = [Told(each, news) for each in some if each.nkp in asked]
    else:
        ledger = SliceLedger(rt.ledger, [notification.LOOKS_UP[run.kind]], nkps)
        looked = ((each, _look(rt, run.kind, each, ledger)) for each in some)
        found = [Told(each, finding) for each, finding in looked if finding is not None]
    return _those_who_may_be_told(rt, run.kind, found)


def _look(rt: Runtime, kind: NotificationKind, each: Subscriber, ledger: Ledger) -> Finding | None:
    return findings.look(kind, each.nkp, each.told, ledger, rt.today, lambda text: digest(rt, text))


def digest(rt: Runtime, text: str) -> bytes:
    return rt.vault.hash(text, "notification")[:DIGEST_OCTETS]


def _audience(rt: Runtime, run: Run, nkps: Sequence[str]) -> Collection[str]:
    """Returns those whom an announcement is for. The list of one is in the slice's statement."""
    announcement = run.announcement
    if announcement is None or announcement.audience in {Audience.ALL, Audience.LIST}:
        return nkps
    if announcement.audience is Audience.OFFICE:
        offices = optional_views.offices_of(rt.ledger, nkps)
        return {nkp for nkp, office in offices.items() if office.code == announcement.audience_of}
    ledger = SliceLedger(rt.ledger, ["programs"], nkps)
    return {nkp for nkp in nkps if announcement.audience_of in ledger.programs(nkp)}


def _those_who_may_be_told(
    rt: Runtime, kind: NotificationKind, found: Sequence[Told]
) -> list[Told]:
    """Leaves out news for participants whose number on file is unclear or another one, and, of
    contributions, of who is not active. They are looked at again."""
    news = [each for each in found if each.finding.news]
    ledger = SliceLedger(rt.ledger, ["participant"], [each.subscriber.nkp for each in news])
    with rt.reading() as tx:
        opened = [(each, _numbers(tx, each.subscriber)) for each in news]
    told = [
        replace(each, number=number)
        for each, (number, bound_with) in opened
        if number is not None and _may_be_told(kind, ledger, each.subscriber, number, bound_with)
    ]
    return [*told, *(each for each in found if not each.finding.news)]


def _numbers(tx: Transaction, subscriber: Subscriber) -> tuple[str | None, str | None]:
    return subscribers.number_of(tx, subscriber), subscribers.on_file_of(tx, subscriber)


def _may_be_told(
    kind: NotificationKind,
    ledger: Ledger,
    subscriber: Subscriber,
    number: str,
    bound_with: str | None,
) -> bool:
    try:
        participant = ledger.participant(subscriber.nkp)
    except LookUpFailed:
        return False
    if participant is None:
        return False
    is_owed = kind is not NotificationKind.CONTRIBUTION or participant.status == iuran.ACTIVE
    return is_owed and number_on_file(participant, bound_with, number) is OnFile.SAME


def _new_events(
    rt: Runtime,
    tx: Transaction,
    run: Run,
    news: Sequence[Told],
    told_before: Collection[tuple[bytes, str]],
) -> list[NewEvent]:
    off = days_off(rt, tx)
    expires_at = run.announcement.expires_at if run.announcement else tx.now + LASTS[run.kind]
    # The earliest: once it is due, the participant's office may tell more of where it is day.
    mornings = {
        zones: min(quiet_hours.next_day(tx.now, (each,), off) for each in zones)
        for zones in {quiet_hours.zones(told.number) for told in news}
    }
    return [
        NewEvent(
            period=each.period,
            nkp_hash=told.subscriber.nkp_hash,
            phone_id=told.subscriber.phone_id,
            binding_id=told.subscriber.binding_id,
            about=each.about,
            due_at=mornings[quiet_hours.zones(told.number)],
            expires_at=expires_at,
        )
        for told in news
        for each in told.finding.news
        if (told.subscriber.nkp_hash, each.period) not in told_before
    ]


def days_off(rt: Runtime, tx: Transaction) -> frozenset[date]:
    """Returns the days on which nothing is sent."""
    if rt.settings.notification_holidays:
        return frozenset()
    return holidays.all_days(tx, rt.settings.holidays)


def _digests(
    found: Sequence[Told], told_before: Collection[tuple[bytes, str]]
) -> list[tuple[Subscriber, bytes]]:
    """Returns what counts as told. What was told of once in its period, and has changed again, does
    not: it is news in the next one."""
    digests = []
    for told in found:
        known, finding = told.subscriber.nkp_hash, told.finding
        again = {each.about for each in finding.news if (known, each.period) in told_before}
        counted = findings.without(finding.digest, again)
        if counted is not None:
            digests.append((told.subscriber, counted))
    return digests
