"""Shows some of what a run found, as it would be sent, with the numbers masked."""

from handlers import notification
from smsgw import phone
from smsgw.ledger.slice_ledger import SliceLedger
from smsgw.messaging.composer import Composer, call_centre
from smsgw.notifications import subscribers
from smsgw.notifications.runs import Run
from smsgw.notifications.subscribers import Subscriber
from smsgw.registry import phones
from smsgw.runtime import Runtime

ACTOR = "preview"


def of_run(rt: Runtime, run: Run) -> list[tuple[str, str]]:
    """Returns (masked number, text) of some whom a run found. Raises LedgerDown."""
    with rt.reading() as tx:
        some = subscribers.of_bindings(tx, run.kind, run.samples)
        numbers = [subscribers.number_of(tx, each) or "" for each in some]
        languages = [phones.language_of(tx, each.phone_id) for each in some]
    nkps = [each.nkp for each in some]
    names = {"participant"} | (set() if run.announcement else {notification.LOOKS_UP[run.kind]})
    ledger = SliceLedger(rt.ledger, sorted(names), nkps)
    centre = call_centre(rt.ledger)
    shown = []
    with rt.reading() as tx:
        for each, number, language in zip(some, numbers, languages, strict=True):
            composer = Composer(rt, tx, rt.configuration, centre, ACTOR, language=language)
            text = _text(rt, run, each, ledger, composer)
            if text is not None:
                shown.append((phone.mask(number), text))
    return shown


def _text(
    rt: Runtime, run: Run, each: Subscriber, ledger: SliceLedger, composer: Composer
) -> str | None:
    if run.announcement is not None:
        reply = notification.announcement(run.announcement.text(composer.language))
    else:
        participant = ledger.participant(each.nkp)
        if participant is None:
            return None
        claims = ledger.claims(each.nkp) if notification.LOOKS_UP[run.kind] == "claims" else []
        claim = next(iter(claims), None)
        told = notification.tell(run.kind, ledger, participant, rt.today, claim)
        if told is None:
            return None
        reply = told
    return composer.render(reply.wording, {**reply.values, "off": notification.OFF})
