"""Stores what was decided: messages, what they change, and their replies, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy.exc import IntegrityError

from handlers import disclosure
from handlers.changes import Change, Lapse, OpenCase, SetLanguage
from handlers.question import Outcome, Reply
from handlers.values import Verbatim
from smsgw.messaging import inbox, outbox
from smsgw.messaging.answer import Answer, Decision
from smsgw.messaging.composer import Composer, Outgoing
from smsgw.messaging.inbox import Repeated
from smsgw.messaging.screening import ParsedMessage
from smsgw.registry import bindings, cases, phone_state, phones, reply_pages
from smsgw.registry.bindings import Notice
from smsgw.registry.changes import apply
from smsgw.registry.phone_state import PhoneState
from smsgw.registry.phones import LastMessage
from smsgw.registry.reply_pages import NewPages
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.bulk import BulkIds, write_all
from smsgw.storage.monthly_ids import first_id, ids_of_month
from smsgw.storage.tables.messages import Priority, messages, replies
from smsgw.storage.transaction import Conflict, Transaction


class NewAnswer(NamedTuple):
    """Holds a message about to be stored; `known` is None where the sender is no phone."""

    parsed: ParsedMessage
    known: PhoneState | None
    decision: Decision
    is_claimed: bool = False  # no other message of the phone can come in between
    # Of the message, its reply, and its phone if that is new: if they are taken already.
    ids: tuple[int, ...] = ()


_ids = BulkIds(messages, replies)


@dataclass(slots=True)
class _Rows:
    """Collects what is written for all messages together, once each is worked out."""

    messages: list[inbox.NewMessage] = field(default_factory=list)
    uses: set[int] = field(default_factory=set)  # bindings
    replies: dict[int, outbox.NewReply] = field(default_factory=dict)  # by their ids
    pages: list[NewPages] = field(default_factory=list)
    last: list[LastMessage] = field(default_factory=list)
    new_phones: list[tuple[str, LastMessage]] = field(default_factory=list)  # by their numbers
    disclosures: list[audit.AuditEntry] = field(default_factory=list)
    # With the place of the message.
    notices: list[tuple[int, Composer, Notice]] = field(default_factory=list)

    def note_last(
        self,
        each: NewAnswer,
        known: PhoneState,
        message_id: int | None = None,
        reply_id: int | None = None,
    ) -> None:
        """Notes what a phone said last, to be written with the message; a new phone is added."""
        counts = not each.is_claimed
        last = LastMessage(known.phone_id, known.version, message_id, reply_id, counts)
        if known.version:
            self.last.append(last)
        else:
            self.new_phones.append((known.caller.phone, last))


def store(
    rt: Runtime, tx: Transaction, call_centre: Verbatim | None, decided: Sequence[NewAnswer]
) -> list[Answer]:
    """Stores messages and their replies, in a handful of statements however many there are. Raises
    Conflict where another message of one of the phones was first, Repeated where one was stored
    before; then nothing may be committed."""
    decided = [_unless_many_lapse(rt, tx, each) for each in decided]
    decided = _claim_phones(tx, decided)
    ids = _ids_of(tx, decided)
    rows = _Rows()
    answers = []
    for place, (each, (new_id, reply_id, *_)) in enumerate(zip(decided, ids, strict=True)):
        answer = Answer(_accept(tx, each, new_id, rows), each.decision.verdict)
        if each.known is not None:
            composer = _composer(rt, tx, call_centre, each, answer.message_id)
            answer = _work_out(composer, each, each.known, place, answer, reply_id, rows)
        answers.append(answer)
    _write(tx, rows)
    for place, composer, notice in rows.notices:  # behind the replies, in the order of their ids
        sent = composer.send_notice(notice)
        answers[place] = answers[place]._replace(also=(*answers[place].also, sent))
    return answers


def _ids_of(tx: Transaction, decided: Sequence[NewAnswer]) -> list[tuple[int, ...]]:
    """Returns ids for each message and its reply: those that were taken when its phone was read,
    unless the month has changed since."""
    ids = [each.ids for each in decided]
    month = ids_of_month(first_id(tx.now))
    if all(taken and taken[0] in month for taken in ids):
        return ids
    return _ids.take(tx.connection, len(decided), tx.now)


def _claim_phones(tx: Transaction, decided: Sequence[NewAnswer]) -> list[NewAnswer]:
    """Stores new phones. If something changes, no other message of that phone may come in
    between; the others count their version up, or are stored, at the end."""
    decided = [_with_new_id(each) for each in decided]
    new = [each.known for each in decided if each.known is not None and not each.known.phone_id]
    ids = iter(phones.add_all(tx, [known.caller.phone for known in new]))
    claimed = []
    for each in decided:
        known = each.known
        if known is not None and not known.phone_id:
            new_phone = known._replace(phone_id=next(ids), version=1)
            claimed.append(each._replace(known=new_phone, is_claimed=True))
        elif known is not None and each.decision.changes:
            known = phone_state.bump_version(tx, known)
            claimed.append(each._replace(known=known, is_claimed=True))
        else:
            claimed.append(each)
    return claimed


def _with_new_id(each: NewAnswer) -> NewAnswer:
    """Gives a new phone the id that was taken for it, if it can be stored with its message: if no
    change has to find it there. Its version stays 0 until then."""
    known = each.known
    if known is None or known.phone_id or not each.ids or each.decision.changes:
        return each
    return each._replace(known=known._replace(phone_id=each.ids[-1]))


def _accept(tx: Transaction, each: NewAnswer, new_id: int, rows: _Rows) -> int:
    """Returns the id of the message: a new one, or that of one whose answer had to wait."""
    parsed, verdict = each.parsed, each.decision.verdict
    if parsed.deferred is not None:
        inbox.settle(tx, parsed.deferred.message_id, verdict)
        return parsed.deferred.message_id
    phone_id = each.known.phone_id if each.known else None
    about = (parsed.text_hash, verdict, parsed.configuration.version)
    rows.messages.append(inbox.NewMessage(new_id, parsed.sms, phone_id, *about))
    return new_id


def _composer(
    rt: Runtime, tx: Transaction, call_centre: Verbatim | None, each: NewAnswer, message_id: int
) -> Composer:
    language = _language(each.known, each.decision.changes) if each.known else "id"
    return Composer(
        rt,
        tx,
        each.parsed.configuration,
        call_centre,
        each.parsed.actor,
        message_id,
        each.parsed.text_hash,
        language,
    )


def _work_out(
    composer: Composer,
    each: NewAnswer,
    known: PhoneState,
    place: int,
    answer: Answer,
    reply_id: int,
    rows: _Rows,
) -> Answer:
    """Writes what the message changes at once, and puts what every message writes into `rows`."""
    tx, decision, message_id = composer.tx, each.decision, answer.message_id
    if composer.actor != audit.PARTICIPANT:
        audit.note(tx, Act.SAID, composer.actor, phone_id=known.phone_id, message_id=message_id)
    if decision.verdict.outcome == Outcome.SILENT:
        _stay_silent(composer, each, known, rows)
        return answer
    reply = _numbered(composer, known, decision.reply) if decision.reply else None
    text = composer.render(reply.wording, reply.values) if reply else ""
    notices = apply(tx, known, decision.changes, message_id, text)
    may_be_repeated = reply is not None and decision.verdict.keyword != "ulang"
    last_reply_id = reply_id if may_be_repeated else None
    rows.note_last(each, known, message_id, last_reply_id)
    if reply is None:
        return answer
    if reply.pages:
        rows.pages.append(_pages(composer, known, reply))
    rows.replies[reply_id] = _draft(composer, each, known, reply, text, rows)
    rows.notices += [(place, composer, notice) for notice in notices]
    for nkp in dict.fromkeys((*reply.shows, *([reply.about] if reply.about else []))):
        rows.disclosures.append(composer.disclosure(known.phone_id, nkp, reply.wording))
    sent = Outgoing(known.caller.phone, text, each.parsed.sms.carrier, each.parsed.sms.sender_id)
    return Answer(message_id, decision.verdict, sent)


def _pages(composer: Composer, known: PhoneState, reply: Reply) -> NewPages:
    texts = [composer.render(page.wording, page.values) for page in reply.pages]
    return NewPages(known.phone_id, known.caller.phone, texts, known.has_pages)


def _stay_silent(composer: Composer, each: NewAnswer, known: PhoneState, rows: _Rows) -> None:
    apply(composer.tx, known, each.decision.changes, composer.message_id)
    _open_case(composer, known, each.decision.changes)
    if not each.is_claimed:
        rows.note_last(each, known)


def _write(tx: Transaction, rows: _Rows) -> None:
    """Raises Conflict, Repeated."""
    writes = [
        inbox.ref_rows(tx, rows.messages),
        inbox.message_rows(tx, rows.messages),
        bindings.use_rows(tx, rows.uses),
        outbox.reply_rows(tx, rows.replies),
        phones.last_message_rows(rows.last),
        phones.new_rows(tx, rows.new_phones),
        reply_pages.new_rows(tx, rows.pages),
        audit.entry_rows(tx, rows.disclosures),
    ]
    try:
        write_all(tx.connection, writes, is_last=not rows.notices, kept=tx.kept)
    except IntegrityError as error:
        if inbox.is_repeat(error):
            raise Repeated from None
        if rows.new_phones or rows.pages:  # another message of the phone was stored first
            raise Conflict from None
        raise


def _draft(
    composer: Composer, each: NewAnswer, known: PhoneState, reply: Reply, text: str, rows: _Rows
) -> outbox.NewReply:
    return outbox.NewReply(
        message_id=composer.message_id,
        phone_id=known.phone_id,
        number=known.caller.phone,
        binding_id=_binding(composer.tx, each, known, reply.about, rows),
        carrier=each.parsed.sms.carrier,
        sender_id=each.parsed.sms.sender_id,
        text=text,
        lasts=composer.rt.settings.validity,
        priority=Priority.LATE if each.parsed.deferred is not None else Priority.ASKED,
        wording=reply.wording,
    )


def _binding(
    tx: Transaction, each: NewAnswer, known: PhoneState, nkp: str | None, rows: _Rows
) -> int | None:
    """Returns the id of the binding that a reply about `nkp` hangs on, and notes its use. A change
    of this message may just have made another one."""
    if nkp is None or each.decision.changes:
        return bindings.binding_id(tx, known, nkp)
    if nkp not in known.binding_ids:
        raise Conflict
    rows.uses.add(known.binding_ids[nkp])
    return known.binding_ids[nkp]


def _unless_many_lapse(rt: Runtime, tx: Transaction, each: NewAnswer) -> NewAnswer:
    """Keeps the binding if the numbers on file of too many people changed: then it was hardly the
    people who changed them. The reply still discloses nothing."""
    decision = each.decision
    changes = tuple(change for change in decision.changes if not isinstance(change, Lapse))
    if len(changes) == len(decision.changes):
        return each
    if bindings.may_lapse(tx, rt.settings.lapses_an_hour):
        return each
    if decision.reply is None:
        return each._replace(decision=decision._replace(changes=changes))
    reply = disclosure.number_unclear()
    verdict = decision.verdict._replace(outcome=reply.outcome)
    return each._replace(decision=Decision(verdict, reply, changes))


def _language(known: PhoneState, changes: tuple[Change, ...]) -> str:
    """Returns the language that the message chooses, or the phone's."""
    return next(
        (each.language for each in changes if isinstance(each, SetLanguage)), known.language
    )


def _numbered(composer: Composer, known: PhoneState, reply: Reply) -> Reply:
    """Fills in the number of the case that the answer opens."""
    number = _open_case(composer, known, reply.changes)
    return reply._replace(values={**reply.values, "number": Verbatim(number)}) if number else reply


def _open_case(composer: Composer, known: PhoneState, changes: tuple[Change, ...]) -> str | None:
    for change in changes:
        if isinstance(change, OpenCase):
            local = composer.tx.now.astimezone(composer.rt.settings.zone)
            what = (composer.message_id, change.kind, local, composer.text_hash)
            return cases.open_case(composer.tx, known.phone_id, *what)
    return None
