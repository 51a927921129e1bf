"""Counts what is older than the settings allow and still there, although the clock deletes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select

from smsgw.messaging import inbox, parts
from smsgw.operations import notifier, retention
from smsgw.registry import lockout, registration_codes
from smsgw.registry.held_bindings import UNUSED_FOR
from smsgw.runtime import Runtime
from smsgw.storage.tables import messages as traffic
from smsgw.storage.tables import notifications as news
from smsgw.storage.tables import phones as known
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.types import service
from smsgw.storage.transaction import Transaction

# The clock looks at every phone once a day, so what became too old since may still be there.
GRACE = retention.EVERY + timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Overdue:
    """Says of a table how many rows hold what should be gone, and of how many rows that is."""

    table: str
    what: str
    rows: int
    of: int


def count(rt: Runtime) -> Iterator[Overdue]:
    """Yields one line for each table from which something is deleted in time."""
    with rt.reading() as tx:
        now = tx.now - GRACE
        since = now - rt.settings.retention
        for table, what, is_old in (*_texts(now, since), *_on_phones(now), *_people(now, since)):
            of = _rows(tx, table, None)
            yield Overdue(table, what, _rows(tx, table, is_old), of)


def _texts(now: datetime, since: datetime) -> Iterator[tuple[str, str, ColumnElement[bool]]]:
    came, went = messages.c.text.is_not(None), replies.c.text.is_not(None)
    yield "messages", "texts", and_(came, messages.c.received_at < since, *inbox.HAS_ENDED)
    has_ended = replies.c.state.not_in(retention.LEAVING)
    yield "replies", "texts", and_(went, replies.c.made_at < since, has_ended)
    part = traffic.parts
    waits = part.c.text.is_(None) | (part.c.received_at < since)
    yield "parts", "parts", and_(part.c.received_at < now - parts.KEPT_FOR, waits)
    form = known.registrations
    yield "registrations", "forms", and_(known.GIVEN, form.c.made_at < since)


def _on_phones(now: datetime) -> Iterator[tuple[str, str, ColumnElement[bool]]]:
    for each in (known.questions, known.pages):
        yield each.name, "expired", each.c.expires_at < now
    for each in (known.guesses, known.named):
        yield each.name, "hashes", each.c.at < now - 2 * lockout.GUESSES_COUNT_FOR
    counted = registration_codes.WRONG_CODES_COUNT_FOR
    yield "wrong_codes", "tries", known.wrong_codes.c.at < now - 2 * counted
    counted = registration_codes.REJECTIONS_COUNT_FOR
    yield "rejections", "rejections", known.rejections.c.at < now - 2 * counted


def _people(now: datetime, since: datetime) -> Iterator[tuple[str, str, ColumnElement[bool]]]:
    made = min(since, now - registration_codes.DISOWNED_FOR)
    yield "codes", "codes", known.codes.c.made_at < made
    asked = news.subscriptions
    yield "subscriptions", "consent", asked.c.ended_at < since
    old = news.notifications.c.made_at < now - notifier.KEPT_FOR
    yield "notifications", "notifications", old
    bound = known.bindings
    is_over = or_(bound.c.ended_at < since, bound.c.used_at < now - UNUSED_FOR)
    yield "bindings", "participants", and_(bound.c.nkp.is_not(None), is_over)
    yield "phones", "numbers", retention.is_silent(since)


def _rows(tx: Transaction, table: str, which: ColumnElement[bool] | None) -> int:
    counted = select(func.count()).select_from(service.tables[table])
    if which is not None:
        counted = counted.where(which)
    return int(tx.connection.execute(counted).scalar_one())
