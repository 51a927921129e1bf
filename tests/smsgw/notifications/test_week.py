"""A week in three time zones: nobody is told by night, after STOP, after a binding ended, or beyond
the budget of a day."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text

from handlers.changes import NotificationKind
from smsgw.ledger.csv_import import load
from smsgw.messaging import delivery_reports
from smsgw.notifications import cycle
from smsgw.registry import phone_state, subscriptions
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import Priority, attempts, replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from tests.conftest import Clock, on_sqlite
from tests.support.bound_phones import bind_many, nkp, number
from tests.support.conversation import say, set_number_on_file
from tests.support.notified import send, switch_on

MANY, BUDGET = 24, 9
STEP = timedelta(minutes=100)  # it meets other hours each day
WEEK = timedelta(days=7)
ZONES = {"J01": "Asia/Jakarta", "M01": "Asia/Makassar", "P01": "Asia/Jayapura", "": ""}
OFFICES = tuple(ZONES)
STOPS, GOES, CHANGES_NUMBER = 0, 1, 2  # whose phones do that on the third day


@pytest.fixture
def week(rt: Runtime, tmp_path: Path) -> Runtime:
    """Gives each participant an office, every fourth one none, and subscribes all."""
    bind_many(rt, MANY)
    with rt.ledger.engine.begin() as ledger:
        for code, timezone in (("J01", "WIB"), ("M01", "WITA"), ("P01", "WIT")):
            ledger.execute(text("DELETE FROM offices WHERE code = :code"), {"code": code})
            ledger.execute(
                text("INSERT INTO offices (code, name, timezone) VALUES (:code, :code, :zone)"),
                {"code": code, "zone": timezone},
            )
    lines = [f"{nkp(index)},{OFFICES[index % len(OFFICES)]}" for index in range(MANY)]
    (tmp_path / "participant_offices.csv").write_text("\n".join(["nkp,office", *lines, ""]))
    load(rt.ledger.engine, tmp_path)
    with rt.writing() as tx:
        for index in range(MANY):
            known = phone_state.read(tx, number(index))
            kinds = [NotificationKind.BALANCE]
            subscriptions.add(tx, known.phone_id, number(index), kinds, "in a test")
    switch_on(rt, NotificationKind.BALANCE)
    settings = rt.settings.model_copy(update={"notification_segments": BUDGET})
    return replace(rt, settings=settings)


def sends(rt: Runtime) -> Iterator[tuple[str, datetime]]:
    """Yields to whom a notification was sent, and when."""
    found = (
        select(phones, attempts.c.started_at)
        .join_from(attempts, replies, replies.c.id == attempts.c.reply_id)
        .join(phones, phones.c.id == replies.c.phone_id)
        .where(replies.c.priority == Priority.NOTIFICATION, attempts.c.ending == "sent")
    )
    with rt.reading() as tx:
        for row in tx.connection.execute(found).all():
            yield tx.opened(row.number, Ciphertext.PHONE, row.id, row.hash) or "", row.started_at


def change_some(rt: Runtime, chance: Random) -> None:
    with rt.ledger.engine.begin() as ledger:
        for index in chance.sample(range(MANY), 6):
            ledger.execute(
                text("UPDATE balances SET total = total + 1 WHERE nkp = :nkp"), {"nkp": nkp(index)}
            )


def change_their_minds(rt: Runtime, clock: Clock) -> datetime:
    """Lets three phones end it, each in its way."""
    say(rt, number(STOPS), "STOP")
    say(rt, number(GOES), "GANTI HP")
    set_number_on_file(rt, nkp(CHANGES_NUMBER), "+6281311113333")
    return clock.now


@on_sqlite
def test_a_week_keeps_all_its_promises(week: Runtime, clock: Clock) -> None:
    begins, chance = clock.now, Random(5)
    ended_at = None
    while clock.now < begins + WEEK:
        if clock.now.astimezone(week.settings.zone).hour >= 17:
            change_some(week, chance)
        cycle.run_due(week)
        if ended_at is None and clock.now > begins + timedelta(days=3, hours=1):
            ended_at = change_their_minds(week, clock)
        send(week)
        clock.now += STEP
        with week.writing() as tx:
            delivery_reports.drop_stale(tx)
    sent = list(sends(week))
    assert len(sent) > 5 * BUDGET
    assert ended_at is not None
    for recipient, at in sent:
        index = int(recipient.removeprefix("+62812345"))
        zone = ZONES[OFFICES[index % len(OFFICES)]]
        for where in [zone] if zone else filter(None, ZONES.values()):
            assert 8 <= at.astimezone(ZoneInfo(where)).hour < 20, (recipient, at)
    over = {number(each) for each in (STOPS, GOES, CHANGES_NUMBER)}
    assert not [recipient for recipient, at in sent if recipient in over and at >= ended_at]
    assert over & {recipient for recipient, at in sent if at < ended_at}
    by_day = Counter[date](at.astimezone(week.settings.zone).date() for _, at in sent)
    assert max(by_day.values()) <= BUDGET
    hours = {at.astimezone(ZoneInfo("Asia/Jakarta")).hour for _, at in sent}
    assert hours & {6, 7}  # it is 8.00 in Papua
    assert hours & {18, 19}  # it is day in Jakarta alone
