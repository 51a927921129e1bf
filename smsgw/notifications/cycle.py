"""Does what is due of notifications, again and again: looks for what changed, queues what is due,
and learns what became of it. Each step may be killed, and is done again."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from handlers.changes import NotificationKind
from handlers.ports import LedgerDown
from smsgw import logs
from smsgw.ledger import optional_views
from smsgw.notifications import events, kinds, looking, runs, sending, settling
from smsgw.notifications.kinds import KindState
from smsgw.notifications.runs import Run
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import RunState
from smsgw.storage.transaction import Conflict

log = logs.get(__name__)

# How often all subscribers of a kind are looked at.
EVERY: Mapping[NotificationKind, timedelta] = {
    NotificationKind.BALANCE: timedelta(hours=1),
    NotificationKind.CONTRIBUTION: timedelta(days=1),
    NotificationKind.CLAIM: timedelta(hours=1),
    NotificationKind.DATA: timedelta(days=1),
    NotificationKind.STATUS: timedelta(hours=6),
}
# A ledger that says what changed is asked for that instead.
FED = frozenset({NotificationKind.BALANCE, NotificationKind.CLAIM, NotificationKind.STATUS})
TOLD_EVERY = timedelta(minutes=5)
MOST_STEPS = 1000  # of who has no clock
LOOKS_EVERY = timedelta(seconds=10)  # for what became of those that were queued


class Cycle:
    """Runs in the clock, and remembers when to look again at what it learned of the outbox."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._settled_up_to: settling.Place | None = None
        self._settle_at: datetime | None = None

    def step(
        self, within: float = 1.0, queued: Callable[[int], object] = lambda number: None
    ) -> bool:
        """Looks at one slice, and queues what may leave in `within` seconds; `queued` is told how
        many that were. Returns whether there is more to look at now."""
        if not self._rt.clock_check.is_right():
            return False
        try:
            is_more = look_at_next(self._rt)
            queued(sending.queue(self._rt, within))
        except LedgerDown as error:
            log.warning("notifications wait for the ledger", why=str(error))
            return False
        except Conflict:
            return False
        finally:
            self._settle()
        return is_more

    def _settle(self) -> None:
        now = self._rt.now()
        if self._settle_at is not None and now < self._settle_at:
            return
        with self._rt.writing() as tx:
            after = settling.settle(tx, self._settled_up_to)
            expired = events.expire(tx)
            if after is None:
                runs.finish(tx)
        self._settled_up_to = after
        if after is None and expired < events.AT_ONCE:
            self._settle_at = now + LOOKS_EVERY
        if expired:
            log.info("notifications expired", number=expired)


def run_due(rt: Runtime) -> int:
    """Looks at all that is due, and queues what may leave; returns how many. For those that have no
    clock: transcripts, and tests."""
    number = 0

    def count(queued: int) -> None:
        nonlocal number
        number += queued

    cycle = Cycle(rt)
    for _ in range(MOST_STEPS):
        if not cycle.step(queued=count):
            break
    return number


def look_at_next(rt: Runtime) -> bool:
    """Looks at a slice of the first run that is not done looking, or begins one. Returns whether
    there is more to look at. Raises LedgerDown, Conflict."""
    with rt.reading() as tx:
        states = {each.kind: each for each in kinds.read_all(tx)}
        waiting = [each for each in runs.under_way(tx) if each.state is RunState.LOOKING]
    for run in waiting:
        if run.is_dry or states[run.kind].is_sent:
            look(rt, run)
            return True
    for state in states.values():
        if state.is_sent and _is_due(rt, state):
            look(rt, begin(rt, state))
            return True
    return False


def begin(rt: Runtime, state: KindState) -> Run:
    """Raises LedgerDown, Conflict."""
    is_told = state.kind in FED and optional_views.has_changes(rt.ledger)
    with rt.writing() as tx:
        if is_told and _is_first_of_day(rt, state):
            kinds.note_changes(tx, state, tx.now)
        kinds.begin_look(tx, state)
        return runs.start(tx, state.kind, state.changed_by)


def look(rt: Runtime, run: Run) -> Run | None:
    """Looks at a run's next slice. Returns None once it has looked at all. Raises LedgerDown,
    Conflict."""
    if run.is_dry or run.announcement is not None or run.kind not in FED:
        return looking.look(rt, run)
    with rt.reading() as tx:
        state = kinds.read(tx, run.kind)
    if run.cursor < 0:
        return looking.look_at_changes(rt, run, state)
    # The first run of a day looks at all, as if the ledger could not tell.
    is_told = state.changes_until is not None and state.changes_until < run.started_at
    return looking.look_at_new(rt, run) if is_told else looking.look(rt, run)


def _is_due(rt: Runtime, state: KindState) -> bool:
    every = EVERY[state.kind] if state.changes_until is None else TOLD_EVERY
    return state.looked_at is None or state.looked_at + every <= rt.now()


def _is_first_of_day(rt: Runtime, state: KindState) -> bool:
    zone = rt.settings.zone
    looked_on = state.looked_at.astimezone(zone).date() if state.looked_at else None
    return state.changes_until is None or looked_on != rt.today
