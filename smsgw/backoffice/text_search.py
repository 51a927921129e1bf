"""Searches the texts of one day. Texts are encrypted, so each is decrypted and searched."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import Row, select

from grammar import normalise
from smsgw.backoffice import message_log
from smsgw.backoffice.background_tasks import Task, TaskStep
from smsgw.backoffice.message_log import MessageFilters
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.sealed import ROW
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

AT_ONCE = 1000  # texts of one step
MOST_HITS = 500
SHORTEST, LONGEST = 3, 60  # characters


class SearchRequest(BaseModel):
    day: date  # the scheme's
    words: str
    by: str  # as the audit names them


class SearchFindings(BaseModel):
    first: int  # id of the day's first message
    at: int  # the next to be looked at
    end: int  # and no message from here on
    hits: list[int] = []
    looked: int = 0
    destroyed: int = 0  # texts that are no more

    is_cut: bool = False  # there may be more hits


def words_of(written: str) -> list[str]:
    """Normalises words as texts are compared, whatever their spacing and letter case."""
    return normalise(written).casefold().split()


def of_day(day: date, zone: ZoneInfo) -> MessageFilters:
    return MessageFilters(
        since=_midnight(day, zone), until=_midnight(day + timedelta(days=1), zone)
    )


def run(
    rt: Runtime, task: Task, at_once: int = AT_ONCE, most: int = MOST_HITS
) -> Iterator[TaskStep]:
    asked = SearchRequest.model_validate(task.request)
    day, words = of_day(asked.day, rt.settings.zone), words_of(asked.words)
    if task.findings is None:
        found = _begin(rt, day)
        yield _step(found)
    else:
        found = SearchFindings.model_validate(task.findings)
    while found.at < found.end:
        with rt.reading() as tx:
            rows = _next(tx, found, at_once)
            found = _look(tx, found, day, rows, words)
        if len(rows) < at_once or len(found.hits) > most:
            is_cut, hits = len(found.hits) > most, found.hits[:most]
            found = found.model_copy(update={"at": found.end, "is_cut": is_cut, "hits": hits})
        yield _step(found)
    with rt.writing() as tx:
        note(tx, asked, found)


def note(tx: Transaction, asked: SearchRequest, found: SearchFindings) -> None:
    """Records the result in the audit log, without the words."""
    detail = f"{asked.day}: {len(found.hits)} found"
    audit.note(tx, Act.SEARCHED, asked.by, detail=detail)


def _step(found: SearchFindings) -> TaskStep:
    return TaskStep(found.at - found.first, found.end - found.first, found.model_dump())


def _begin(rt: Runtime, day: MessageFilters) -> SearchFindings:
    with rt.reading() as tx:
        first, end = message_log.span(tx, day)
    return SearchFindings(first=first, at=first, end=max(first, end))


def _next(tx: Transaction, found: SearchFindings, limit: int) -> Sequence[Row[Any]]:
    of_it = (messages.c.id >= found.at, messages.c.id < found.end)
    columns = (messages.c.id, messages.c.received_at, messages.c.text, *ROW[Ciphertext.MESSAGE])
    rows = select(*columns).where(*of_it).order_by(messages.c.id)
    return tx.connection.execute(rows.limit(limit)).all()


def _look(
    tx: Transaction,
    found: SearchFindings,
    day: MessageFilters,
    rows: Sequence[Row[Any]],
    words: Sequence[str],
) -> SearchFindings:
    of_day = [row for row in rows if day.is_within(row.received_at)]
    readable = [row for row in of_day if row.text is not None]
    hits = [row.id for row in readable if _holds(tx, row, words)]
    return found.model_copy(
        update={
            "at": rows[-1].id + 1 if rows else found.end,
            "hits": [*found.hits, *hits],
            "looked": found.looked + len(readable),
            "destroyed": found.destroyed + len(of_day) - len(readable),
        }
    )


def _holds(tx: Transaction, row: Row[Any], words: Sequence[str]) -> bool:
    """Tells whether the text has all words, each by itself or in a longer word."""
    named_by = (row.id, row.carrier, row.carrier_ref)
    text = normalise(tx.opened(row.text, Ciphertext.MESSAGE, *named_by) or "").casefold()
    return all(word in text for word in words)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
