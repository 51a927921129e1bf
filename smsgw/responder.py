"""The story of one message, from the carrier's words to a reply that waits in the outbox.

1. The published grammar reads the text; nobody has been asked anything yet.
2. One short read tells what is known of the phone; a handler decides, and may ask the ledger.
3. One transaction stores the message, what it changes and its reply, or none of them.

The carrier may be told that all is well once `respond` has returned, and not before.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from secrets import SystemRandom

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from grammar import Command, Grammar, Misread, Reason, normalise
from handlers import decision, disclosure
from handlers.changes import (
    Change,
    OptIn,
    OptOut,
    RejectCodes,
    RejectRegistration,
    Unbind,
)
from handlers.ports import Ledger, LedgerDown, LookUpFailed, LookUpWaits
from handlers.question import Outcome
from smsgw import gsm7, logs, phone
from smsgw.carriers.carrier import IncomingSms
from smsgw.ledger.batch_ledger import BatchLedger
from smsgw.messaging import channel_counts
from smsgw.messaging.answer import Answer, Decision, NotStored, StillDeferred
from smsgw.messaging.answer_limits import within_limits
from smsgw.messaging.answer_store import NewAnswer, store
from smsgw.messaging.composer import call_centre
from smsgw.messaging.inbox import DeferredMessage, Repeated, Verdict
from smsgw.messaging.rate_limits import gate_of
from smsgw.messaging.screening import (
    Inbound,
    ParsedMessage,
    is_echo,
    is_repeat,
    is_stored,
    may_be_answered,
    still_open,
)
from smsgw.registry import named, phone_state
from smsgw.registry.named import NamedIdentities
from smsgw.registry.phone_state import PhoneQuery, PhoneState
from smsgw.runtime import Runtime
from smsgw.storage import audit, fibers
from smsgw.storage.crypto import Unreadable
from smsgw.storage.group_commit import Alone, TookTooLong
from smsgw.storage.transaction import Conflict, Transaction

log = logs.get(__name__)

# Said again, it may be said of a code that came in between.
TAKE_BACK = {"bukan_saya", "ganti_hp", "tolak"}
TAKEN_BACK = (RejectRegistration, RejectCodes, Unbind)
MAX_ATTEMPTS = 200  # of fifty messages at one instant one wins each round, the others go another
MAX_BACKOFF = 0.005  # seconds at most between two rounds
RANDOM = SystemRandom()


def respond(rt: Runtime, sms: IncomingSms, actor: str = audit.PARTICIPANT) -> Answer | None:
    """Stores and answers a message; None where it was stored before. `actor`: who speaks for the
    phone. Raises NotStored."""
    return _settle(rt, sms, None, actor)


def answer_deferred(rt: Runtime, deferred: DeferredMessage) -> Answer | None:
    """Gives the answer that waited for the ledger. Raises NotStored while it still has to, and
    StillDeferred where that may be so for this one alone."""
    return _settle(rt, deferred.sms, deferred, audit.PARTICIPANT)


def _settle(
    rt: Runtime, sms: IncomingSms, deferred: DeferredMessage | None, actor: str
) -> Answer | None:
    started = time.perf_counter()
    parsed = None
    try:
        parsed = _parse(rt, sms, deferred, actor)
        with rt.deliveries.hold(f"{sms.carrier}:{sms.carrier_ref}"):
            answer = _in_turn(rt, parsed)
    except Repeated:
        return None
    except (DBAPIError, NoConnection, Unreadable, NotStored, TookTooLong) as error:
        if parsed is not None:
            parsed.gate.give_back()
        if isinstance(error, NotStored):
            raise
        log.error("not stored", carrier=sms.carrier, ref=sms.carrier_ref, exc_info=error)
        raise NotStored from error
    if deferred is None:
        channel_counts.add(rt, sms)
    _log(sms, answer, time.perf_counter() - started)
    return answer


def _parse(
    rt: Runtime, sms: IncomingSms, deferred: DeferredMessage | None, actor: str
) -> ParsedMessage:
    configuration = rt.configuration
    said = configuration.grammar.parse(sms.text)
    is_ours = configuration.own_words.matches(sms.text)
    text = _storable(configuration.grammar, said, sms.text)
    if text != sms.text:
        sms = replace(sms, text=text)
    normal = normalise(sms.text)
    return ParsedMessage(
        sms=sms,
        configuration=configuration,
        said=said,
        text_hash=rt.vault.hash(normal, "text"),
        gate=gate_of(rt, sms, normal),
        is_ours=is_ours,
        deferred=deferred,
        actor=actor,
    )


def _in_turn(rt: Runtime, parsed: ParsedMessage) -> Answer:
    """Answers a message together with those that came meanwhile from other phones, or alone where
    that is not possible."""
    number = phone.e164(parsed.sms.sender) or parsed.sms.sender
    inbound = Inbound(parsed)
    with suppress(Alone):
        return rt.batches.join(rt, number, inbound, partial(_together, rt))
    return fibers.in_pool(partial(_repeat_alone, rt, inbound))


def _repeat_alone(rt: Runtime, inbound: Inbound) -> Answer:
    for _ in range(MAX_ATTEMPTS):
        try:
            return _alone(rt, inbound)
        except Conflict:
            inbound = Inbound(inbound.parsed)
            time.sleep(RANDOM.uniform(0, MAX_BACKOFF))
    raise NotStored


def _together(rt: Runtime, batch: Sequence[Inbound]) -> Sequence[Answer | Exception]:
    """Answers a batch. Returns Alone for a message that needs more than is read for all, or that
    fails."""
    if not rt.ledger.may_fetch:
        return [Alone()] * len(batch)
    _read(rt, batch)
    ledger = BatchLedger(rt.ledger, _lookups(batch, rt.ledger.fetched_together))
    for each in still_open(batch):
        try:
            each.decision = _decide(rt, ledger, each)
        except Exception:
            each.decision = None
    try:
        _store(rt, batch)
    except Conflict:
        for each in batch:
            each.is_read = False
    return [each.outcome or Alone() for each in batch]


def _alone(rt: Runtime, inbound: Inbound) -> Answer:
    if not inbound.is_read:
        _read(rt, [inbound])
    if inbound.outcome is None:
        inbound.decision = _decide(rt, rt.ledger, inbound)
        _store(rt, [inbound])
    if isinstance(inbound.outcome, Answer):
        return inbound.outcome
    raise inbound.outcome or NotStored


def _read(rt: Runtime, inbound: Sequence[Inbound]) -> None:
    """Reads what is known of the phones. A message that its carrier delivers again ends here if it
    is the last of its phone; another one ends where it would be stored."""
    wanted = [
        (each, PhoneQuery(number, _named(each.parsed.said), _received_at(each.parsed)))
        for each in inbound
        if (number := phone.e164(each.parsed.sms.sender))
    ]
    with rt.reading() as tx:
        asked = [want for _, want in wanted]
        states, ids = phone_state.read_with_ids(tx, asked, len(inbound))
        for (each, want), known in zip(wanted, states, strict=True):
            if is_stored(each.parsed, known):
                each.outcome = Repeated()
            else:
                each.known = _with_meant(tx, each.parsed, want, known)
    for each, taken in zip(inbound, ids, strict=True):
        each.ids, each.is_read = taken, True


def _with_meant(
    tx: Transaction, parsed: ParsedMessage, wanted: PhoneQuery, known: PhoneState
) -> PhoneState:
    """Adds what a code or a case's number opens, also if YA confirms it."""
    meant = decision.confirmed(parsed.said, known.caller)
    if meant is None or _named(meant) == named.NOTHING_NAMED:
        return known
    return phone_state.read_all(tx, [wanted._replace(named=_named(meant))])[0]


def _received_at(parsed: ParsedMessage) -> datetime | None:
    return parsed.deferred.received_at if parsed.deferred else None


def _lookups(inbound: Sequence[Inbound], together: Collection[str]) -> Mapping[str, set[str]]:
    """Returns the look-ups of messages that need none beside those that are made together."""
    wanted, are_fetched = defaultdict[str, set[str]](set), set(together)
    for each in still_open(inbound):
        if each.known is None:
            continue
        lookups = decision.lookups(each.parsed.said, each.known.caller)
        if lookups.keys() <= are_fetched:
            for name, nkps in lookups.items():
                wanted[name] |= nkps
    return wanted


def _store(rt: Runtime, inbound: Sequence[Inbound]) -> None:
    """Stores all in one transaction; none is acknowledged before its commit."""
    decided = [(each, each.decision) for each in still_open(inbound) if each.decision is not None]
    if not decided:
        return
    decisions = within_limits(decided)
    # Before the write: no lock waits for the ledger.
    centre = call_centre(rt.ledger)
    new = [
        NewAnswer(each.parsed, each.known, decision, ids=each.ids)
        for (each, _), decision in zip(decided, decisions, strict=True)
    ]
    with rt.writing() as tx:
        answers = store(rt, tx, centre, new)
    for (each, _), answer in zip(decided, answers, strict=True):
        each.outcome = answer
    _spend(rt, answers)


def _decide(rt: Runtime, ledger: Ledger, inbound: Inbound) -> Decision:
    parsed, known = inbound.parsed, inbound.known
    if known is None or not may_be_answered(rt, known, parsed.sms.sender_id):
        return Decision(Verdict(None, Outcome.SILENT, "unreachable_sender"))
    if not is_repeat(rt, parsed, known):
        return _decide_anew(rt, ledger, parsed, known)
    changes: tuple[Change, ...] = ()
    if parsed.said.keyword in TAKE_BACK:
        changes = _decide_anew(rt, ledger, parsed, known).changes
    taken_back = tuple(each for each in changes if isinstance(each, TAKEN_BACK))
    return Decision(Verdict(parsed.said.keyword, Outcome.SILENT, "duplicate"), changes=taken_back)


def _decide_anew(rt: Runtime, ledger: Ledger, parsed: ParsedMessage, known: PhoneState) -> Decision:
    if parsed.is_ours or is_echo(parsed, known):
        return Decision(Verdict(None, Outcome.SILENT, "echo"))
    if parsed.sms.opted is not None:
        return FOLLOWED[parsed.sms.opted]
    inquiry = decision.Inquiry(parsed.configuration, parsed.said, parsed.sms.text, known.caller)
    try:
        decided = decision.decide(inquiry, ledger, rt.local, rt.settings.unused_for)
    except LedgerDown as error:
        if parsed.deferred is not None and isinstance(error, LookUpFailed):
            raise StillDeferred(was_asked=not isinstance(error, LookUpWaits)) from None
        if parsed.deferred is not None:
            raise NotStored from None
        waits = Verdict(decision.meant(inquiry).keyword, Outcome.UNAVAILABLE, is_final=False)
        return Decision(waits, disclosure.unavailable())
    reply = decided.reply
    if reply is None:
        return Decision(Verdict(None, Outcome.SILENT, "courtesy"))
    return Decision(Verdict(decided.said.keyword, reply.outcome), reply, reply.changes)


def _storable(grammar: Grammar, said: Command | Misread, text: str) -> str:
    """Returns what may be kept of a text: no secret, and nothing at all where it was one."""
    is_secret = isinstance(said, Misread) and said.reason is Reason.SECRET
    return "" if is_secret else grammar.redact(text).text


def _named(said: Command | Misread) -> NamedIdentities:
    code, case = said.fields.get("code"), said.fields.get("number")
    return NamedIdentities(
        code=str(code) if code else None,
        case=str(case) if case else None,
        identity="nkp" in said.fields or "nik" in said.fields,
        asked_codes=said.keyword == "tolak",
        notified=said.keyword == "notif",
    )


# Twilio's OptOutType: the carrier has answered, and blocked or unblocked the phone, itself.
FOLLOWED = {
    "stop": Decision(Verdict("stop", Outcome.ANSWERED), changes=(OptOut(),)),
    "start": Decision(Verdict("mulai", Outcome.ANSWERED), changes=(OptIn(),)),
    "help": Decision(Verdict("bantuan", Outcome.ANSWERED)),
}


def _spend(rt: Runtime, answers: Sequence[Answer]) -> None:
    replies = [answer.reply for answer in answers if answer.reply]
    notices = [notice for answer in answers for notice in answer.also]
    rt.spend((each.recipient, each.text) for each in (*replies, *notices))


def _log(sms: IncomingSms, answer: Answer, seconds: float) -> None:
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
