"""Shows some of what a run found, or what a phone would get, as it would be sent."""

import re

from handlers import notification
from handlers.changes import NotificationKind
from handlers.notification import LOOKS_UP
from handlers.question import Reply
from smsgw import phone
from smsgw.ledger.slice_ledger import SliceLedger
from smsgw.messaging.composer import Composer, call_centre
from smsgw.notifications import subscribers
from smsgw.notifications.runs import Run
from smsgw.notifications.subscribers import Subscriber
from smsgw.registry import phones
from smsgw.runtime import Runtime

ACTOR = "preview"
AN_AMOUNT = re.compile(r"Rp[0-9.]*[0-9]")


def of_run(rt: Runtime, run: Run) -> list[tuple[str, str]]:
    """Returns (masked number, text) of some whom a run found, without amounts. Raises
    LedgerDown."""
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


def of_phone(rt: Runtime, number: str) -> dict[NotificationKind, list[str]]:
    """Returns what a phone would get now of the kinds that it asked for, for each of its
    participants. Raises LedgerDown."""
    found: dict[NotificationKind, list[str]] = {}
    for kind in NotificationKind:
        with rt.reading() as tx:
            some = subscribers.of_phone(tx, kind, number)
        ledger = SliceLedger(
            rt.ledger, sorted({"participant", LOOKS_UP[kind]}), [each.nkp for each in some]
        )
        centre = call_centre(rt.ledger)
        with rt.reading() as tx:
            for each in some:
                language = phones.language_of(tx, each.phone_id)
                composer = Composer(rt, tx, rt.configuration, centre, ACTOR, language=language)
                text = _text(rt, kind, each, ledger, composer)
                found.setdefault(kind, []).extend([text] if text else [])
    return found


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
