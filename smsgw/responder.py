"""The story of one message, from the carrier's words to a reply that waits in the outbox.

1. The published grammar reads the text; nobody has been asked anything yet.
2. One short read tells what is known of the phone; a handler decides, and may ask the ledger.
3. One transaction stores the message, what it changes and its reply, or none of them.

The carrier may be told that all is well once `respond` has returned, and not before.
"""

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from secrets import SystemRandom

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from grammar import Command, Misread, normalise
from handlers import HANDLERS, context, disclosure, misread
from handlers.ports import LedgerDown
from handlers.question import Change, Outcome, Question, Reply, Resume, Stop, Value, Verbatim
from smsgw import gsm7, inbox, keywords, logs, outbox, phone, registry, replies
from smsgw.carriers.base import IncomingSms
from smsgw.inbox import Owed, Repeated, Verdict
from smsgw.models import ReplyState
from smsgw.outbox import Draft
from smsgw.registry import Known, Lost, Outrun
from smsgw.runtime import Runtime, Transaction

log = logs.get(__name__)

RACES = 200  # of fifty messages at one instant one wins each round, the others go another
REST = 0.005  # seconds at most between two rounds
REPEAT_WITHIN = timedelta(minutes=2)
# Who says the same again with the answer in hand asks again.
ON_ITS_WAY = {ReplyState.QUEUED, ReplyState.SENDING, ReplyState.SENT}
# What people send twice on purpose, or to a question that was asked twice.
NEVER_REPEATS = {"ya", "tidak", "ulang", "stop"}
CHANCE = SystemRandom()


class NotStored(Exception):
    """Nothing was stored; the carrier should deliver the message again."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    recipient: str
    text: str
    carrier: str
    lane: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one message. `reply` is None where it stays silent."""

    message_id: int
    verdict: Verdict
    reply: Outgoing | None = None
    also: tuple[Outgoing, ...] = ()

    @property
    def lanes(self) -> set[tuple[str, str]]:
        """(carrier, lane) of all that now waits to be sent."""
        replies = (self.reply, *self.also) if self.reply else self.also
        return {(each.carrier, each.lane) for each in replies}


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as the grammar read it."""

    sms: IncomingSms
    said: Command | Misread
    text_hash: bytes
    owed: int | None  # the id it is stored under when its answer had to wait


@dataclass(frozen=True, slots=True)
class Told:
    """What telling somebody something takes."""

    rt: Runtime
    tx: Transaction
    call_centre: Verbatim | None


@dataclass(frozen=True, slots=True)
class Decision:
    verdict: Verdict
    reply: Reply | None = None
    changes: tuple[Change, ...] = ()


def respond(rt: Runtime, sms: IncomingSms) -> Answer | None:
    """Stores and answers a message; None where it was stored before. Raises NotStored."""
    return _settle(rt, sms, None)


def answer_owed(rt: Runtime, owed: Owed) -> Answer | None:
    """Gives the answer that waited for the ledger. Raises NotStored while it still has to."""
    return _settle(rt, owed.sms, owed.message_id)


def _settle(rt: Runtime, sms: IncomingSms, owed: int | None) -> Answer | None:
    started = time.perf_counter()
    said = keywords.published().grammar.parse(sms.text)
    heard = Heard(sms, said, rt.vault.hash(normalise(sms.text), "text"), owed)
    try:
        answer = _in_turn(rt, heard)
    except Repeated:
        return None
    except (DBAPIError, NoConnection) as error:
        log.error("not stored", carrier=sms.carrier, ref=sms.carrier_ref, exc_info=error)
        raise NotStored from error
    _tell(sms, answer, time.perf_counter() - started)
    return answer


def _in_turn(rt: Runtime, heard: Heard) -> Answer:
    for _ in range(RACES):
        try:
            return _once(rt, heard)
        except Outrun:
            time.sleep(CHANCE.uniform(0, REST))
    raise NotStored


def _once(rt: Runtime, heard: Heard) -> Answer:
    number = phone.e164(heard.sms.sender)
    with rt.reading() as tx:
        if heard.owed is None and inbox.is_known(tx, heard.sms):
            raise Repeated
        known = registry.read(tx, number) if number else None
    if known is None or not _may_be_answered(rt, known):
        decision = Decision(Verdict(None, Outcome.SILENT, "unreachable_sender"))
    else:
        decision = _decide(rt, heard, known)
    call_centre = _short(rt.ledger.contact("call_centre"))  # before the write: no lock waits for it
    with rt.writing() as tx:
        return _store(Told(rt, tx, call_centre), heard, known, decision)


def _decide(rt: Runtime, heard: Heard, known: Known) -> Decision:
    if _is_repeat(rt, heard, known):
        return Decision(Verdict(heard.said.keyword, Outcome.SILENT, "duplicate"))
    if heard.sms.opted is not None:
        return FOLLOWED[heard.sms.opted]
    said = context.resolve(heard.said, known.caller)
    question = Question(said, known.caller, rt.ledger, keywords.published().usage)
    try:
        reply = disclosure.locked(question) or _handled(question)
    except LedgerDown:
        if heard.owed is not None:
            raise NotStored from None
        waits = Verdict(said.keyword, Outcome.UNAVAILABLE, is_final=False)
        return Decision(waits, disclosure.unavailable())
    return Decision(Verdict(said.keyword, reply.outcome), reply, reply.changes)


def _handled(question: Question) -> Reply:
    if isinstance(question.said, Misread):
        return misread.answer(question)
    return HANDLERS[question.said.keyword].answer(question)


# Twilio's OptOutType: the carrier has answered, and blocked or unblocked the phone, itself.
FOLLOWED = {
    "stop": Decision(Verdict("stop", Outcome.ANSWERED), changes=(Stop(),)),
    "start": Decision(Verdict("mulai", Outcome.ANSWERED), changes=(Resume(),)),
    "help": Decision(Verdict("bantuan", Outcome.ANSWERED)),
}


def _store(told: Told, heard: Heard, known: Known | None, decision: Decision) -> Answer:
    tx = told.tx
    if known is not None:
        known = registry.advance(tx, known)
    message_id = _keep(tx, heard, known, decision.verdict)
    answer = Answer(message_id, decision.verdict)
    if known is None or decision.verdict.outcome == Outcome.SILENT:
        return answer
    text = _worded(told, decision.reply, message_id) if decision.reply else None
    lost = registry.apply(tx, known, decision.changes, text or "")
    if decision.reply is None or text is None:
        registry.remember(tx, known, message_id)
        return answer
    binding_id = registry.binding_id(tx, known, decision.reply.about)
    draft = Draft(message_id, known.phone_id, binding_id, heard.sms.carrier, heard.sms.lane, text)
    reply_id = outbox.add(tx, draft)
    is_again = decision.verdict.keyword == "ulang"
    registry.remember(tx, known, message_id, None if is_again else reply_id)
    also = tuple(_notice(told, message_id, each) for each in lost)
    reply = Outgoing(known.caller.phone, text, draft.carrier, draft.lane)
    return replace(answer, reply=reply, also=also)


def _keep(tx: Transaction, heard: Heard, known: Known | None, verdict: Verdict) -> int:
    if heard.owed is not None:
        return inbox.settle(tx, heard.owed, verdict)
    return inbox.accept(tx, heard.sms, known.phone_id if known else None, heard.text_hash, verdict)


def _notice(told: Told, message_id: int, lost: Lost) -> Outgoing:
    """To the phone that an NKP was bound to until now."""
    text = _worded(told, disclosure.replaced(lost.nkp), message_id)
    carrier, lane = told.rt.unasked.name, told.rt.unasked.own_lane
    outbox.add(told.tx, Draft(message_id, lost.phone_id, None, carrier, lane, text))
    return Outgoing(lost.number, text, carrier, lane)


def _worded(told: Told, reply: Reply, message_id: int) -> str:
    configuration = keywords.published()
    values: dict[str, Value] = {
        **reply.values,
        "call_centre": told.call_centre,
        "ref": replies.reference(message_id),
    }
    return replies.render(
        configuration.wordings[reply.wording], values, configuration.budget(reply.wording)
    )


def _short(number: str | None) -> Verbatim | None:
    """A telephone number is shown whole or not at all."""
    fits = number is not None and len(number) <= replies.TEXT_WIDTH and gsm7.is_gsm7(number)
    return Verbatim(number) if number and fits else None


def _may_be_answered(rt: Runtime, known: Known) -> bool:
    """Phones of countries we serve, and phones bound to a participant wherever they are."""
    return bool(known.caller.nkps) or phone.is_in(known.caller.phone, rt.settings.countries)


def _is_repeat(rt: Runtime, heard: Heard, known: Known) -> bool:
    """The same words as just before, whose reply is on its way: impatience, not a new question."""
    before = known.previous
    is_letter = len(heard.said.rest) == 1 and not heard.said.word
    if before is None or heard.owed is not None or is_letter:
        return False
    if before.is_owed and before.text_hash == heard.text_hash:
        return True  # its answer is promised; it will come once
    return (
        heard.said.keyword not in NEVER_REPEATS
        and before.text_hash == heard.text_hash
        and rt.now() - before.received_at < REPEAT_WITHIN
        and before.reply_state in ON_ITS_WAY
    )


def _tell(sms: IncomingSms, answer: Answer, seconds: float) -> None:
    count = gsm7.count(answer.reply.text) if answer.reply else None
    log.info(
        "message",
        id=answer.message_id,
        carrier=sms.carrier,
        sender=phone.mask(sms.sender),
        keyword=answer.verdict.keyword,
        outcome=answer.verdict.outcome,
        reason=answer.verdict.reason,
        segments=count.segments if count else 0,
        ms=round(seconds * 1000, 1),
    )
