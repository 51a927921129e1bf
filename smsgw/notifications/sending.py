"""Queues the notifications that are due: few at a time, so that they are spread and can be stopped,
and only while nothing else waits for the sender ID."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date

from handlers import notification
from handlers.changes import NotificationKind
from handlers.question import Caller
from smsgw import logs
from smsgw.ledger import optional_views
from smsgw.ledger.slice_ledger import SliceLedger
from smsgw.messaging import expiry_notices, notification_replies
from smsgw.messaging.composer import call_centre
from smsgw.notifications import budget, composing, events, kinds, looking, runs, telling
from smsgw.notifications.events import Event
from smsgw.notifications.runs import Announcement
from smsgw.notifications.telling import Decision, Known, Later, Moment, Telling
from smsgw.registry import phone_state, subscriptions
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import NotificationState, RunState
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

MOST = 200  # that are looked at in one step
LOOKED_AT = 4  # times as many as may be queued: many of them may be for later
SHARE = 0.5  # of the sender ID's rate


def limit(rt: Runtime, within: float) -> int:
    """Returns how many may be queued in `within` seconds."""
    rate = rt.settings.notification_rate
    of_sender = rt.settings.sender_rates.get(rt.default_carrier.default_sender_id)
    if of_sender is not None:
        rate = min(rate, SHARE * of_sender)
    return min(MOST, max(1, int(rate * within)))


def queue(rt: Runtime, within: float) -> int:
    """Queues what may leave in `within` seconds; returns how many. Raises LedgerDown, and Conflict
    where another process was first."""
    carrier, most = rt.default_carrier, limit(rt, within)
    with rt.reading() as tx:
        sent = [each.kind for each in kinds.read_all(tx) if each.is_sent]
        if not sent or notification_replies.must_wait(tx, carrier.name, carrier.default_sender_id):
            return 0
        room = most - notification_replies.on_their_way(tx)
        due = events.due(tx, sent, min(MOST, LOOKED_AT * most)) if room > 0 else []
        known, announcements = _known(tx, due), _announcements(tx, due)
        off = looking.days_off(rt, tx)
    if not due:
        return 0
    decisions = _decisions(rt, due, known, announcements, off)
    queued = _write(rt, decisions, room)
    if queued:
        log.info("notifications queued", number=queued)
    return queued


def _known(tx: Transaction, due: Sequence[Event]) -> dict[int, Known]:
    """Returns what is known of the phones of events, by the events' ids; nothing of those that may
    not be told any more."""
    if not due:
        return {}
    phone_ids = {each.phone_id for each in due}
    callers, wanted = phone_state.callers(tx, phone_ids), subscriptions.wanted(tx, phone_ids)
    known: dict[int, Known] = {}
    for each in due:
        if each.phone_id in callers and (each.phone_id, each.kind) in wanted:
            caller, language = callers[each.phone_id]
            found = _of_participant(tx, caller, language, each.nkp_hash)
            known |= {each.id: found} if found else {}
    return known


def _of_participant(
    tx: Transaction, caller: Caller, language: str, nkp_hash: bytes
) -> Known | None:
    bound = (each for each in caller.bound if tx.vault.hash(each.nkp, "nkp") == nkp_hash)
    found = next(bound, None)
    return Known(caller, language, found, None) if found else None


def _announcements(tx: Transaction, due: Sequence[Event]) -> dict[int, Announcement]:
    found = (runs.one(tx, run_id) for run_id in {each.run_id for each in due})
    return {run.id: run.announcement for run in found if run and run.announcement}


def _decisions(
    rt: Runtime,
    due: Sequence[Event],
    known: Mapping[int, Known],
    announcements: Mapping[int, Announcement],
    off: frozenset[date],
) -> list[tuple[Event, Decision]]:
    """Asks the ledger once for all of them."""
    nkps = sorted({each.bound.nkp for each in known.values()})
    names = {notification.LOOKS_UP[each.kind] for each in due if each.run_id not in announcements}
    ledger = SliceLedger(rt.ledger, sorted({"participant", *names}), nkps)
    offices = optional_views.offices_of(rt.ledger, nkps)
    moment = Moment(
        now=rt.now(),
        today=rt.today,
        off=off,
        unused_for=rt.settings.unused_for,
        ledger=ledger,
        hash_=lambda text: looking.digest(rt, text),
    )
    placed = {id_: replace(each, office=offices.get(each.bound.nkp)) for id_, each in known.items()}
    return [
        (each, telling.decide(each, placed.get(each.id), announcements.get(each.run_id), moment))
        for each in due
    ]


def _write(rt: Runtime, decisions: Sequence[tuple[Event, Decision]], room: int) -> int:
    """Raises Conflict."""
    # Before the write: no lock waits for the ledger, or for Redis.
    centre = call_centre(rt.ledger)
    tellings = [each for _, each in decisions if isinstance(each, Telling)]
    spending = rt.counters.spending(rt.today) if rt.settings.limits_spending else None
    affordable = [
        each
        for each in tellings
        if not expiry_notices.is_spent(rt, each.known.caller.phone, spending)
    ]
    with rt.writing() as tx:
        sent_now = _sent_now(tx, {(each.event.kind, each.event.run_id) for each in affordable})
        allowed = [each for each in affordable if each.event.run_id in sent_now][:room]
        most = rt.settings.notification_segments
        allowed = allowed[: budget.take(tx, rt.today, len(allowed), most)]
        sent = composing.send(rt, tx, centre, allowed)
        events.postpone(tx, {e.id: each.at for e, each in decisions if isinstance(each, Later)})
        for state in (NotificationState.ENDED, NotificationState.MOOT):
            events.end(tx, [event.id for event, each in decisions if each is state], state)
    rt.spend(sent)
    return len(sent)


def _sent_now(tx: Transaction, of_runs: Collection[tuple[NotificationKind, int]]) -> set[int]:
    """Returns the runs that nobody paused or stopped since; they stay so until the transaction
    ends."""
    sent = set()
    for kind, run_id in sorted(of_runs):
        # The kind before the run, as everywhere: no deadlock.
        is_sent = kinds.read(tx, kind, locks=True).is_sent
        run = runs.one(tx, run_id, locks=True)
        if is_sent and run is not None and run.state is RunState.SENDING:
            sent.add(run_id)
    return sent
