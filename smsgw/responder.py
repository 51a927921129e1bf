"""The story of one message, from the carrier's words to a reply that waits in the outbox.

1. The published grammar reads the text; nobody has been asked anything yet.
2. One short read tells what is known of the phone; a handler decides, and may ask the ledger.
3. One transaction stores the message, what it changes and its reply, or none of them.

The carrier may be told that all is well once `respond` has returned, and not before.
"""

import time
from dataclasses import replace
from secrets import SystemRandom

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from grammar import Command, Grammar, Misread, Reason, normalise
from handlers import disclosure, open_question
from handlers.changes import (
    CaseKind,
    Change,
    FailedIdentification,
    Lapse,
    OpenCase,
    OptIn,
    OptOut,
    RejectCodes,
    RejectRegistration,
    Unbind,
    WrongCode,
    WrongIdentity,
    WrongNkp,
)
from handlers.ports import LedgerDown, LookUpFailed, LookUpWaits
from handlers.question import Outcome
from smsgw import gsm7, logs, phone
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging import decision, inbox
from smsgw.messaging.answer import Answer, Decision, NotStored, StillDeferred
from smsgw.messaging.answer_store import store
from smsgw.messaging.composer import Composer, call_centre
from smsgw.messaging.inbox import DeferredMessage, Repeated, Verdict
from smsgw.messaging.rate_limits import gate_of
from smsgw.messaging.screening import (
    NEVER_REPEATS,
    ParsedMessage,
    is_echo,
    is_repeat,
    may_be_answered,
)
from smsgw.registry import named, phone_state
from smsgw.registry.named import Named
from smsgw.registry.phone_state import PhoneState
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.crypto import Unreadable
from smsgw.storage.transaction import Conflict, Transaction

log = logs.get(__name__)

# Heeded although the reply that would tell so is not sent.
APPLIED_WHEN_SILENCED = (
    OptOut,
    RejectRegistration,
    RejectCodes,
    Unbind,
    Lapse,
    FailedIdentification,
    WrongCode,
    WrongIdentity,
    WrongNkp,
)
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
    StillOwed where that may be so for this one alone."""
    return _settle(rt, deferred.sms, deferred, audit.PARTICIPANT)


def _settle(
    rt: Runtime, sms: IncomingSms, deferred: DeferredMessage | None, actor: str
) -> Answer | None:
    started = time.perf_counter()
    parsed = None
    try:
        parsed = _parse(rt, sms, deferred, actor)
        with rt.counters.once_at_a_time(f"{sms.carrier}:{sms.carrier_ref}"):
            answer = _in_turn(rt, parsed)
    except Repeated:
        return None
    except (DBAPIError, NoConnection, Unreadable, NotStored) as error:
        if parsed is not None:
            parsed.gate.give_back()
        if isinstance(error, NotStored):
            raise
        log.error("not stored", carrier=sms.carrier, ref=sms.carrier_ref, exc_info=error)
        raise NotStored from error
    _spend(rt, answer)
    _log(sms, answer, time.perf_counter() - started)
    return answer


def _parse(
    rt: Runtime, sms: IncomingSms, deferred: DeferredMessage | None, actor: str
) -> ParsedMessage:
    configuration = rt.configuration
    said = configuration.grammar.parse(sms.text)
    is_ours = configuration.own_words.matches(sms.text)
    sms = replace(sms, text=_storable(configuration.grammar, said, sms.text))
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
    for _ in range(MAX_ATTEMPTS):
        try:
            return _once(rt, parsed)
        except Conflict:
            time.sleep(RANDOM.uniform(0, MAX_BACKOFF))
    raise NotStored


def _once(rt: Runtime, parsed: ParsedMessage) -> Answer:
    number = phone.e164(parsed.sms.sender)
    with rt.reading() as tx:
        if parsed.deferred is None and inbox.is_known(tx, parsed.sms):
            raise Repeated
        known = _read(tx, number, parsed) if number else None
    if known is None or not may_be_answered(rt, known, parsed.sms.lane):
        decision = Decision(Verdict(None, Outcome.SILENT, "unreachable_sender"))
    else:
        decision = _within_limits(parsed, _decide(rt, parsed, known))
    # Before the write: no lock waits for the ledger.
    centre = call_centre(rt.ledger)
    with rt.writing() as tx:
        composer = Composer(rt, tx, parsed.configuration, centre, parsed.actor)
        return store(composer, parsed, known, decision)


def _decide(rt: Runtime, parsed: ParsedMessage, known: PhoneState) -> Decision:
    if not is_repeat(rt, parsed, known):
        return _decide_anew(rt, parsed, known)
    changes: tuple[Change, ...] = ()
    if parsed.said.keyword in TAKE_BACK:
        changes = _decide_anew(rt, parsed, known).changes
    taken_back = tuple(each for each in changes if isinstance(each, TAKEN_BACK))
    return Decision(Verdict(parsed.said.keyword, Outcome.SILENT, "duplicate"), changes=taken_back)


def _decide_anew(rt: Runtime, parsed: ParsedMessage, known: PhoneState) -> Decision:
    if parsed.is_ours or is_echo(parsed, known):
        return Decision(Verdict(None, Outcome.SILENT, "echo"))
    if parsed.sms.opted is not None:
        return FOLLOWED[parsed.sms.opted]
    what = (parsed.configuration, parsed.said, parsed.sms.text, known.caller)
    try:
        decided = decision.decide(*what, rt.ledger, rt.local, rt.settings.unused_for)
    except LedgerDown as error:
        if parsed.deferred is not None and isinstance(error, LookUpFailed):
            raise StillDeferred(was_asked=not isinstance(error, LookUpWaits)) from None
        if parsed.deferred is not None:
            raise NotStored from None
        waits = Verdict(decision.meant(*what).keyword, Outcome.UNAVAILABLE, is_final=False)
        return Decision(waits, disclosure.unavailable())
    reply = decided.reply
    if reply is None:
        return Decision(Verdict(None, Outcome.SILENT, "courtesy"))
    return Decision(Verdict(decided.said.keyword, reply.outcome), reply, reply.changes)


def _within_limits(parsed: ParsedMessage, decision: Decision) -> Decision:
    """Applies the limits. A deferred answer was promised, and is given whatever it costs."""
    keyword, outcome = decision.verdict.keyword, decision.verdict.outcome
    if decision.reply is None or parsed.deferred is not None:
        return decision
    reason = parsed.gate.closed(keyword, outcome, may_repeat=keyword in NEVER_REPEATS)
    if reason is not None:
        heeded = tuple(each for each in decision.changes if _applies_when_silenced(each))
        return Decision(Verdict(keyword, Outcome.SILENT, reason), changes=heeded)
    if parsed.gate.is_last(keyword, outcome):
        return replace(decision, reply=disclosure.enough(decision.reply))
    return decision


def _applies_when_silenced(change: Change) -> bool:
    """A complaint can be told again; the law's days for a data request run from the first."""
    is_request = isinstance(change, OpenCase) and change.kind is CaseKind.DATA_REQUEST
    return isinstance(change, APPLIED_WHEN_SILENCED) or is_request


def _storable(grammar: Grammar, said: Command | Misread, text: str) -> str:
    """Returns what may be kept of a text: no secret, and nothing at all where it was one."""
    is_secret = isinstance(said, Misread) and said.reason is Reason.SECRET
    return "" if is_secret else grammar.redact(text).text


def _read(tx: Transaction, number: str, parsed: ParsedMessage) -> PhoneState:
    """Reads the phone, with what a code or a case's number opens, also if YA confirms it."""
    received_at = parsed.deferred.received_at if parsed.deferred else None
    known = phone_state.read(tx, number, named=_named(parsed.said), received_at=received_at)
    meant = open_question.meant(parsed.said, known.caller)
    if meant is None or _named(meant) == named.NOTHING_NAMED:
        return known
    return phone_state.read(tx, number, named=_named(meant), received_at=received_at)


def _named(said: Command | Misread) -> Named:
    code, case = said.fields.get("code"), said.fields.get("number")
    return Named(
        code=str(code) if code else None,
        case=str(case) if case else None,
        identity="nkp" in said.fields or "nik" in said.fields,
        asked_codes=said.keyword == "tolak",
    )


# Twilio's OptOutType: the carrier has answered, and blocked or unblocked the phone, itself.
FOLLOWED = {
    "stop": Decision(Verdict("stop", Outcome.ANSWERED), changes=(OptOut(),)),
    "start": Decision(Verdict("mulai", Outcome.ANSWERED), changes=(OptIn(),)),
    "help": Decision(Verdict("bantuan", Outcome.ANSWERED)),
}


def _spend(rt: Runtime, answer: Answer) -> None:
    sent = (answer.reply, *answer.also) if answer.reply else answer.also
    rt.spend((each.recipient, each.text) for each in sent)


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
