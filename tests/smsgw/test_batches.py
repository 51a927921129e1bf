"""Messages that come at one instant are answered together, at the cost of one; what goes wrong with
one of them is its own alone."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH
from sqlalchemy import event, func, select, text, update

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging.answer import Answer, NotStored
from smsgw.registry import phone_state, reply_pages
from smsgw.registry.reply_pages import NewPages
from smsgw.runtime import Runtime
from smsgw.storage import kept_connection
from smsgw.storage.group_commit import GroupCommit
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.transaction import Conflict
from tests.conftest import Clock
from tests.support.batches import together
from tests.support.bound_phones import bind_many, nkp, number
from tests.support.conversation import audit_entries, count_rows, say
from tests.support.filled_databases import Prepared
from tests.support.redis_trips import Trips, watching

MANY = 50
STRANGERS = [f"+62813345{index:05}" for index in range(20)]
# What is known of the phones with ids for what is written, and all that is written.
SERVICE, LEDGER = 2, 1
TRIPS = 2  # the day's budget with the limits, and what was spent


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, worker_number: int) -> Iterator[Prepared]:
    def live(rt: Runtime, _: Clock) -> None:
        bind_many(rt, MANY)

    made = Prepared("bound", live, tmp_path_factory.mktemp("bound"), worker_number)
    yield made
    made.close()


@pytest.fixture
def bound(prepared: Prepared, environ: dict[str, str], clock: Clock) -> Iterator[Runtime]:
    with prepared.copied(environ, clock) as made:
        yield made


# What a process reads every few seconds, however many messages there are.
PERIODIC = ("FROM configurations", "FROM data_keys")


def answering(rt: Runtime, index: int, text: str = "SALDO") -> Callable[[], Answer | None]:
    sms = IncomingSms("simulator", f"batch-{index}-{text}", number(index), "2757", text)
    return partial(responder.respond, rt, sms)


def text_of(made: Future[Answer | None]) -> str:
    answer = made.result()
    assert answer is not None
    assert answer.reply is not None
    return answer.reply.text


@contextmanager
def statements(rt: Runtime) -> Iterator[Counter[str]]:
    """Counts the statements that are made meanwhile, by database, without those of PERIODIC."""
    counted: Counter[str] = Counter()

    def listener(name: str) -> Callable[..., None]:
        def count(_c: object, _cursor: object, statement: str, *_: object) -> None:
            counted.update([name] if not any(each in statement for each in PERIODIC) else [])

        return count

    engines = {"service": rt.service, "ledger": rt.ledger.engine}
    listeners = {name: listener(name) for name in engines}
    for name, engine in engines.items():
        event.listen(engine, "before_cursor_execute", listeners[name])
    try:
        yield counted
    finally:
        for name, engine in engines.items():
            event.remove(engine, "before_cursor_execute", listeners[name])


def warm(rt: Runtime) -> None:
    """Reads what is read once in a while."""
    say(rt, number(0), "SALDO")
    rt.published.refresh()


def test_fifty_are_answered_each_with_their_own(bound: Runtime) -> None:
    before = count_rows(bound, messages)
    made = together(bound, [answering(bound, i) for i in range(MANY)])
    for index, each in enumerate(made):
        assert f"{1_000_000 + index:,}".replace(",", ".") in text_of(each)
    assert count_rows(bound, messages) == before + MANY
    with bound.reading() as tx:
        told = select(func.count()).where(phones.c.last_reply_id.is_not(None))
        assert tx.connection.execute(told).scalar_one() == MANY
    assert Counter(audit_entries(bound))["disclosed", "saldo.balance"] == MANY


@pytest.mark.parametrize("many", [1, MANY - 1])
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_fifty_cost_as_many_statements_as_one(bound: Runtime, many: int) -> None:
    warm(bound)
    with statements(bound) as counted:
        made = together(bound, [answering(bound, 1 + i) for i in range(many)])
        assert all("Saldo" in text_of(each) for each in made)
    assert counted == {"service": SERVICE, "ledger": LEDGER}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_each_statement_of_a_batch_is_one_trip(bound: Runtime) -> None:
    """None is in a transaction that would be begun and committed by trips of their own."""
    warm(bound)
    commit_themselves: list[bool] = []

    def note(_c: object, cursor: psycopg.Cursor, statement: str, *_: object) -> None:
        if not any(each in statement for each in PERIODIC):
            commit_themselves.append(cursor.connection.autocommit)

    for engine in (bound.service, bound.ledger.engine):
        event.listen(engine, "before_cursor_execute", note)
    made = together(bound, [answering(bound, 1 + i) for i in range(10)])
    assert all("Saldo" in text_of(each) for each in made)
    assert commit_themselves == [True] * (SERVICE + LEDGER)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_a_batch_asks_is_short_enough_for_psycopg_to_remember(bound: Runtime) -> None:
    asked: list[str] = []
    for engine in (bound.service, bound.ledger.engine):
        event.listen(engine, "before_cursor_execute", lambda *them: asked.append(them[2]))
    assert answering(bound, 1)() is not None
    new = IncomingSms("simulator", "new", STRANGERS[0], "2757", "BANTUAN")
    made = together(bound, [partial(responder.respond, bound, new), answering(bound, 2)])
    assert all(text_of(each) for each in made)
    assert any("WITH p0" in each and "p7" in each for each in asked)
    assert max(map(len, asked)) <= MAX_CACHED_STATEMENT_LENGTH


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_a_batch_asks_the_service_is_planned_once(bound: Runtime) -> None:
    """PostgreSQL tries five plans, of five executions after those that psycopg counts."""
    for index in range(13):
        assert answering(bound, index)() is not None
    plans = text("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements")
    with bound.reading() as tx:
        planned = tx.connection.execute(plans).all()
    kinds = ("FROM generate_series", "WITH p0")
    for kind in kinds:
        ((_, generic, custom),) = [each for each in planned if kind in each.statement]
        assert (generic > 0, custom) == (True, 5), kind


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_a_batch_asks_the_ledger_is_planned_once(bound: Runtime) -> None:
    with bound.ledger.engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    for turn in range(14):
        body, first = ("SALDO", "SALDO JHT")[turn // 5 % 2], turn * 10 % MANY
        body += " " * turn  # another message each time
        made = together(bound, [answering(bound, first + i, body) for i in range(10)])
        assert all("Saldo" in text_of(each) for each in made)
    plans = text("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements")
    kept = kept_connection.of(bound.ledger.engine)
    assert kept is not None
    with kept.taken() as connection:
        planned = connection.execute(plans).all()
    ((_, generic, custom),) = [each for each in planned if "FROM participants" in each.statement]
    assert (generic > 0, custom) == (True, 5)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_long_answers_cost_no_statement_more_unless_they_replace_others(bound: Runtime) -> None:
    warm(bound)
    for body, more in (("BANTUAN", 0), ("KANTOR JAKARTA", 1)):
        with statements(bound) as counted:
            made = together(bound, [answering(bound, 1 + i, body) for i in range(9)])
            assert all("LANJUT" in text_of(each) for each in made)
        assert counted["service"] == SERVICE + more
    for index in range(9):
        answer = say(bound, number(1 + index), "LANJUT")
        assert answer.verdict.outcome == "answered"


def test_pages_that_came_in_between_are_not_written_over(bound: Runtime) -> None:
    with bound.reading() as tx:
        known = phone_state.read(tx, number(1))
    say(bound, number(1), "BANTUAN")
    pages = NewPages(known.phone_id, number(1), ["late"], known.has_pages)
    with pytest.raises(Conflict), bound.writing() as tx:
        reply_pages.keep_all(tx, [pages])
    assert "late" not in (say(bound, number(1), "LANJUT").reply.text)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_is_looked_up_alone_is_read_once(bound: Runtime) -> None:
    warm(bound)
    with statements(bound) as counted:
        answer = answering(bound, 1, "IURAN 2025")()
    assert answer is not None
    assert answer.verdict.outcome == "answered"
    assert counted == {"service": SERVICE, "ledger": 2}  # the participant, and the year


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_batch_of_all_kinds_of_questions_costs_as_many_statements(bound: Runtime) -> None:
    warm(bound)
    said = ("SALDO", "IURAN", "JP", "KLAIM", "STATUS", "DATA")
    with statements(bound) as counted:
        made = together(bound, [answering(bound, 1 + i, said[i % len(said)]) for i in range(20)])
        outcomes = {answer.verdict.outcome for each in made if (answer := each.result())}
        assert outcomes == {"answered"}
    assert counted == {"service": SERVICE, "ledger": LEDGER}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_cases_that_are_opened_at_one_instant_do_not_start_again(bound: Runtime) -> None:
    """Each message is alone in its batch, as if it came to another process."""
    read: list[str] = []
    event.listen(bound.service, "before_cursor_execute", lambda *them: read.append(them[2]))
    others = [replace(bound, batches=GroupCommit()) for _ in range(32)]
    said = "LAPOR kartu saya hilang"
    with ThreadPoolExecutor(16) as pool:
        made = [pool.submit(answering(each, 1 + i, said)) for i, each in enumerate(others)]
        numbers = [re.findall(r"ADU-\d{6}-(\d{4})", text_of(each))[0] for each in made]
    assert sorted(map(int, numbers)) == list(range(1, 33))
    assert sum("FROM generate_series" in each for each in read) == 32


def test_a_batch_makes_as_many_trips_to_redis_as_one_message(
    bound: Runtime, redis_url: str
) -> None:
    limited = replace(bound, settings=bound.settings.model_copy(update={"daily_segments": 100_000}))
    assert limited.settings.limits_spending
    with watching(limited, redis_url) as watched:
        warm(watched)
        before, Trips.made = watched.counters.spent(watched.today), 0
        made = together(watched, [answering(watched, 1 + i) for i in range(20)])
        assert all("Saldo" in text_of(each) for each in made)
        assert Trips.made == TRIPS
        assert watched.counters.spent(watched.today) == before + 20


@pytest.mark.parametrize("words", ["KONTAK", "BANTUAN"])  # the second has pages
def test_phones_that_are_new_are_stored_with_what_they_say(bound: Runtime, words: str) -> None:
    warm(bound)
    with statements(bound) as counted:
        made = together(bound, [_from_stranger(bound, each, words) for each in STRANGERS])
    if bound.service.dialect.name == "postgresql":
        assert counted["service"] == SERVICE
    with bound.reading() as tx:
        known = phone_state.read_all(tx, [phone_state.PhoneQuery(each) for each in STRANGERS])
    assert {each.version for each in known} == {1}
    assert [each.last_reply for each in known] == [text_of(each) for each in made]
    assert all(_from_stranger(bound, each, words)() is None for each in STRANGERS)  # once


def test_a_new_phone_that_was_overtaken_is_answered_and_the_others_too(bound: Runtime) -> None:
    once = iter([True])

    def overtakes(*_: object) -> None:
        if next(once, False):
            say(bound, STRANGERS[1], "INFO")

    event.listen(bound.ledger.engine, "before_cursor_execute", overtakes)
    strangers = [_from_stranger(bound, each, "BANTUAN") for each in STRANGERS[:3]]
    made = together(bound, [*strangers, answering(bound, 1)])
    assert next(once, None) is None
    assert len({text_of(each) for each in made}) == 2
    assert count_rows(bound, messages) == count_rows(bound, replies) == 5


def test_of_a_new_phone_s_messages_at_one_instant_each_is_answered(bound: Runtime) -> None:
    """Two processes read the phone before one of them stores it."""
    other = replace(bound, batches=GroupCommit())
    before = count_rows(bound, messages)
    with ThreadPoolExecutor(6) as threads:
        made = [
            threads.submit(_from_stranger(rt, STRANGERS[0], words))
            for rt in (bound, other)
            for words in ("INFO", "KONTAK", "BANTUAN")
        ]
    assert all(each.result() for each in made)
    assert count_rows(bound, messages) == before + 6
    with bound.reading() as tx:
        assert phone_state.read(tx, STRANGERS[0]).version == 6


def _from_stranger(rt: Runtime, sender: str, words: str) -> Callable[[], Answer | None]:
    sms = IncomingSms("simulator", f"{sender}-{words}-{id(rt)}", sender, "2757", words)
    return partial(responder.respond, rt, sms)


def test_a_bug_of_one_is_its_own(bound: Runtime) -> None:
    def fails(_c: object, _cursor: object, _s: str, parameters: Any, *_: object) -> None:
        if nkp(7) in str(parameters):
            raise RuntimeError("a bug")

    event.listen(bound.ledger.engine, "before_cursor_execute", fails)
    made = together(bound, [answering(bound, i) for i in range(MANY)])
    assert isinstance(made[7].exception(), RuntimeError)
    assert sum("Saldo" in text_of(each) for each in made if each is not made[7]) == MANY - 1
    with bound.reading() as tx:
        by_message = select(replies.c.message_id).group_by(replies.c.message_id)
        twice = by_message.having(func.count() > 1)
        assert tx.connection.execute(twice).all() == []


def test_a_phone_that_was_overtaken_is_answered_once_and_the_others_too(bound: Runtime) -> None:
    once = iter([True])

    def overtakes(*_: object) -> None:
        if next(once, False):
            with bound.writing() as tx:
                known = phone_state.read(tx, number(3))
                tx.connection.execute(
                    update(phones).where(phones.c.id == known.phone_id).values(version=99)
                )

    event.listen(bound.ledger.engine, "before_cursor_execute", overtakes)
    made = together(bound, [answering(bound, i) for i in range(10)])
    assert all("Saldo" in text_of(each) for each in made)
    assert count_rows(bound, messages) == 10
    assert count_rows(bound, replies) == 10


def test_a_message_that_was_stored_before_stays_so(bound: Runtime) -> None:
    first = answering(bound, 1)()
    made = together(bound, [answering(bound, i) for i in range(4)])
    assert first is not None
    assert made[1].result() is None
    assert count_rows(bound, messages) == 4


def test_an_older_message_that_comes_again_harms_no_other(bound: Runtime) -> None:
    """Its phone said something since, so that it is recognised only where it would be stored."""
    assert answering(bound, 1)() is not None
    assert answering(bound, 1, "INFO")() is not None
    made = together(bound, [answering(bound, i) for i in range(4)])
    assert made[1].result() is None
    assert all("Saldo" in text_of(each) for each in made if each is not made[1])
    assert count_rows(bound, messages) == 5
    assert count_rows(bound, replies) == 5


def test_one_phone_s_messages_are_answered_one_after_the_other(bound: Runtime) -> None:
    """The second is in the next batch, and is told from a repeat of the first."""
    calls = [answering(bound, 1), answering(bound, 1, "saldo"), answering(bound, 2)]
    made = [each.result() for each in together(bound, calls)]
    outcomes = sorted(each.verdict.outcome for each in made if each is not None)
    assert outcomes == ["answered", "answered", "silent"]


def test_what_changes_something_is_done_for_each(bound: Runtime) -> None:
    calls = [answering(bound, i, "STOP" if i % 2 else "SALDO") for i in range(10)]
    made = [each.result() for each in together(bound, calls)]
    assert [each.verdict.keyword for each in made if each] == ["saldo", "stop"] * 5
    with bound.reading() as tx:
        stopped = select(func.count()).where(phones.c.stopped_at.is_not(None))
        assert tx.connection.execute(stopped).scalar_one() == 5


def test_what_cannot_be_read_for_all_is_looked_up_alone(bound: Runtime) -> None:
    calls = [answering(bound, i, "JP" if i == 4 else "SALDO") for i in range(6)]
    made = [each.result() for each in together(bound, calls)]
    assert [each.verdict.keyword for each in made if each].count("jp") == 1
    assert all(each is not None and each.verdict.outcome == "answered" for each in made)


def test_while_the_database_is_away_each_is_told_to_come_again(bound: Runtime) -> None:
    def away(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "messages" in statement:
            raise NotStored

    event.listen(bound.service, "before_cursor_execute", away)
    made: Sequence[Future[Answer | None]] = together(bound, [answering(bound, i) for i in range(5)])
    assert all(isinstance(each.exception(), NotStored) for each in made)
    event.remove(bound.service, "before_cursor_execute", away)
    assert count_rows(bound, messages) == 0


def test_phones_that_could_not_be_read_together_are_read_alone(bound: Runtime) -> None:
    once = iter([True])

    def fails(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM phones" in statement and next(once, False):
            raise RuntimeError("a bug")

    event.listen(bound.service, "before_cursor_execute", fails)
    made = together(bound, [answering(bound, i) for i in range(5)])
    assert next(once, None) is None
    assert all("Saldo" in text_of(each) for each in made)
