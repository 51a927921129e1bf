"""Lets operators decide about notifications: which kinds are sent, what is counted first, what a
second person approves, and what is stopped at once."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers import notification
from handlers.changes import NotificationKind
from smsgw.backoffice.access_requests import is_same_person
from smsgw.messaging import notification_replies
from smsgw.notifications import budget, cycle, events, kinds, runs, samples, subscribers
from smsgw.notifications.kinds import KindState
from smsgw.notifications.runs import Run
from smsgw.notifications.samples import PhoneSample
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.notifications import (
    NotificationState,
    RunState,
    notifications,
)
from smsgw.storage.transaction import Conflict, Transaction

BETWEEN_TURNS = 0.2  # seconds
ACCEPTED = (NotificationState.SENT, NotificationState.DELIVERED)  # by a carrier
COUNTED_WITHIN = timedelta(days=30)  # before a kind is switched on


class NotDone(Exception):
    """Its text tells an operator why, and what to do."""


class NotCounted(NotDone):
    """Says that a dry run has to come first."""


class SamePerson(NotDone):
    """Says that who started a run cannot approve it."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Says who would get a notification: how many, at which cost, and some of them, masked."""

    run: Run
    number: int
    segments: int
    rupiah: int
    samples: Sequence[tuple[str, str]]  # (masked number, text)


@dataclass(frozen=True, slots=True)
class Progress:
    """Says how far a run is, and what became of what it found."""

    run: Run
    counts: Mapping[NotificationState, int]
    opted_out: int  # phones that ended this kind after it told them

    @property
    def left(self) -> int:
        return _sum(self.counts, *runs.OPEN)

    @property
    def sent(self) -> int:
        return _sum(self.counts, *ACCEPTED)


@dataclass(frozen=True, slots=True)
class KindReport:
    state: KindState
    subscribers: int  # phones
    counts: Mapping[NotificationState, int]
    opted_out: int

    @property
    def left(self) -> int:
        return _sum(self.counts, *runs.OPEN)

    @property
    def sent(self) -> int:
        return _sum(self.counts, *ACCEPTED)


def states(rt: Runtime) -> list[KindState]:
    with rt.reading() as tx:
        return kinds.read_all(tx)


def start_dry_run(rt: Runtime, kind: NotificationKind, actor: str) -> Run:
    """Begins to count who would get a notification now; the clock does it. Raises NotDone."""
    try:
        with rt.writing() as tx:
            kinds.note_dry_run(tx, kind, actor)
            run = runs.start(tx, kind, actor, is_dry=True)
            audit.note(tx, Act.NOTIFICATIONS_COUNTED, actor, detail=kind)
    except Conflict:
        raise NotDone("somebody else has just switched this kind; look again") from None
    return run


def dry_run(rt: Runtime, kind: NotificationKind, actor: str) -> Preview:
    """Counts at once. Raises NotDone, LedgerDown."""
    run = start_dry_run(rt, kind, actor)
    _look(rt, run)
    with rt.reading() as tx:
        done = runs.one(tx, run.id) or run
    return preview(rt, done)


def preview(rt: Runtime, run: Run) -> Preview:
    """Returns what a run found up to now, with samples as they would be sent. Raises
    LedgerDown."""
    segments = run.found * rt.configuration.budget(notification.SECTION)
    rupiah = segments * rt.settings.segment_rupiah
    return Preview(run, run.found, segments, rupiah, samples.of_run(rt, run))


def would_get(rt: Runtime, number: str) -> list[PhoneSample]:
    """Returns what a phone would be told now of each kind that it asked for, with amounts: it is
    for whoever may speak for that phone. Raises LedgerDown."""
    return samples.of_phone(rt, number)


def is_counted(state: KindState, now: datetime) -> bool:
    """Tells whether a dry run was so lately that the kind may be switched on."""
    return state.dry_run_at is not None and state.dry_run_at >= now - COUNTED_WITHIN


def switch_on(rt: Runtime, kind: NotificationKind, actor: str, reason: str = "") -> None:
    """Switches a kind on, after a dry run. Raises NotDone."""
    with rt.writing() as tx:
        state = kinds.read(tx, kind)
        if not is_counted(state, tx.now):
            raise NotCounted(f"count first who would get one: smsgw notify plan {kind}")
        if state.is_on:
            raise NotDone(f"{kind} is on already")
        _switch(tx, kind, actor, Act.NOTIFICATIONS_ON, reason, is_on=True)


def pause(rt: Runtime, kind: NotificationKind, actor: str, reason: str = "") -> None:
    """Sends no more of a kind for now; what is in the outbox waits too. Raises NotDone."""
    with rt.writing() as tx:
        if not kinds.read(tx, kind).is_on:
            raise NotDone(f"{kind} is off")
        _switch(tx, kind, actor, Act.NOTIFICATIONS_PAUSED, reason, is_on=True, is_paused=True)
        notification_replies.withdraw(tx, events.queued(tx, notifications.c.kind == kind))


def resume(rt: Runtime, kind: NotificationKind, actor: str, reason: str = "") -> None:
    """Raises NotDone."""
    with rt.writing() as tx:
        if not kinds.read(tx, kind).is_paused:
            raise NotDone(f"{kind} is not paused")
        _switch(tx, kind, actor, Act.NOTIFICATIONS_RESUMED, reason, is_on=True)


def stop(rt: Runtime, kind: NotificationKind, actor: str, reason: str = "") -> int:
    """Switches a kind off and drops all that is planned of it, also what is in the outbox. Returns
    how many were dropped. Raises NotDone."""
    with rt.writing() as tx:
        _switch(tx, kind, actor, Act.NOTIFICATIONS_STOPPED, reason, is_on=False)
        _stop_runs(tx, lambda run: run.kind is kind)
        return events.stop(tx, notifications.c.kind == kind)


def stop_all(rt: Runtime, actor: str, reason: str = "") -> int:
    """Stops every kind."""
    return sum(stop(rt, kind, actor, reason) for kind in NotificationKind)


def stop_run(rt: Runtime, run_id: int, actor: str, reason: str = "") -> int:
    """Drops what is planned by one run, also what is in the outbox; returns how many. Raises
    NotDone."""
    with rt.writing() as tx:
        run = _open_run(tx, run_id)
        _stop_runs(tx, lambda each: each.id == run_id)
        _note(tx, Act.NOTIFICATIONS_STOPPED, actor, run, reason)
        return events.stop(tx, notifications.c.run_id == run.id)


def begin(rt: Runtime, kind: NotificationKind, actor: str) -> Run:
    """Begins to look at all subscribers of a kind now; the clock does it. Raises NotDone."""
    with rt.writing() as tx:
        if not kinds.read(tx, kind).is_sent:
            raise NotDone(f"{kind} is off or paused; see smsgw notify report")
        run = runs.start(tx, kind, actor)
        _note(tx, Act.NOTIFICATIONS_STARTED, actor, run)
    return run


def start(rt: Runtime, kind: NotificationKind, actor: str) -> Run | None:
    """Looks at all subscribers at once, and returns the run; None where nobody is to be told
    anything. The clock sends what it found. Raises NotDone, LedgerDown."""
    run = begin(rt, kind, actor)
    _look(rt, run)
    with rt.reading() as tx:
        return runs.one(tx, run.id)


def approve(rt: Runtime, run_id: int, actor: str, reason: str = "") -> Run:
    """Approves a run that waits, as another person than who started it. Raises NotDone."""
    with rt.writing() as tx:
        run = _open_run(tx, run_id)
        if run.state is not RunState.WAITING:
            raise NotDone(f"run {run_id} waits for no approval")
        if is_same_person(tx, actor, run.started_by):
            raise SamePerson(f"{run.started_by} started it: somebody else has to approve")
        if not runs.approve(tx, run, actor):
            raise NotDone("somebody else was first; look again")
        _note(tx, Act.NOTIFICATIONS_APPROVED, actor, run, reason)
    return run


def waiting(rt: Runtime) -> list[Run]:
    """Returns the runs that wait for a second person."""
    with rt.reading() as tx:
        return [each for each in runs.under_way(tx) if each.state is RunState.WAITING]


def progress(
    rt: Runtime,
    kind: NotificationKind | None = None,
    limit: int = 20,
    before: int | None = None,
) -> list[Progress]:
    """Returns the newest runs first, with what became of what they found. `before`: a run's id."""
    with rt.reading() as tx:
        return _progress(tx, runs.latest(tx, kind, limit, before))


def one(rt: Runtime, run_id: int) -> Progress | None:
    with rt.reading() as tx:
        run = runs.one(tx, run_id)
        return _progress(tx, [run])[0] if run else None


def report(rt: Runtime, since: datetime) -> list[KindReport]:
    """Returns what became of the notifications that were planned since then, by kind."""
    with rt.reading() as tx:
        numbers, counted = subscribers.count(tx), events.counts_by_kind(tx, since)
        return [
            KindReport(
                state,
                numbers.get(state.kind, 0),
                counted.get(state.kind, {}),
                events.opted_out(
                    tx, (notifications.c.kind == state.kind) & (notifications.c.made_at > since)
                ),
            )
            for state in kinds.read_all(tx)
        ]


def budget_used(rt: Runtime) -> int:
    """Returns how many of today's segments are used."""
    with rt.reading() as tx:
        return budget.used(tx, rt.today)


def _progress(tx: Transaction, some: Sequence[Run]) -> list[Progress]:
    counts = events.counts(tx, [each.id for each in some])
    return [
        Progress(
            run, counts.get(run.id, {}), events.opted_out(tx, notifications.c.run_id == run.id)
        )
        for run in some
    ]


def _stop_runs(tx: Transaction, which: Callable[[Run], bool]) -> None:
    """Stops runs before what they planned is dropped: one that looks right now plans no more after
    that, and one that has just gone on is stopped where it is."""
    while found := [each for each in runs.under_way(tx) if which(each)]:
        for run in found:
            runs.move(tx, run, RunState.STOPPED)


def _sum(counts: Mapping[NotificationState, int], *some: NotificationState) -> int:
    return sum(counts.get(each, 0) for each in some)


def _look(rt: Runtime, run: Run) -> None:
    """Looks at all subscribers, in turns with the clock, which may have begun too. Raises
    LedgerDown."""
    left: Run | None = run
    while left is not None and left.state is RunState.LOOKING:
        try:
            left = cycle.look(rt, left)
        except Conflict:
            time.sleep(BETWEEN_TURNS)
            with rt.reading() as tx:
                left = runs.one(tx, run.id)


def _switch(
    tx: Transaction,
    kind: NotificationKind,
    actor: str,
    act: Act,
    reason: str,
    *,
    is_on: bool,
    is_paused: bool = False,
) -> None:
    try:
        kinds.switch(tx, kind, actor, is_on=is_on, is_paused=is_paused)
    except Conflict:
        raise NotDone("somebody else has just switched this kind; look again") from None
    audit.note(tx, act, actor, detail=f"{kind}: {reason}" if reason else kind)


def _open_run(tx: Transaction, run_id: int) -> Run:
    run = runs.one(tx, run_id)
    if run is None or run.ended_at is not None:
        raise NotDone(f"{run_id} is no run that is under way; see smsgw notify report")
    return run


def _note(tx: Transaction, act: Act, actor: str, run: Run, reason: str = "") -> None:
    why = f": {reason}" if reason else ""
    audit.note(tx, act, actor, detail=f"{run.kind}: run {run.id}, {run.found} found{why}")
