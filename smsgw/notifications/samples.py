"""Shows some of what a run found, or what a phone would get, as it would be sent."""

import re
from dataclasses import dataclass

from handlers import notification
from handlers.changes import NotificationKind
from handlers.notification import LOOKS_UP
from handlers.question import Reply
from smsgw import phone
from smsgw.ledger.slice_ledger import SliceLedger
from smsgw.messaging.composer import Composer, call_centre
from smsgw.notifications import subscribers, telling
from smsgw.notifications.runs import Run
from smsgw.notifications.subscribers import Subscriber
from smsgw.registry import phone_state, phones, subscriptions
from smsgw.runtime import Runtime

ACTOR = "preview"
AN_AMOUNT = re.compile(r"Rp[0-9.]*[0-9]")


@dataclass(frozen=True, slots=True)
class PhoneSample:
    kind: NotificationKind
    nkp: str  # whom it tells of
    text: str


def of_run(rt: Runtime, run: Run) -> list[tuple[str, str]]:
    """Returns (masked number, text) of some whom a run found, without amounts. Raises
    LedgerDown."""
    if not run.samples:
        return []
    with rt.reading() as tx:
        some = subscribers.of_bindings(tx, run.kind, run.samples)
        numbers = [subscribers.number_of(tx, each) or "" for each in some]
        languages = [phones.language_of(tx, each.phone_id) for each in some]
    nkps = [each.nkp for each in some]
    names = {"participant"} | (set() if run.announcement else {LOOKS_UP[run.kind]})
    ledger = SliceLedger(rt.ledger, sorted(names), nkps)
    centre = call_centre(rt.ledger)
    shown = []
    with rt.reading() as tx:
        for each, number, language in zip(some, numbers, languages, strict=True):
            composer = Composer(rt, tx, rt.configuration, centre, ACTOR, language=language)
            if run.announcement is not None:
                announced = notification.announcement(run.announcement.text(language))
                text: str | None = _shown(composer, announced)
            else:
                text = _text(rt, run.kind, each, ledger, composer)
            if text is not None:
                shown.append((phone.mask(number), AN_AMOUNT.sub("Rp***", text)))
    return shown


def of_phone(rt: Runtime, number: str) -> list[PhoneSample]:
    """Returns what a phone would be told now of the kinds that it asked for, of each of its
    participants. Raises LedgerDown."""
    with rt.reading() as tx:
        known = phone_state.read(tx, number)
        wanted = {kind for _, kind in subscriptions.wanted(tx, [known.phone_id])}
    if not wanted:
        return []
    # One phone is asked for as an answer is: a ledger that is restricted stays so.
    moment = telling.Moment(
        now=rt.now(),
        today=rt.today,
        off=frozenset(),
        unused_for=rt.settings.unused_for,
        ledger=rt.ledger,
        hash_=lambda text: b"",
    )
    found = [
        (kind, bound.nkp, telling.tell_now(kind, bound, number, moment))
        for kind in NotificationKind
        for bound in known.caller.bound
        if kind in wanted
    ]
    centre = call_centre(rt.ledger)
    with rt.reading() as tx:
        composer = Composer(rt, tx, rt.configuration, centre, ACTOR, language=known.language)
        return [
            PhoneSample(kind, nkp, _shown(composer, reply))
            for kind, nkp, reply in found
            if reply is not None
        ]


def _text(
    rt: Runtime,
    kind: NotificationKind,
    each: Subscriber,
    ledger: SliceLedger,
    composer: Composer,
) -> str | None:
    participant = ledger.participant(each.nkp)
    if participant is None:
        return None
    claims = ledger.claims(each.nkp) if LOOKS_UP[kind] == "claims" else []
    told = notification.tell(kind, ledger, participant, rt.today, next(iter(claims), None))
    return _shown(composer, told) if told else None


def _shown(composer: Composer, reply: Reply) -> str:
    return composer.render(reply.wording, {**reply.values, "off": notification.OFF})
