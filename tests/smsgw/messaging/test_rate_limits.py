"""Checks that nobody's phone, however clever or broken, makes us send for ever."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import pytest
from redis import Redis
from sqlalchemy import func, select

from smsgw import responder, settings
from smsgw.carriers.carrier import IncomingSms
from smsgw.configuration import compiler
from smsgw.messaging.answer import NotStored
from smsgw.runtime import Runtime
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.phones import guesses, phones
from smsgw.transcripts import reader
from tests.conftest import P1, P1_NKP, STRANGER, Clock
from tests.support.conversation import say
from tests.support.counting import counting as counting
from tests.support.counting import database_url as database_url
from tests.support.sender_ids import send_all

FOLDER = Path(__file__).parents[2] / "transcripts"
SPOKEN = ("asked-well", "sloppy-balance", "sloppy-registration", "other-messages", "wrong-messages")
FULL = """CREATE TRIGGER full BEFORE INSERT ON replies
BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"""
PROGRAMS = ["JHT", "JP"]
WORDS = ["siang", "pak", "kapan", "nanti", "terus", "anak", "surat", "minggu", "libur", "besok"]


def chatter(seed: int) -> Iterator[str]:
    chance = Random(seed)
    while True:
        yield " ".join(chance.choice(WORDS) for _ in range(chance.randint(4, 9)))


def sent(rt: Runtime) -> int:
    with rt.reading() as tx:
        return tx.connection.execute(select(func.count()).select_from(replies)).scalar_one()


@pytest.mark.parametrize(
    "texts",
    [
        lambda: ("SALDO" for _ in count()),
        lambda: (f"SALDO {30_000_000_000 + number}" for number in count()),
        lambda: (f"INFO {number}" for number in count()),
        lambda: chatter(7),
        lambda: (["SALDO", "IURAN", "STATUS", "DATA", "KONTAK"][n % 5] for n in count()),
    ],
    ids=["one text", "guesses", "digits", "chatter", "commands"],
)
def test_two_hundred_messages_a_minute_cost_five_replies(
    counting: Runtime, clock: Clock, texts: Callable[[], Iterator[str]]
) -> None:
    for _, text in zip(range(200), texts(), strict=False):
        say(counting, P1, text)
        clock.moves(seconds=0.29)
    assert 0 < sent(counting) <= 5


def test_two_hundred_at_one_instant_cost_five_replies(counting: Runtime) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: say(counting, P1, text), ("KONTAK", "STATUS") * 100))
    assert 0 < sent(counting) <= 5


def test_two_installations_do_not_answer_each_other(counting: Runtime) -> None:
    published = compiler.load_shipped()
    answer = say(counting, STRANGER, "halo, ini layanan apa?")
    other = "+6285700000001"
    assert say(counting, other, answer.reply.text).verdict.reason == "echo"
    assert say(counting, other, f" {answer.reply.text}\n").verdict.reason == "echo"
    assert published.own_words.matches(answer.reply.text)


ASKED = ["SALDO", "STATUS", "KONTAK", "INFO TARIF", "KANTOR BOGOR", "IURAN", "BANTUAN", "apa kabar"]


@pytest.mark.parametrize("text", ASKED)
@pytest.mark.parametrize("around", ["{}", "Balas: {}", "{}\n-- sent from my phone"])
def test_an_echo_of_our_reply_gets_no_reply(rt: Runtime, text: str, around: str) -> None:
    answer = say(rt, P1, text)
    assert say(rt, P1, around.format(answer.reply.text)).verdict.reason == "echo"


def test_the_fifth_explanation_is_always_sent(counting: Runtime, clock: Clock) -> None:
    """In one minute five are answered; the others count as no explanation."""
    for keyword in ("SALDO", "IURAN", "STATUS", "DATA", "KONTAK"):
        assert say(counting, P1, keyword).reply is not None
    unread = chatter(5)
    for _ in range(5):
        assert say(counting, P1, next(unread)).verdict.reason == "throttled"
    wordings = []
    for _ in range(6):
        clock.moves(minutes=4)
        wordings.append(say(counting, P1, next(unread)).reply)
    assert [each is not None for each in wordings] == [True] * 5 + [False]
    assert "besok" in wordings[4].text


def test_a_data_request_is_stored_beyond_all_limits(counting: Runtime) -> None:
    for keyword in ("SALDO", "IURAN", "STATUS", "DATA", "KONTAK"):
        assert say(counting, P1, keyword).reply is not None
    assert say(counting, P1, "HAPUS DATA").verdict.reason == "throttled"
    assert say(counting, P1, "LAPOR iuran belum dibayar").verdict.reason == "throttled"
    with counting.reading() as tx:
        kinds = list(tx.connection.execute(select(cases.c.kind)).scalars())
    assert kinds == ["data_request"]


@pytest.mark.parametrize(
    "answers",
    [
        "Format SMS salah. Ketik REG spasi NAMA ke 9999",
        "Saldo Anda Rp{n}, berlaku s.d. {n}",
        "Ref {n}: terima kasih telah menghubungi kami",
        "Maaf, nomor tidak dikenal",
    ],
)
def test_another_autoresponder_gets_at_most_five_replies(
    counting: Runtime, clock: Clock, answers: str
) -> None:
    for number in range(20):
        if say(counting, STRANGER, answers.format(n=100 + number)).reply is None:
            break
        clock.moves(seconds=150)
    assert sent(counting) <= 5
    assert number <= 5


def test_a_bot_with_varying_texts_is_stopped(counting: Runtime, clock: Clock) -> None:
    for _, text in zip(range(300), chatter(11), strict=False):
        clock.moves(minutes=4)
        say(counting, STRANGER, text)
    assert sent(counting) <= 10  # twenty hours may fall into two days


def test_endless_valid_commands_are_stopped(counting: Runtime, clock: Clock) -> None:
    texts = ["KONTAK", "STATUS", "SALDO", "IURAN", "JP", "DATA", "INFO IURAN", "KANTOR BOGOR"]
    answered = 0
    for number in range(290):
        clock.moves(minutes=4.9)
        answered += say(counting, P1, texts[number % len(texts)]).reply is not None
    assert answered == 60


def test_an_hour_has_twenty_replies(counting: Runtime, clock: Clock) -> None:
    texts = ["KONTAK", "STATUS", "SALDO", "IURAN", "JP", "DATA", "INFO IURAN", "KANTOR BOGOR"]
    answered = []
    for number in range(25):
        clock.moves(minutes=2.2)  # 25 in 55 minutes
        answered.append(say(counting, P1, texts[number % len(texts)]).reply is not None)
    assert answered == [True] * 20 + [False] * 5


def test_the_lock_notice_counts_as_an_explanation(counting: Runtime, clock: Clock) -> None:
    said = []
    for number in range(9):
        clock.moves(minutes=15)
        said.append(say(counting, P1, f"SALDO 3000000000{number}"))
    outcomes = [each.verdict.outcome for each in said]
    assert outcomes == ["not_linked"] * 3 + ["locked"] * 5 + ["silent"]
    assert "besok" in said[7].reply.text


@pytest.mark.parametrize("text", ["DAFTAR", "SALDO 1901234567", "LAPOR", "KODE"])
def test_the_same_explanation_is_sent_twice_at_most(
    counting: Runtime, clock: Clock, text: str
) -> None:
    """A sender who repeats it a third time does not read our replies."""
    said = []
    for _ in range(3):
        clock.moves(minutes=3)
        said.append(say(counting, P1, text))
        send_all(counting)
    assert [each.reply is not None for each in said] == [True, True, text == "KODE"]
    assert said[2].verdict.reason == (None if text == "KODE" else "loop")


def test_the_fifth_reply_that_only_explains_is_the_last_until_tomorrow(
    counting: Runtime, clock: Clock
) -> None:
    answers = [say(counting, P1, text) for _, text in zip(range(6), _spaced(clock), strict=False)]
    assert [each.verdict.outcome for each in answers[:5]] == ["unknown"] * 5
    assert "besok" in answers[4].reply.text
    assert "175" in answers[4].reply.text
    assert (answers[5].verdict.outcome, answers[5].verdict.reason) == ("silent", "throttled")
    assert say(counting, P1, "SALDO").verdict.outcome == "answered"
    clock.moves(hours=24)
    assert "besok" not in say(counting, P1, "apa lagi yang harus dibawa").reply.text


def _spaced(clock: Clock) -> Iterator[str]:
    for text in chatter(3):
        clock.moves(minutes=3)
        yield text


def test_stop_takes_effect_beyond_all_limits(counting: Runtime) -> None:
    for keyword in ("SALDO", "IURAN", "STATUS", "DATA", "KONTAK"):
        assert say(counting, P1, keyword).reply is not None
    answer = say(counting, P1, "STOP")
    assert (answer.verdict.keyword, answer.verdict.reason) == ("stop", "throttled")
    with counting.reading() as tx:
        assert tx.connection.execute(select(phones.c.stopped_at)).scalars().first() is not None


def test_a_throttled_guess_still_counts(counting: Runtime, clock: Clock) -> None:
    for keyword in ("SALDO", "IURAN", "STATUS", "DATA", "KONTAK"):
        say(counting, P1, keyword)
    for number in range(3):
        assert say(counting, P1, f"SALDO 3000000000{number}").reply is None
    clock.moves(minutes=2)
    assert say(counting, P1, "SALDO 30000000009").verdict.outcome == "locked"
    with counting.reading() as tx:
        assert tx.connection.execute(select(func.count(guesses.c.at))).scalar_one() == 3


@pytest.mark.parametrize("text", ["SALDO", "SALDO 1234", "BANTUAN", "mengapa begini"])
def test_a_message_that_failed_to_store_is_answered_on_redelivery(
    counting: Runtime, text: str
) -> None:
    """A carrier delivers again and again until the disk has room."""
    sms = IncomingSms("simulator", "again", P1, "2757", text)
    with counting.writing() as tx:
        tx.connection.exec_driver_sql(FULL)
    for _ in range(6):
        with pytest.raises(NotStored):
            responder.respond(counting, sms)
    with counting.writing() as tx:
        tx.connection.exec_driver_sql("DROP TRIGGER full")
    answer = responder.respond(counting, sms)
    assert answer is not None
    assert answer.reply is not None
    for number in range(4):  # and nothing of the five a minute is lost
        other = say(counting, P1, "KONTAK" if number % 2 else f"INFO {PROGRAMS[number // 2]}")
        assert other.reply is not None


def test_our_own_numbers_are_not_answered(counting: Runtime) -> None:
    answer = say(counting, "+6281200002757", "SALDO")
    assert answer.reply is not None
    ours = replace(counting, carriers={"simulator": _With("+6281200002757")})
    assert say(ours, "081200002757", "SALDO").verdict.reason == "unreachable_sender"


class _With:
    def __init__(self, sender_id: str) -> None:
        self.default_sender_id = sender_id


def test_the_daily_budget_limits_replies(
    environ: dict[str, str], rt: Runtime, clock: Clock
) -> None:
    budget = settings.load(environ | {"SMSGW_DAILY_SEGMENTS": "4"})
    limited = replace(rt, settings=budget)
    answers = [say(limited, f"+62857000000{number:02}", "KONTAK") for number in range(7)]
    assert [each.reply is not None for each in answers] == [True] * 4 + [False] * 3
    assert answers[-1].verdict.reason == "throttled"
    clock.moves(hours=24)
    assert say(limited, "+6285700000099", "KONTAK").reply is not None


def test_peoples_messages_are_not_taken_for_echoes() -> None:
    """Checks the transcripts whose people write their own words."""
    own = compiler.load_shipped().own_words
    read = [reader.read(FOLDER / f"{name}.yaml") for name in SPOKEN]
    steps = [
        step
        for document in read
        for conversation in document.transcript.conversations
        for step in conversation.steps
        if step.text is not None
    ]
    assert len(steps) > 100
    for step in steps:
        assert not own.matches(step.text), step
        assert step.expect.reply is None or own.matches(step.expect.reply), step


@pytest.mark.parametrize("text", ["SALDO", "INFO TARIF", "IURAN", "apa kabar", "STOP"])
def test_our_replies_are_recognised_as_echoes(rt: Runtime, text: str) -> None:
    """Replies with hardly any words of their own are excepted, such as the numbers to call."""
    assert compiler.load_shipped().own_words.matches(say(rt, P1, text).reply.text)


def test_redis_holds_no_phone_number_and_expires_counts(rt: Runtime, redis_url: str) -> None:
    say(rt, P1, f"SALDO {P1_NKP}")
    say(rt, P1, "apa kabar")
    with Redis.from_url(redis_url) as client:
        keys = client.keys("limit:*")
        assert keys
        for key in keys:
            assert b"81234567890" not in key
            assert 0 < client.pttl(key) <= 86_400_000


def test_counting_continues_after_redis_restarts(rt: Runtime, redis_url: str, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    send_all(rt)
    with Redis.from_url(redis_url) as client:
        client.script_flush()
    clock.moves(minutes=3)
    assert say(rt, P1, "SALDO").reply is not None
    with Redis.from_url(redis_url) as client:
        assert client.keys("limit:answered:*")
