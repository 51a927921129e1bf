"""Operators find messages, and no look-up reads through the table."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from smsgw.backoffice import conversation, message_log
from smsgw.backoffice.message_log import LogPage, MessageFilters
from smsgw.messaging import inbox
from smsgw.runtime import Runtime
from smsgw.storage.monthly_ids import MONTH
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.messages import replies as _replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction
from tests.conftest import P1, P2, STRANGER, Clock
from tests.support.conversation import say
from tests.support.filled_databases import Prepared
from tests.support.query_plans import plans
from tests.support.registration import DAFTAR
from tests.support.sender_ids import send_all

MANY, PHONES = 12_000, 1500
LATEST = 1000  # of these, in the last of two months
KEYWORDS = ("saldo", "saldo", "saldo", "daftar", "kontak")
OUTCOMES = ("answered", "answered", "invalid")


@pytest.fixture
def traffic(rt: Runtime, clock: Clock) -> Runtime:
    """Stores four messages, an hour apart; the last one at 6:00 UTC."""
    for sender, text in (
        (P1, "SALDO"),
        (STRANGER, "KONTAK"),
        (P1, "SALDO 1234567890"),
        (P2, "KONTAK"),
    ):
        say(rt, sender, text)
        clock.moves(hours=1)
    return rt


def found(rt: Runtime, filters: MessageFilters, **more: Any) -> list[int]:
    with rt.reading() as tx:
        return [each.id for each in message_log.page(tx, filters, **more).messages]


def phone_id_of(rt: Runtime, number: str) -> int:
    with rt.reading() as tx:
        found = message_log.phone_id(tx, number)
    assert found is not None
    return found


def test_the_newest_come_first_with_what_they_were_answered(traffic: Runtime) -> None:
    with traffic.reading() as tx:
        page = message_log.page(tx, MessageFilters())
    assert [each.id for each in page.messages] == [4, 3, 2, 1]
    newest = page.messages[0]
    assert (newest.keyword, newest.outcome, newest.state) == ("kontak", "answered", "answered")
    assert [(each.wording, each.state) for each in newest.replies] == [("kontak.ways", "queued")]
    assert newest.number == "+6285*****5678"
    assert newest.reference == inbox.reference(4)
    assert page.before is None


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"keyword": "saldo"}, [3, 1]),
        ({"outcome": "invalid"}, [3]),
        ({"carrier": "simulator"}, [4, 3, 2, 1]),
        ({"carrier": "twilio"}, []),
        ({"keyword": "saldo", "outcome": "answered"}, [1]),
        ({"keyword": "kontak", "outcome": "invalid", "carrier": "simulator"}, []),
    ],
)
def test_messages_are_filtered_by_kind(
    traffic: Runtime, filters: dict[str, str], ids: list[int]
) -> None:
    assert found(traffic, MessageFilters(**filters)) == ids


def test_messages_are_filtered_by_phone(traffic: Runtime) -> None:
    for typed in (P1, "0812 3456 7890", "62-812-3456-7890"):
        assert found(traffic, MessageFilters(phone_id=phone_id_of(traffic, typed))) == [3, 1]
    assert found(traffic, MessageFilters(phone_id=phone_id_of(traffic, P1), outcome="invalid")) == [
        3
    ]
    with traffic.reading() as tx:
        assert message_log.phone_id(tx, "+6281211112222") is None
        assert message_log.phone_id(tx, "BPJS") is None


def test_messages_are_filtered_by_days(traffic: Runtime, clock: Clock) -> None:
    """Days are instants: ids alone would take in some more minutes."""
    begins = clock.now - timedelta(hours=4)
    hour = timedelta(hours=1)
    assert found(traffic, MessageFilters(since=begins + hour)) == [4, 3, 2]
    assert found(traffic, MessageFilters(until=begins + hour)) == [1]
    assert found(traffic, MessageFilters(since=begins + hour, until=begins + 3 * hour)) == [3, 2]
    kind = MessageFilters(since=begins + hour, until=begins + 3 * hour, keyword="saldo")
    assert found(traffic, kind) == [3]
    assert found(traffic, MessageFilters(since=clock.now)) == []
    assert found(traffic, MessageFilters(until=begins)) == []


def test_pages_hold_every_message_once(traffic: Runtime) -> None:
    seen, before = [], None
    while True:
        with traffic.reading() as tx:
            page = message_log.page(tx, MessageFilters(keyword="saldo"), before, limit=1)
        seen += [each.id for each in page.messages]
        before = page.before
        if before is None:
            break
    assert seen == [3, 1]


def test_a_reference_names_a_message(traffic: Runtime) -> None:
    with traffic.reading() as tx:
        assert message_log.message_id(tx, inbox.reference(3).lower()) == 3
        assert message_log.message_id(tx, inbox.reference(99)) is None
        assert message_log.message_id(tx, "no such") is None


def test_a_conversation_reads_as_on_the_phone(traffic: Runtime) -> None:
    """Texts are left out unless the reader gave a reason."""
    with traffic.reading() as tx:
        masked = conversation.talk(tx, phone_id_of(traffic, P1), with_texts=False)
        opened = conversation.talk(tx, phone_id_of(traffic, P1), with_texts=True)
    assert masked is not None
    assert opened is not None
    assert (masked.number, opened.number) == ("+6281*****7890", P1)
    assert {each.text for each in masked.sms} == {None}
    assert [each.is_ours for each in opened.sms] == [False, True, False, True]
    assert opened.sms[0].text == "SALDO"
    assert opened.sms[1].text is not None
    assert opened.sms[1].text.startswith("Saldo JHT NKP *******5678")


def test_a_long_conversation_goes_on_where_its_page_ended(rt: Runtime, clock: Clock) -> None:
    for _ in range(5):
        say(rt, P1, "SALDO")
        send_all(rt)
        clock.moves(minutes=5)
    seen: list[tuple[int, bool]] = []
    before = None
    while True:
        with rt.reading() as tx:
            talk = conversation.talk(tx, 1, before, with_texts=False, limit=3)
        assert talk is not None
        seen = [(each.message_id, each.is_ours) for each in talk.sms] + seen
        before = talk.before
        if before is None:
            break
    assert seen == [(id_, is_ours) for id_ in range(1, 6) for is_ours in (False, True)]


def test_a_code_is_never_shown(rt: Runtime) -> None:
    """Otherwise an operator could register someone else's number from a phone of their own."""
    say(rt, STRANGER, DAFTAR)
    with rt.reading() as tx:
        talk = conversation.talk(tx, phone_id_of(rt, P2), with_texts=True)
    assert talk is not None
    assert [(each.is_secret, each.text) for each in talk.sms] == [(True, None)]


def test_deleted_texts_are_marked(traffic: Runtime) -> None:
    with traffic.writing() as tx:
        tx.connection.execute(messages.update().values(text=None))
    with traffic.reading() as tx:
        talk = conversation.talk(tx, phone_id_of(traffic, P1), with_texts=True)
    assert talk is not None
    assert [each.is_gone for each in talk.sms] == [True, False, True, False]


# At scale.


def store_many(rt: Runtime, _: Clock) -> None:
    """Stores so many messages that no planner would rather read them all; klaim is only in the
    oldest."""
    with rt.writing() as tx:
        hashes = [each.to_bytes(32) for each in range(PHONES)]
        made = [
            {
                "id": 100 + number,
                "hash": each,
                "number": tx.vault.encrypt(P1, Ciphertext.PHONE, each),
                "version": 1,
            }
            for number, each in enumerate(hashes)
        ]
        tx.connection.execute(insert(phones), made)
        tx.connection.execute(insert(messages), [_message(tx, each) for each in range(MANY)])
        tx.connection.execute(insert(_replies), [_reply(tx, each) for each in range(MANY)])
    with rt.service.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, worker_number: int) -> Iterator[Prepared]:
    made = Prepared("many", store_many, tmp_path_factory.mktemp("many"), worker_number)
    yield made
    made.close()


@pytest.fixture
def many(prepared: Prepared, environ: dict[str, str], clock: Clock) -> Iterator[Runtime]:
    with prepared.copied(environ, clock) as made:
        yield made


def id_of(number: int) -> int:
    """Returns ids of two months, of which the first is among those without a month."""
    return number + 1 + (2611 * MONTH if number >= MANY - LATEST else 0)


def _message(tx: Transaction, number: int) -> dict[str, object]:
    is_old = number < MANY // 4
    return {
        "id": id_of(number),
        "carrier": "kannel" if number % 3 else "twilio",
        "carrier_ref": str(number),
        "sender_id": "2757",
        "phone_id": 100 + number % PHONES,
        "received_at": tx.now - timedelta(minutes=MANY - number),
        "keyword": "klaim" if is_old else KEYWORDS[number % len(KEYWORDS)],
        "outcome": "pending" if number > MANY * 3 // 4 else OUTCOMES[number % len(OUTCOMES)],
        "state": "answered",
    }


def _reply(tx: Transaction, number: int) -> dict[str, object]:
    return {
        "id": id_of(number),
        "message_id": id_of(number),
        "phone_id": 100 + number % PHONES,
        "carrier": "twilio",
        "sender_id": "2757",
        "encoding": "GSM-7",
        "segments": 1,
        "state": "delivered",
        "priority": 0,
        "made_at": tx.now,
        "expires_at": tx.now,
        "attempts": 1,
    }


FILTERS = [
    {},
    {"keyword": "saldo"},
    {"keyword": "klaim"},
    {"keyword": "never"},
    {"outcome": "invalid"},
    {"outcome": "answered"},
    {"carrier": "twilio"},
    {"phone_id": 200},
    {"phone_id": 200, "keyword": "saldo", "outcome": "invalid"},
    {"keyword": "klaim", "outcome": "pending"},
    {"outcome": "pending", "carrier": "kannel"},
]


@pytest.mark.parametrize("before", [None, MANY // 2], ids=["newest", "from the middle"])
@pytest.mark.parametrize("days", [False, True], ids=["ever", "of days"])
def test_every_look_is_a_range_of_an_index(
    many: Runtime, clock: Clock, *, days: bool, before: int | None
) -> None:
    """It is read in its order. Nothing is read through, and nothing is sorted but what one phone
    wrote or, by SQLite, what was looked at of two kinds."""
    span = {"since": clock.now - timedelta(days=5), "until": clock.now - timedelta(days=2)}
    with plans(many) as planned:
        for each in FILTERS:
            filters = MessageFilters(**each, **(span if days else {}))  # type: ignore[arg-type]
            found(many, filters, before=before, looks_at=MANY // 100)
        with many.reading() as tx:
            message_log.one(tx, 7)
            message_log.message_id(tx, inbox.reference(7))
            conversation.talk(tx, 200, with_texts=False)
            conversation.talk(tx, 200, (MANY // 2, MANY // 2), with_texts=False)
    assert len(planned) > len(FILTERS)
    for plan in planned:
        # Of a partition that is empty there is nothing else to read.
        read_through = r"Seq Scan on (messages|replies)[^(]*\(cost=\S+ rows=(?!1 )"
        assert not re.search(rf"{read_through}|^SCAN (messages|replies)", plan), plan
        phone = r"ix_(messages|replies)_phone_id|(messages|replies)_\w+_phone_id_id_idx"
        is_short = re.search(rf"{phone}|CO-ROUTINE", plan)
        assert is_short or not re.search(r"\bSort\b(?! Key)|TEMP B-TREE", plan), plan


def test_pages_go_on_in_the_month_before(many: Runtime) -> None:
    """Of 'saldo' the last month has 600."""
    seen: list[int] = []
    before = None
    while before is not None or not seen:
        with many.reading() as tx:
            page = message_log.page(tx, MessageFilters(keyword="saldo"), before, limit=550)
        seen += [each.id for each in page.messages]
        before = page.before
    wanted = [id_of(number) for number in range(MANY // 4, MANY) if KEYWORDS[number % 5] == "saldo"]
    assert seen == wanted[::-1]


def test_no_more_is_looked_at_where_months_are_several(many: Runtime) -> None:
    """A thousand of 'kontak', the rarer kind, are among the last five thousand messages."""
    filters = MessageFilters(keyword="kontak", carrier="kannel")
    with many.reading() as tx:
        page = message_log.page(tx, filters, limit=1000, looks_at=1000)
    assert page.before == id_of(MANY - 5000 + 4)
    assert len(page.messages) == sum(each % 3 != 0 for each in range(MANY - 4996, MANY, 5))


def test_impossible_filters_do_not_scan_the_table(
    many: Runtime,
) -> None:
    """The page says how far back it looked, and the next one goes on there: where there is no
    pending at all, one look is enough."""
    never = MessageFilters(keyword="klaim", outcome="pending")
    pages: list[LogPage] = []
    before = None
    while not pages or before is not None:
        with many.reading() as tx:
            pages.append(message_log.page(tx, never, before, looks_at=MANY // 12))
        before = pages[-1].before
    assert [each.messages for each in pages] == [[], []]
    assert [each.reaches is None for each in pages] == [False, True]
    assert pages[0].before == MANY // 4 - MANY // 12 + 1


def test_exports_use_short_reads(many: Runtime, clock: Clock) -> None:
    batches = list(message_log.walk(many, MessageFilters(keyword="saldo", outcome="invalid")))
    ids = [each.id for batch in batches for each in batch]
    with many.reading() as tx:
        wanted = select(func.count()).where(
            messages.c.keyword == "saldo", messages.c.outcome == "invalid"
        )
        assert len(ids) == tx.connection.execute(wanted).scalar_one()
    assert ids == sorted(set(ids), reverse=True)
    assert max(map(len, batches)) <= message_log.BATCH
