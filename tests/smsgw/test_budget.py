"""Limits what a day may cost for the phones of a calling code: when it is used up they get nothing,
and all others are answered as before."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis
from sqlalchemy import func, select
from structlog.testing import capture_logs

from smsgw import gsm7, runtime, settings
from smsgw.backoffice import casework, resend
from smsgw.messaging import dispatch
from smsgw.messaging.answer import Answer
from smsgw.operations import retention
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import phones
from tests.conftest import P1, P2, STRANGER, Clock
from tests.support.conversation import say
from tests.support.counting import counting as counting
from tests.support.counting import database_url as database_url
from tests.support.redis_trips import Trips, watching
from tests.support.registration import DAFTAR

MALAYSIAN, SINGAPOREAN = "+6012345670{}", "+658123450{}"
ANI = "operator:ani"
TRIPS = 2  # the day with the limits, and what was spent


def limited(rt: Runtime, by_code: str, **more: str) -> Runtime:
    environ = {"SMSGW_DAILY_SEGMENTS_BY_CODE": by_code, **more}
    names = {"daily_segments", "daily_segments_by_code"}
    budgets = settings.load(environ).model_dump(include=names)
    return replace(rt, settings=rt.settings.model_copy(update=budgets))


def are_answered(rt: Runtime, phones: str, number: int, start: int = 0) -> list[bool]:
    """Tells whether that many phones are each answered by one segment."""
    answers = [say(rt, phones.format(each), "KONTAK") for each in range(start, start + number)]
    assert all(each.verdict.reason == "throttled" for each in answers if each.reply is None)
    return [each.reply is not None for each in answers]


def spent(rt: Runtime) -> dict[str, int]:
    return dict(rt.counters.spending(rt.today))


def segments(answer: Answer) -> int:
    assert answer.reply is not None
    return gsm7.count(answer.reply.text).segments


def test_a_used_up_calling_code_does_not_stop_others(counting: Runtime) -> None:
    rt = limited(counting, "60=2")
    assert are_answered(rt, MALAYSIAN, 4) == [True, True, False, False]
    assert are_answered(rt, SINGAPOREAN, 4) == [True] * 4
    assert say(rt, P1, "SALDO").reply is not None
    assert are_answered(rt, MALAYSIAN, 1, start=7) == [False]


def test_the_star_limits_each_other_calling_code(counting: Runtime) -> None:
    rt = limited(counting, "62=9, *=1")
    assert are_answered(rt, MALAYSIAN, 2) == [True, False]
    assert are_answered(rt, SINGAPOREAN, 2) == [True, False]
    assert are_answered(rt, "+628570000000{}", 3) == [True] * 3


def test_the_budget_resets_the_next_day(counting: Runtime, clock: Clock) -> None:
    rt = limited(counting, "60=2")
    assert are_answered(rt, MALAYSIAN, 3) == [True, True, False]
    clock.moves(hours=13)  # 23 o'clock where the scheme is
    assert are_answered(rt, MALAYSIAN, 1, start=4) == [False]
    clock.moves(hours=1)
    assert are_answered(rt, MALAYSIAN, 3, start=6) == [True, True, False]


def test_two_processes_share_one_count(rt: Runtime, environ: dict[str, str]) -> None:
    budgets = environ | {"SMSGW_DAILY_SEGMENTS_BY_CODE": "60=3"}
    one, other = (runtime.build(settings.load(budgets), now=rt.now) for _ in range(2))
    assert are_answered(one, MALAYSIAN, 2) == [True, True]
    assert are_answered(other, MALAYSIAN, 2, start=3) == [True, False]
    assert are_answered(one, MALAYSIAN, 1, start=6) == [False]
    assert are_answered(one, SINGAPOREAN, 1) == [True]
    for each in (one, other):
        each.close()


def test_the_whole_day_stays_limited_too(counting: Runtime) -> None:
    rt = limited(counting, "60=2", SMSGW_DAILY_SEGMENTS="3")
    assert are_answered(rt, MALAYSIAN, 3) == [True, True, False]
    assert are_answered(rt, SINGAPOREAN, 2) == [True, False]


def test_messages_over_budget_are_stored_and_stop_takes_effect(counting: Runtime) -> None:
    rt = limited(counting, "60=1")
    sender = MALAYSIAN.format(0)
    for text in ("KONTAK", "STOP", "SALDO"):
        say(rt, sender, text)
    with rt.reading() as tx:
        stored = tx.connection.execute(select(messages.c.keyword, messages.c.state)).all()
        assert stored == [(each, "answered") for each in ("kontak", "stop", "saldo")]
        assert tx.connection.execute(select(func.count()).select_from(replies)).scalar() == 1
        stopped = select(phones.c.stopped_at).order_by(phones.c.id.desc())
        assert tx.connection.execute(stopped).scalars().first() == rt.now()


def test_a_message_to_another_phone_counts_for_that_phones_code(counting: Runtime) -> None:
    """The message is a code, which goes to the number on file."""
    rt = limited(counting, "60=100")
    asked = say(rt, MALAYSIAN.format(0), DAFTAR)
    assert [each.recipient for each in asked.also] == [P2]
    others = gsm7.count(asked.also[0].text).segments
    own = segments(asked)
    assert spent(rt) == {"60": own, "62": others, "all": own + others}


def test_a_deferred_reply_counts_for_its_calling_code(counting: Runtime) -> None:
    """Covers officers' answers, resends, and the notice after erasing."""
    rt = limited(counting, "60=100")
    sender = MALAYSIAN.format(0)
    say(rt, sender, "LAPOR PT Maju belum bayar iuran")
    dispatch.drain(rt, "simulator", "2757")
    at_first = spent(rt)["60"]
    resend.resend(rt, 1, ANI, "says it never came")
    assert spent(rt)["60"] == at_first + 1
    casework.answer(rt, "ADU-251031-0001", "x" * 200, ANI, after=0, closes=True)
    assert spent(rt)["60"] == at_first + 3
    say(rt, sender, "HAPUS DATA")
    dispatch.drain(rt, "simulator", "2757")
    before = spent(rt)["60"]
    retention.erase(rt, "ADU-251031-0002", ANI)
    assert spent(rt) == {"60": before + 1, "all": before + 1}


def test_it_is_logged_once_a_day_and_code(counting: Runtime, clock: Clock) -> None:
    rt = limited(counting, "*=1")
    with capture_logs() as logged:
        for phones in (MALAYSIAN, SINGAPOREAN):
            are_answered(rt, phones, 5)
        clock.moves(hours=24)
        are_answered(rt, MALAYSIAN, 5, start=5)
    alarms = [each for each in logged if "calling code" in each["event"]]
    assert [each["code"] for each in alarms] == ["60", "65", "60"]
    assert all(each["log_level"] == "error" for each in alarms)


def test_without_a_limit_nothing_is_counted(rt: Runtime) -> None:
    say(rt, P1, "SALDO")
    assert spent(rt) == {}


def test_counts_expire(rt: Runtime, redis_url: str) -> None:
    say(limited(rt, "60=100"), STRANGER, "KONTAK")
    with Redis.from_url(redis_url) as client:
        (key,) = client.keys("spent:*")
        assert 0 < client.ttl(key) <= 2 * 86_400


@pytest.fixture
def watched(rt: Runtime, redis_url: str) -> Iterator[Runtime]:
    with watching(rt, redis_url) as made:
        yield made


@pytest.mark.parametrize("by_code", ["", "60=100,*=50"])
def test_limits_by_code_need_no_further_round_trip(watched: Runtime, by_code: str) -> None:
    rt = limited(watched, by_code, SMSGW_DAILY_SEGMENTS="1000")
    say(rt, STRANGER, "KONTAK")  # by which the limits' script is loaded
    Trips.made = 0
    assert say(rt, P1, "KONTAK").reply is not None
    assert Trips.made == TRIPS
