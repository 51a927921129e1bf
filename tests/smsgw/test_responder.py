from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select, true
from sqlalchemy import text as sql

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import answer, delivery_reports
from smsgw.messaging.leases import SendResult, claim, record
from smsgw.operations import jobs
from smsgw.registry import phone_state
from smsgw.registry.bindings import bind, end
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import bindings, guesses, phones, questions
from smsgw.storage.tables.security import Ciphertext
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER, Clock
from tests.support import ciphertext
from tests.support.conversation import count_rows, say, set_number_on_file, with_ledger_down
from tests.support.sender_ids import send_all


def test_a_delivery_repeated_twenty_times_at_once_is_answered_once(rt: Runtime) -> None:
    sms = IncomingSms("simulator", "SM1", P1, "2757", "SALDO")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: responder.respond(rt, sms), range(20)))
    assert sum(answer is not None for answer in answers) == 1
    assert (count_rows(rt, messages), count_rows(rt, replies)) == (1, 1)


def test_fifty_guesses_at_one_instant_get_three_answers_at_most(rt: Runtime) -> None:
    """Five replies are the limit too; the first to count may get none."""
    texts = [f"SALDO 3000000{number:04}" for number in range(50)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda text: say(rt, P1, text), texts))
    outcomes = [answer.verdict.outcome for answer in answers]
    assert outcomes.count("not_linked") <= 3
    assert outcomes.count("not_linked") + outcomes.count("locked") == 5
    assert outcomes.count("silent") == 45
    assert count_rows(rt, guesses) == 3


def test_a_lock_ends_a_day_after_its_guesses(rt: Runtime, clock: Clock) -> None:
    for number in range(3):
        say(rt, P1, f"SALDO 3000000000{number}")
    assert say(rt, P1, "SALDO 30000000009").verdict.outcome == "locked"
    clock.moves(hours=23, minutes=59)
    assert say(rt, P1, "SALDO 30000000009").verdict.outcome == "locked"
    clock.moves(minutes=1)
    assert say(rt, P1, "SALDO 30000000010").verdict.outcome == "not_linked"


def test_a_locked_phone_may_only_ask_for_its_own_balance(rt: Runtime) -> None:
    for number in range(3):
        say(rt, P1, f"SALDO 3000000000{number}")
    assert say(rt, P1, "SALDO 3273055010920000").verdict.outcome == "locked"
    assert say(rt, P1, f"SALDO {P1_NKP}").verdict.outcome == "answered"


def test_repeating_a_guess_counts_once(rt: Runtime, clock: Clock) -> None:
    for _ in range(4):
        clock.moves(minutes=3)
        assert say(rt, P1, "SALDO 30000000001").verdict.outcome == "not_linked"
        send_all(rt)


def ask_until_silence(rt: Runtime, sender: str, last: str) -> None:
    """Asks until explanations are silent. `last` is what ULANG would repeat, and LANJUT would show
    a page; what comes now has no reply that would take their place."""
    for text in ("KANTOR JAKARTA", "KONTAK", "INFO JHT", "BANTUAN", last):
        assert say(rt, sender, text).reply is not None


@pytest.mark.parametrize(("guessed", "outcome"), [(2, "answered"), (3, "unknown")])
def test_a_lock_deletes_replies_that_could_be_repeated(
    rt: Runtime, clock: Clock, guessed: int, outcome: str
) -> None:
    ask_until_silence(rt, P1, "SALDO")
    for number in range(guessed):
        assert say(rt, P1, f"SALDO 3000000000{number}").reply is None
    clock.moves(minutes=2)
    again = say(rt, P1, "ULANG")
    assert (again.verdict.outcome, "Rp123.456.789" in again.reply.text) == (outcome, guessed < 3)
    assert say(rt, P1, "LANJUT").verdict.outcome == outcome


@pytest.mark.parametrize("text", ["GANTI HP", "BUKAN SAYA"])
def test_giving_up_a_phone_deletes_replies_that_could_be_repeated(
    rt: Runtime, clock: Clock, text: str
) -> None:
    """That includes replies without a binding that show the end of its number."""
    ask_until_silence(rt, P1, f"DAFTAR SALDO#3171011708900000#17-08-1990#{P1_NKP}")
    assert say(rt, P1, text).reply is None
    clock.moves(minutes=2)
    again = say(rt, P1, "ULANG")
    assert (again.verdict.outcome, P1_NKP[-4:] in again.reply.text) == ("unknown", False)
    assert say(rt, P1, "LANJUT").verdict.outcome == "unknown"


def test_ulang_discloses_nothing_after_the_number_changed(rt: Runtime) -> None:
    say(rt, P2, f"SALDO {P2_NKP}")
    assert "Rp" in say(rt, P2, "YA").reply.text
    set_number_on_file(rt, P2_NKP, STRANGER)
    say(rt, STRANGER, f"SALDO {P2_NKP}")
    assert "Rp" in say(rt, STRANGER, "YA").reply.text
    again = say(rt, P2, "ULANG")
    assert (again.verdict.outcome, "Rp" in again.reply.text) == ("unknown", False)
    assert "Rp" in say(rt, STRANGER, "ULANG").reply.text


def test_consent_is_kept_with_its_time_and_wording(rt: Runtime, clock: Clock) -> None:
    asked = say(rt, P2, f"SALDO {P2_NKP}")
    clock.moves(hours=1)
    answer = say(rt, P2, "YA")
    assert answer.verdict.outcome == "answered"
    with rt.reading() as tx:
        row = tx.connection.execute(select(bindings).order_by(bindings.c.id.desc())).first()
        assert row is not None
        assert ciphertext.texts(tx, Ciphertext.CONSENT)[-1] == asked.reply.text
        assert row.consented_at == clock.now
        assert tx.connection.execute(select(questions)).first() is None


def test_a_consent_question_lasts_a_day(rt: Runtime, clock: Clock) -> None:
    say(rt, P2, f"SALDO {P2_NKP}")
    clock.moves(hours=24)
    assert say(rt, P2, "YA").verdict.outcome == "unknown"


def test_a_new_phone_takes_over_an_nkp_and_the_old_one_is_notified(rt: Runtime) -> None:
    say(rt, P2, f"SALDO {P2_NKP}")
    say(rt, P2, "YA")
    set_number_on_file(rt, P2_NKP, STRANGER)
    say(rt, STRANGER, f"SALDO {P2_NKP}")
    taken = responder.respond(rt, IncomingSms("simulator", "over", STRANGER, "4444", "YA"))
    assert [each.recipient for each in taken.also] == [P2]
    assert "Rp" not in taken.also[0].text
    assert taken.sender_ids == {
        ("simulator", "4444"),
        ("simulator", rt.default_carrier.default_sender_id),
    }
    assert say(rt, P2, "SALDO").verdict.outcome == "not_registered"


def test_a_number_that_changes_during_a_request_discloses_nothing(rt: Runtime) -> None:
    say(rt, P2, f"SALDO {P2_NKP}")
    say(rt, P2, "YA")
    set_number_on_file(rt, P2_NKP, STRANGER)
    say(rt, STRANGER, f"SALDO {P2_NKP}")
    once = iter([True])

    def takes_over(*_: object) -> None:
        if next(once, False):
            say(rt, STRANGER, "YA")

    event.listen(rt.ledger.engine, "before_cursor_execute", takes_over)
    assert say(rt, P2, "saldo jht").verdict.outcome == "not_registered"


def test_queued_replies_are_withdrawn_with_their_binding(rt: Runtime) -> None:
    """Only the other phone's replies are withdrawn."""
    say(rt, P2, f"SALDO {P2_NKP}")
    say(rt, P2, "YA")
    set_number_on_file(rt, P2_NKP, STRANGER)
    say(rt, STRANGER, f"SALDO {P2_NKP}")
    say(rt, STRANGER, "YA")
    with rt.writing() as tx:
        delivery_reports.drop_stale(tx)
        query = select(replies.c.wording, replies.c.state, replies.c.code).order_by(replies.c.id)
        waiting = [tuple(row) for row in tx.connection.execute(query)]
    assert waiting == [
        ("disclosure.ask", "queued", None),
        ("ya.bound", "refused", "unbound"),
        ("disclosure.ask", "queued", None),
        ("ya.bound", "queued", None),
        ("disclosure.replaced", "queued", None),
    ]


def test_a_queued_reply_without_its_binding_is_not_sent(rt: Runtime) -> None:
    """That holds however the binding ended."""
    say(rt, P1, "SALDO")
    say(rt, P1, "KONTAK")
    with rt.writing() as tx:
        tx.connection.execute(bindings.update().values(ended_at=tx.now))
        claims = claim(tx, "simulator", "2757", 20)
    assert ["Rp" in each.sms.text for each in claims] == [False]


def test_the_ledger_is_never_asked_while_anything_is_locked(rt: Runtime) -> None:
    held: list[int] = []
    event.listen(
        rt.ledger.engine, "before_cursor_execute", lambda *_: held.append(transactions(rt))
    )
    for text in ("SALDO", "BANTUAN", f"SALDO {P2_NKP}", "x", "STOP"):
        say(rt, P1, text)
    assert held
    assert not any(held)


def transactions(rt: Runtime) -> int:
    """Counts those of other connections to the service's database."""
    if rt.service.dialect.name != "postgresql":
        return rt.service.pool.checkedout()  # each is in one
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    begun = sql(f"SELECT count(*) FROM pg_stat_activity WHERE {others} AND xact_start IS NOT NULL")
    with rt.service.connect() as connection:
        return int(connection.execute(begun).scalar_one())


def test_yes_to_a_number_that_is_no_longer_on_file_binds_nothing(rt: Runtime) -> None:
    say(rt, P2, f"SALDO {P2_NKP}")
    set_number_on_file(rt, P2_NKP, None)
    assert say(rt, P2, "YA").verdict.outcome == "not_linked"
    assert say(rt, P2, "YA").verdict.outcome == "unknown"


def test_matching_and_mismatching_registrations_lock_alike(rt: Runtime) -> None:
    """A lock that fell on mismatches alone would tell a stranger which of his data are right."""
    right = "DAFTAR SALDO#3273055010920000#10-10-1992#20098765432"
    say(rt, STRANGER, right)
    for year in (1993, 1994):
        say(rt, STRANGER, right.replace("1992", str(year)))
    assert say(rt, STRANGER, right).verdict.outcome == "locked"


@pytest.mark.parametrize(
    ("opted", "keyword", "is_stopped"), [("stop", "stop", True), ("start", "mulai", False)]
)
def test_an_opt_out_handled_by_the_carrier_is_recorded_without_a_reply(
    rt: Runtime, opted: str, keyword: str, is_stopped: bool
) -> None:
    say(rt, P1, "STOP" if opted == "start" else "SALDO")
    answer = say(rt, P1, opted, opted=opted)
    assert (answer.verdict.keyword, answer.reply) == (keyword, None)
    with rt.reading() as tx:
        stopped = tx.connection.execute(select(phones.c.stopped_at)).scalars().first()
    assert (stopped is not None) is is_stopped


@pytest.mark.parametrize("sender", ["TELKOMSEL", "2757", "+14155550100", "", "+628"])
def test_unreachable_senders_get_no_reply(rt: Runtime, sender: str) -> None:
    answer = say(rt, sender, "SALDO")
    assert (answer.verdict.outcome, answer.verdict.reason) == ("silent", "unreachable_sender")
    assert count_rows(rt, replies) == 0


@pytest.mark.parametrize("state", ["refused", "undelivered", "delivered"])
def test_a_repeat_is_answered_once_its_reply_is_lost_or_there(rt: Runtime, state: str) -> None:
    say(rt, P1, "SALDO")
    with rt.writing() as tx:
        tx.connection.execute(replies.update().values(state=state))
    assert say(rt, P1, "SALDO").verdict.outcome == "answered"


@pytest.mark.parametrize("state", ["queued", "sending", "sent"])
def test_a_repeat_is_silent_while_its_reply_is_being_sent(rt: Runtime, state: str) -> None:
    say(rt, P1, "SALDO")
    with rt.writing() as tx:
        tx.connection.execute(replies.update().values(state=state))
    assert say(rt, P1, "SALDO").verdict.reason == "duplicate"


def test_a_repeat_is_answered_if_its_reply_was_withdrawn_with_its_binding(rt: Runtime) -> None:
    say(rt, P1, "SALDO")
    with rt.writing() as tx:
        end(tx, true(), "operator:ani", "unbound")
    assert say(rt, P1, "SALDO").verdict.outcome == "not_registered"


def test_a_repeat_is_answered_after_two_minutes(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    send_all(rt)
    clock.moves(minutes=1)
    assert say(rt, P1, "saldo ").verdict.reason == "duplicate"
    clock.moves(minutes=1)
    assert say(rt, P1, "SALDO").verdict.outcome == "answered"


def test_an_unavailable_ledger_means_one_notice_and_one_later_answer(
    rt: Runtime, clock: Clock
) -> None:
    nowhere = SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db"))
    away = replace(rt, ledger=nowhere)
    said = say(away, P1, "SALDO")
    assert said.verdict.outcome == "unavailable"
    assert "Rp" not in said.reply.text
    assert jobs.give_deferred_answers(away) == []
    clock.moves(minutes=10)
    assert say(away, P1, "saldo").verdict.reason == "duplicate"
    (answer,) = jobs.give_deferred_answers(rt)
    assert "Rp123.456.789" in answer.reply.text
    assert jobs.give_deferred_answers(rt) == []
    assert count_rows(rt, replies) == 2


def test_without_the_database_nothing_is_acknowledged(rt: Runtime) -> None:
    nowhere = replace(rt, service=engines.engine("sqlite:////nonexistent/service.db"))
    with pytest.raises(answer.NotStored):
        say(nowhere, P1, "SALDO")


def test_another_key_opens_nothing_that_is_stored(rt: Runtime) -> None:
    say(rt, P1, "SALDO")
    with rt.reading() as tx:
        dump = b"".join(
            bytes(value)
            for table in (phones, bindings, messages, replies)
            for row in tx.connection.execute(select(table))
            for value in row
            if isinstance(value, bytes)
        )
    assert len(dump) > 200
    for secret in (b"81234567890", b"19012345678", b"SALDO", b"Rp123"):
        assert secret not in dump


def test_questions_are_not_answered_after_they_lapse(rt: Runtime, clock: Clock) -> None:
    with rt.writing() as tx:
        known = phone_state.bump_version(tx, phone_state.read(tx, P1))
        bind(tx, known, "21000000017", consent="in a test", on_file="+6281311112222")
    assert say(rt, P1, "SALDO").verdict.outcome == "confirm"
    assert "0017" in say(rt, P1, "B").reply.text
    say(rt, P1, "SALDO")
    clock.now += timedelta(minutes=10)
    assert say(rt, P1, "B").verdict.outcome == "unknown"


@pytest.mark.parametrize(("seconds", "outcome"), [(20, "silent"), (60, "answered")])
def test_a_repeat_is_one_while_its_answer_is_being_sent(
    rt: Runtime, clock: Clock, seconds: int, outcome: str
) -> None:
    """The sender of the second one died, and the clock has not noticed yet."""
    say(rt, P1, "SALDO")
    clock.moves(minutes=10)
    with rt.writing() as tx:
        assert len(claim(tx, "simulator", "2757", 20)) == 1
    clock.moves(seconds=seconds)
    assert say(rt, P1, "SALDO").verdict.outcome == outcome


def test_a_late_answer_that_waits_is_not_given_twice(rt: Runtime, clock: Clock) -> None:
    say(with_ledger_down(rt), P1, "SALDO")
    with rt.writing() as tx:
        record(tx, [SendResult(each) for each in claim(tx, "simulator", "2757", 20)])
    clock.moves(minutes=10)
    assert len(jobs.give_deferred_answers(rt)) == 1
    clock.moves(minutes=10)
    assert say(rt, P1, "SALDO").verdict.reason == "duplicate"
