"""Runs the clock, which finds work whose hint was lost and does what is due."""

import itertools
from collections.abc import Callable
from threading import Event, Thread

from smsgw import logs
from smsgw.backoffice import background_tasks, ledger_changes
from smsgw.messaging import (
    delivery_reports,
    expiry_notices,
    inbox,
    outbox,
    parts,
    reconciliation,
)
from smsgw.messaging.hourly_counts import Tallies
from smsgw.operations import audit_chain, notifier
from smsgw.operations.jobs import (
    answer_parts,
    answer_waiting,
    beat,
    hint,
    hint_task,
    settle_unknown,
)
from smsgw.operations.queue import CLOCK_BEATS, enqueue, heartbeat
from smsgw.operations.retention import Retention
from smsgw.operations.row_retention import RowRetention
from smsgw.operations.summed_metrics import PastSums
from smsgw.runtime import Runtime

log = logs.get(__name__)

TICK, SWEEP_TICKS = 1.0, 5  # seconds; of these
EXPIRED_NAMED = 10  # replies in a line of the log


def run(rt: Runtime, stopping: Event) -> None:
    """Sweeps every 5 seconds, seals the audit and destroys what is due every second, and sums up
    every minute, until `stopping` is set."""
    retention, row_retention, counting = Retention(rt), RowRetention(rt), Tallies(rt)
    past_sums = PastSums(rt)
    # In a thread of its own: it looks at all subscribers, which takes a while.
    notifying = Thread(target=notifier.run, args=(rt, stopping), name="notifications")
    notifying.start()
    for tick in itertools.count(1):
        if stopping.wait(TICK):
            notifying.join()
            return
        _do(lambda: audit_chain.seal(rt))
        _do(retention.step)
        _do(counting.step)
        _do(row_retention.step)
        if tick % SWEEP_TICKS == 0:
            _do(lambda: sweep(rt))
            _do(lambda: ledger_changes.make_due(rt))
            _do(past_sums.step)


def _do(work: Callable[[], object]) -> None:
    """Does one kind of work. What fails is done later, since it lies in the database; a bug in one
    kind must not stop the others."""
    try:
        work()
    except Exception as error:
        log.error("the clock's work failed", exc_info=error)


def sweep(rt: Runtime) -> None:
    """Finds what hints were lost for, what is due again, and what came to its end meanwhile."""
    may_expire = rt.clock_check.is_right()
    _end(rt, may_expire)
    with rt.reading() as tx:
        sender_ids = outbox.sender_ids_waiting(tx, may_expire=may_expire)
        has_deferred = inbox.has_deferred(tx)
        has_parts = parts.are_due(tx, may_expire=may_expire)
        is_in_doubt = reconciliation.is_due(tx)
        left = background_tasks.due(tx)
    heartbeat(rt, CLOCK_BEATS)
    for carrier, sender_id in sender_ids:
        hint(rt, carrier, sender_id)
    for task_id in left:
        hint_task(rt, task_id)
    jobs = [
        ("hint:deferred", answer_waiting, has_deferred),
        ("hint:parts", answer_parts, has_parts),
        ("hint:unknown", settle_unknown, is_in_doubt),
        ("hint:beat", beat, True),
    ]
    for key, job, is_due in jobs:
        if is_due:
            enqueue(rt, key, job)


def _end(rt: Runtime, may_expire: bool) -> None:
    with rt.writing() as tx:
        expired = delivery_reports.drop_stale(tx, may_expire=may_expire)
        unknown = delivery_reports.expire_leases(tx) if may_expire else []
        if may_expire:
            background_tasks.expire(tx, rt.settings.retention)
    if expired:
        first = sorted(expired)[:EXPIRED_NAMED]
        log.error("replies expired before they could be sent", number=len(expired), first=first)
    for reply_id in unknown:
        log.error("send outcome unknown", reply=reply_id)
    if may_expire:
        expiry_notices.queue(rt, within=TICK * SWEEP_TICKS)
