"""Traces one message by what is stored: how it came, was read, and was answered.

A text is read again by the configuration that read it then. Of what retention has destroyed only
the rest is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, select

from grammar import Command, Misread, normalise
from smsgw.backoffice import conversation, message_log
from smsgw.backoffice.message_log import LoggedMessage, SentReply
from smsgw.configuration import compiler, recognition, validation, versions
from smsgw.configuration.compiler import Configuration
from smsgw.configuration.document import KeywordsError
from smsgw.configuration.versions import Version
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import attempts, messages
from smsgw.storage.tables.messages import replies as _replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.sealed import ROW
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TracedReading:
    """Holds a text as the grammar reads it, before anything is known of the phone."""

    keyword: str | None
    reason: str | None  # why it was misread
    slot: str | None
    fields: Mapping[str, str]  # that were read rightly; shown to who may see the text


@dataclass(frozen=True, slots=True)
class TracedPiece:
    text: str
    is_dropped: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    started_at: datetime
    ended_at: datetime | None
    ending: str | None
    carrier_ref: str | None
    code: str | None
    settled: str | None


@dataclass(frozen=True, slots=True)
class TracedReply:
    sms: SentReply
    is_notice: bool  # to another phone, whose text is not told here
    made_at: datetime
    waited: float | None
    text: str | None
    is_gone: bool
    pieces: Sequence[TracedPiece]  # of its wording; none where that cannot be told any more
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Trace:
    message: LoggedMessage
    text: str | None
    normal: str | None
    is_gone: bool
    version: Version | None  # none where it is not known
    reading: TracedReading | None
    replies: Sequence[TracedReply]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """Holds what the database has about a message."""

    message: LoggedMessage
    text: str | None
    version: Version | None
    replies: Sequence[Row[Any]]
    texts: Mapping[int, str]  # by reply; none where it is destroyed
    attempts: Mapping[int, Sequence[Attempt]]  # by reply


def of(rt: Runtime, message_id: int, *, with_texts: bool) -> Trace | None:
    """Traces a message. It parses the text outside any transaction, as that may take longer than a
    read should."""
    with rt.reading() as tx:
        stored = _stored_message(tx, message_id)
    if stored is None:
        return None
    text, version = stored.text, stored.version
    day = stored.message.received_at.astimezone(rt.settings.zone).date()
    configuration = _configuration(version.text, day) if version else None
    reading = _parse(configuration, text) if configuration and text is not None else None
    return Trace(
        message=stored.message,
        text=text if with_texts else None,
        normal=normalise(text) if with_texts and text is not None else None,
        is_gone=text is None,
        version=version,
        reading=reading,
        replies=_traced_replies(stored, configuration, with_texts=with_texts),
    )


def _stored_message(tx: Transaction, message_id: int) -> StoredMessage | None:
    entry = message_log.one(tx, message_id)
    if entry is None:
        return None
    sealed = tx.connection.execute(
        select(messages.c.text, *ROW[Ciphertext.MESSAGE]).where(messages.c.id == message_id)
    ).one()
    ids, number = [sent.id for sent in entry.replies], entry.configuration
    rows = tx.connection.execute(
        select(_replies, phones.c.hash)
        .join(phones, phones.c.id == _replies.c.phone_id)
        .where(_replies.c.id.in_(ids))
        .order_by(_replies.c.id)
    ).all()
    return StoredMessage(
        message=entry,
        text=tx.opened(
            sealed.text, Ciphertext.MESSAGE, message_id, sealed.carrier, sealed.carrier_ref
        ),
        version=versions.version(tx, number) if number is not None else None,
        replies=rows,
        texts={row.id: text for row in rows if (text := _reply_text(tx, row)) is not None},
        attempts=_attempts(tx, ids),
    )


def _reply_text(tx: Transaction, row: Row[Any]) -> str | None:
    named_by = (row.hash, row.message_id, row.binding_id)
    return tx.opened(row.text, Ciphertext.REPLY, row.id, *named_by)


def _configuration(text: str, day: date) -> Configuration | None:
    """Returns None if an earlier version of this program wrote it, and this one cannot read it."""
    try:
        since = max((each for each in _changes(text) if each <= day), default=date.min)
        return _load(text, since)
    except KeywordsError:
        return None


@lru_cache(maxsize=16)
def _changes(text: str) -> frozenset[date]:
    """Returns the days from which other keywords are in force than before. Raises KeywordsError."""
    entries = validation.read_published(text).entries.values()
    begins = {each.since for each in entries if each.since}
    return frozenset(begins | {each.until + A_DAY for each in entries if each.until})


@lru_cache(maxsize=16)
def _load(text: str, day: date) -> Configuration:
    """Raises KeywordsError."""
    return compiler.load_published(text, day)


def _parse(configuration: Configuration, text: str) -> TracedReading:
    parsed: Command | Misread = configuration.grammar.parse(text)
    fields = {name: str(value) for name, value in parsed.fields.items()}
    if isinstance(parsed, Misread):
        return TracedReading(parsed.keyword, parsed.reason, parsed.slot, fields)
    return TracedReading(parsed.keyword, None, None, fields)


def _traced_replies(
    stored: StoredMessage, configuration: Configuration | None, *, with_texts: bool
) -> Sequence[TracedReply]:
    sent = {each.id: each for each in stored.message.replies}
    traced = []
    for row in stored.replies:
        text = stored.texts.get(row.id)
        is_notice = row.phone_id != stored.message.phone_id
        if is_notice and not with_texts:
            continue  # that there is one may tell that what was sent is somebody's
        may_show = with_texts and not is_notice and row.wording not in conversation.SECRET
        traced.append(
            TracedReply(
                sms=sent[row.id],
                is_notice=is_notice,
                made_at=row.made_at,
                waited=row.waited,
                text=text if may_show else None,
                is_gone=text is None,
                pieces=_pieces(configuration, row.wording, text),
                attempts=stored.attempts.get(row.id, ()),
            )
        )
    return traced


def _pieces(
    configuration: Configuration | None, name: str | None, text: str | None
) -> Sequence[TracedPiece]:
    """Returns the wording's pieces in the language of the text."""
    if configuration is None or name is None or text is None:
        return ()
    for wordings in configuration.wordings.values():
        wording = wordings.get(name)
        dropped = recognition.absent(wording, text) if wording else None
        if wording is not None and dropped is not None:
            return [TracedPiece(each.source, each.source in dropped) for each in wording.pieces]
    return ()


def _attempts(tx: Transaction, reply_ids: Sequence[int]) -> Mapping[int, Sequence[Attempt]]:
    """Returns the attempts of each reply."""
    columns = (
        attempts.c.started_at,
        attempts.c.ended_at,
        attempts.c.ending,
        attempts.c.carrier_ref,
        attempts.c.code,
        attempts.c.settled,
    )
    rows = tx.connection.execute(
        select(attempts.c.reply_id, *columns)
        .where(attempts.c.reply_id.in_(reply_ids))
        .order_by(attempts.c.id)
    )
    by_reply: dict[int, list[Attempt]] = {}
    for reply_id, *attempt in rows:
        by_reply.setdefault(reply_id, []).append(Attempt(*attempt))
    return by_reply
