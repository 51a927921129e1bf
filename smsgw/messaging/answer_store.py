"""Stores what was decided: the message, what it changes, and its reply, in one transaction."""

from dataclasses import replace

from handlers import disclosure
from handlers.changes import Change, Lapse, OpenCase, SetLanguage
from handlers.question import Outcome, Reply
from handlers.values import Verbatim
from smsgw.messaging import inbox, outbox
from smsgw.messaging.answer import Answer, Decision
from smsgw.messaging.composer import Composer, Outgoing
from smsgw.messaging.inbox import Verdict
from smsgw.messaging.screening import ParsedMessage
from smsgw.registry import bindings, cases, phone_state, reply_pages
from smsgw.registry.changes import apply
from smsgw.registry.phone_state import PhoneState
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.messages import Priority
from smsgw.storage.transaction import Transaction


def store(
    composer: Composer, parsed: ParsedMessage, known: PhoneState | None, decision: Decision
) -> Answer:
    """Stores a message and its reply; None for `known` where the sender is no phone."""
    tx, decision = composer.tx, _unless_many_lapse(composer, decision)
    if known is not None:
        known = phone_state.bump_version(tx, known)
    message_id = _keep(tx, parsed, known, decision.verdict)
    answer = Answer(message_id, decision.verdict)
    if known is None:
        return answer
    composer = replace(
        composer,
        message_id=message_id,
        text_hash=parsed.text_hash,
        language=_language(known, decision.changes),
    )
    if composer.actor != audit.PARTICIPANT:
        audit.note(tx, Act.SAID, composer.actor, phone_id=known.phone_id, message_id=message_id)
    if decision.verdict.outcome == Outcome.SILENT:
        apply(tx, known, decision.changes, message_id)
        _open_case(composer, known, decision.changes)
        return answer
    return _store_reply(composer, parsed, known, decision, answer)


def _store_reply(
    composer: Composer,
    parsed: ParsedMessage,
    known: PhoneState,
    decision: Decision,
    answer: Answer,
) -> Answer:
    tx, message_id = composer.tx, answer.message_id
    reply = _numbered(composer, known, decision.reply) if decision.reply else None
    text = composer.render(reply.wording, reply.values) if reply else ""
    notices = apply(tx, known, decision.changes, message_id, text)
    if reply is None:
        phone_state.record_last_message(tx, known, message_id)
        return answer
    if reply.pages:
        texts = [composer.render(page.wording, page.values) for page in reply.pages]
        reply_pages.keep(tx, known.phone_id, known.caller.phone, texts)
    reply_id = outbox.add(tx, _draft(composer, parsed, known, reply, text))
    is_again = decision.verdict.keyword == "ulang"
    phone_state.record_last_message(tx, known, message_id, None if is_again else reply_id)
    also = tuple(composer.send_notice(each) for each in notices)
    for nkp in dict.fromkeys((*reply.shows, *([reply.about] if reply.about else []))):
        composer.log_disclosure(known.phone_id, nkp, reply.wording)
    sent = Outgoing(known.caller.phone, text, parsed.sms.carrier, parsed.sms.lane)
    return replace(answer, reply=sent, also=also)


def _draft(
    composer: Composer, parsed: ParsedMessage, known: PhoneState, reply: Reply, text: str
) -> outbox.NewReply:
    return outbox.NewReply(
        message_id=composer.message_id,
        phone_id=known.phone_id,
        number=known.caller.phone,
        binding_id=bindings.binding_id(composer.tx, known, reply.about),
        carrier=parsed.sms.carrier,
        lane=parsed.sms.lane,
        text=text,
        lasts=composer.rt.settings.validity,
        priority=Priority.LATE if parsed.deferred is not None else Priority.ASKED,
        wording=reply.wording,
    )


def _unless_many_lapse(composer: Composer, decision: Decision) -> Decision:
    """A binding stays where numbers on file change for so many that it is hardly the people who
    changed them; nothing is told all the same."""
    changes = tuple(each for each in decision.changes if not isinstance(each, Lapse))
    if len(changes) == len(decision.changes):
        return decision
    if bindings.may_lapse(composer.tx, composer.rt.settings.lapses_an_hour):
        return decision
    if decision.reply is None:
        return replace(decision, changes=changes)
    reply = disclosure.number_unclear()
    return Decision(replace(decision.verdict, outcome=reply.outcome), reply, changes)


def _keep(
    tx: Transaction, parsed: ParsedMessage, known: PhoneState | None, verdict: Verdict
) -> int:
    if parsed.deferred is not None:
        return inbox.settle(tx, parsed.deferred.message_id, verdict)
    phone_id, version = known.phone_id if known else None, parsed.configuration.version
    return inbox.accept(tx, parsed.sms, phone_id, parsed.text_hash, verdict, version)


def _language(known: PhoneState, changes: tuple[Change, ...]) -> str:
    """The one that is chosen just now, if one is."""
    return next(
        (each.language for each in changes if isinstance(each, SetLanguage)), known.language
    )


def _numbered(composer: Composer, known: PhoneState, reply: Reply) -> Reply:
    """Fills in the number of the case that the answer opens."""
    number = _open_case(composer, known, reply.changes)
    return replace(reply, values={**reply.values, "number": Verbatim(number)}) if number else reply


def _open_case(composer: Composer, known: PhoneState, changes: tuple[Change, ...]) -> str | None:
    for change in changes:
        if isinstance(change, OpenCase):
            local = composer.tx.now.astimezone(composer.rt.settings.zone)
            what = (composer.message_id, change.kind, local, composer.text_hash)
            return cases.open_case(composer.tx, known.phone_id, *what)
    return None
