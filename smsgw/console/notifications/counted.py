"""Shows what a run found up to now: how many, at which cost, and some of them, masked."""

from dataclasses import dataclass, replace

from handlers.ports import LedgerDown
from smsgw.backoffice import notifications
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.notifications import Preview
from smsgw.console import access
from smsgw.notifications.runs import Run
from smsgw.storage.tables.notifications import RunState


@dataclass(frozen=True, slots=True)
class CountedRun:
    preview: Preview
    is_away: bool = False  # the ledger, which the samples are read from

    @property
    def run(self) -> Run:
        return self.preview.run

    @property
    def is_looking(self) -> bool:
        return self.run.state is RunState.LOOKING


def of_run(run: Run) -> CountedRun:
    """Returns samples only once all was looked at, and to who may decide about the run."""
    rt, without = access.rt(), replace(run, samples=())
    if run.state is RunState.LOOKING or not access.may(Permission.PUBLISH):
        return CountedRun(notifications.preview(rt, without))
    try:
        return CountedRun(notifications.preview(rt, run))
    except LedgerDown:
        return CountedRun(notifications.preview(rt, without), is_away=True)
