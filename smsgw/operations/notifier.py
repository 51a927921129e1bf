"""Runs what is due of notifications beside the rest of the clock's work."""

from datetime import UTC, datetime, timedelta
from threading import Event

from smsgw import logs
from smsgw.notifications import budget, events, runs
from smsgw.notifications.cycle import Cycle
from smsgw.operations.jobs import hint
from smsgw.runtime import Runtime

log = logs.get(__name__)

TICK = 1.0  # seconds
KEPT_FOR = timedelta(days=400)  # so that what is told once a year is told once
FORGETS_EVERY = timedelta(hours=1)
AT_ONCE = 2000  # rows


def run(rt: Runtime, stopping: Event) -> None:
    """Goes on while there is somebody to look at; otherwise does what is due every second."""
    cycle, forgetting = Cycle(rt), Forgetting(rt)
    wait = TICK
    while not stopping.wait(wait):
        wait = TICK
        try:
            if cycle.step(TICK, queued=lambda number: _hint(rt, number)):
                wait = 0.0
            forgetting.step()
        except Exception as error:
            log.error("notifications failed", exc_info=error)


def _hint(rt: Runtime, number: int) -> None:
    if number:
        hint(rt, rt.default_carrier.name, rt.default_carrier.default_sender_id)


class Forgetting:
    """Deletes old notifications, some at a time."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._next = datetime.min.replace(tzinfo=UTC)

    def step(self) -> int:
        """Returns how many were deleted."""
        now = self._rt.now()
        if now < self._next or not self._rt.clock_check.is_right():
            return 0
        with self._rt.writing() as tx:
            deleted = events.forget(tx, now - KEPT_FOR, AT_ONCE)
            runs.forget(tx, now - KEPT_FOR)
            budget.forget(tx, (now - KEPT_FOR).date())
        if deleted < AT_ONCE:
            self._next = now + FORGETS_EVERY
        return deleted
