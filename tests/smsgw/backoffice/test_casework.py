"""Officers decide once, the person is notified by SMS, and the ledger of that moment counts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, func, insert, select

from handlers.ports import LedgerDown
from smsgw import gsm7
from smsgw.backoffice import casework
from smsgw.backoffice.casework import (
    AnsweredMeanwhile,
    AnswerFault,
    Frozen,
    NotInLedger,
    RejectionWording,
    TooLate,
)
from smsgw.configuration import compiler
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import outbox
from smsgw.messaging.composer import Outgoing
from smsgw.registry import freezes, lockout, registrations
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.audit import Act
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import codes as sent_codes
from smsgw.storage.tables.phones import guesses as guessed
from smsgw.storage.tables.phones import registrations as kept
from smsgw.storage.tables.security import Ciphertext, audit
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER, Clock
from tests.support import ciphertext
from tests.support.conversation import say, set_number_on_file
from tests.support.query_plans import plans
from tests.support.registration import DAFTAR, WRONG_YEAR, code_in, outcome

ANI, BUDI = "operator:ani", "operator:budi"
OF_P1 = f"DAFTAR SALDO#3171011708900000#BUDI SANTOSO#17-08-1990#{P1_NKP}"
CASE = "ADU-251031-0001"
NOBODYS = DAFTAR.replace(P2_NKP, "30000000001")


def waiting(rt: Runtime) -> list[int]:
    with rt.reading() as tx:
        return [row.id for row in registrations.waiting(tx, 0, 100)]


def states(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        return list(tx.connection.execute(select(kept.c.state).order_by(kept.c.id)).scalars())


def acts(rt: Runtime) -> list[tuple[str, str, str | None]]:
    """Returns the acts of operators."""
    with rt.reading() as tx:
        rows = select(audit.c.actor, audit.c.act, audit.c.detail).order_by(audit.c.id)
        found = [tuple(row) for row in tx.connection.execute(rows)]
    return [each for each in found if each[0].startswith("operator:")]


def last_sms(rt: Runtime) -> tuple[str, str, str]:
    """Returns its sender ID, wording and text."""
    with rt.reading() as tx:
        row = tx.connection.execute(select(replies).order_by(replies.c.id.desc())).first()
        return row.sender_id, row.wording, ciphertext.texts(tx, Ciphertext.REPLY)[-1]


def accepted(rt: Runtime, reason: str = "a reason") -> list[Outgoing]:
    """Accepts after a look, with a second officer where it takes two."""
    (one, *_) = waiting(rt)
    for actor in (BUDI, ANI):
        with rt.writing() as tx:
            registrations.record_look(tx, one, actor)
    return casework.accept(rt, one, BUDI, reason) or casework.accept(rt, one, ANI, reason) or []


def test_a_registration_is_stored_encrypted(rt: Runtime) -> None:
    say(rt, STRANGER, WRONG_YEAR)
    with rt.reading() as tx:
        (row,) = registrations.waiting(tx, 0, 100)
        assert b"AMINAH" not in row.given
        given = registrations.submitted_form(tx, row)
    assert (given.nkp, given.nik, given.name) == (P2_NKP, "3273055010920000", "SITI AMINAH")
    assert (f"{given.birth_date}", given.email) == ("1993-10-10", None)


def test_a_phone_has_one_registration_the_latest(rt: Runtime) -> None:
    say(rt, STRANGER, WRONG_YEAR)
    say(rt, STRANGER, DAFTAR)
    say(rt, "+6289900000001", WRONG_YEAR)
    assert states(rt) == ["replaced", "waiting", "waiting"]
    with rt.reading() as tx:
        given = tx.connection.execute(select(func.count(kept.c.given))).scalar_one()
    assert given == 2


def test_a_registration_from_the_phone_on_file_needs_no_officer(rt: Runtime) -> None:
    say(rt, P2, DAFTAR)
    say(rt, P2, WRONG_YEAR)
    assert states(rt) == []


def test_matching_and_mismatching_registrations_run_the_same_statements(rt: Runtime) -> None:
    asked: list[str] = []
    event.listen(
        rt.service, "before_cursor_execute", lambda _c, _k, statement, *_: asked.append(statement)
    )
    seen = []
    for sender, text in ((STRANGER, DAFTAR), ("+6289900000001", WRONG_YEAR)):
        asked.clear()
        say(rt, sender, text)
        seen.append([each for each in asked if "registrations" in each])
    assert seen[0] == seen[1]
    assert len(seen[0]) == 2


def test_a_code_completes_only_its_own_registration(rt: Runtime) -> None:
    code = code_in(say(rt, STRANGER, DAFTAR))
    say(rt, STRANGER, OF_P1)
    say(rt, STRANGER, f"KODE {code}")
    assert states(rt) == ["replaced", "waiting"]
    code = code_in(say(rt, "+6289900000001", DAFTAR))
    say(rt, "+6289900000001", f"KODE {code}")
    assert states(rt) == ["replaced", "waiting", "code"]


def test_bukan_saya_withdraws_the_registration(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, STRANGER, "BUKAN SAYA")
    assert states(rt) == ["lapsed"]


def test_an_accepted_phone_reads_the_balance_and_the_old_one_is_notified(
    rt: Runtime, clock: Clock
) -> None:
    """The answer is sent from the number that the registration came to, and the audit log has a
    reason."""
    say(rt, STRANGER, OF_P1)
    sent = accepted(rt, "KTP seen at the branch")
    assert [each.recipient for each in sent] == [STRANGER, P1]
    assert "BUKAN SAYA" in sent[0].text
    assert "HP lain" in sent[1].text
    assert sent[0].sender_id == "2757"
    assert outcome(say(rt, STRANGER, "SALDO")) == ("saldo", "pending")
    clock.moves(hours=12)
    assert "Rp" in say(rt, STRANGER, "SALDO").reply.text
    assert outcome(say(rt, P1, "SALDO")) == ("saldo", "not_registered")
    assert states(rt) == ["accepted"]
    audited = [each[1:] for each in acts(rt)]
    assert ("registration accepted", "KTP seen at the branch") in audited
    assert ("disclosed", "officer.accepted") in audited


def test_a_changed_number_on_file_ends_an_officers_acceptance(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    accepted(rt)
    set_number_on_file(rt, P2_NKP, P1)
    assert outcome(say(rt, STRANGER, "SALDO")) == ("saldo", "not_registered")


@pytest.mark.parametrize("refusal", RejectionWording)
def test_a_refusal_is_sent_in_the_persons_language(rt: Runtime, refusal: RejectionWording) -> None:
    say(rt, STRANGER, "BAHASA EN")
    say(rt, STRANGER, WRONG_YEAR)
    (sent,) = casework.refuse(rt, waiting(rt)[0], ANI, "another year", refusal)
    assert "registered" in sent.text
    assert last_sms(rt) == ("2757", f"officer.{refusal}", sent.text)
    assert states(rt) == ["refused"]
    assert acts(rt)[-1] == (ANI, "registration refused", f"{refusal}: another year")
    assert outcome(say(rt, STRANGER, "SALDO")) == ("saldo", "not_registered")


def test_only_one_of_two_officers_decides(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    (one,) = waiting(rt)
    with rt.writing() as tx:
        registrations.record_look(tx, one, ANI)
    decisions = [
        lambda: casework.accept(rt, one, ANI, "a reason"),
        lambda: casework.refuse(rt, one, BUDI, "a reason", RejectionWording.VISIT),
    ] * 4
    with ThreadPoolExecutor(len(decisions)) as pool:
        decided = [pool.submit(each) for each in decisions]
    late = [each for each in decided if isinstance(each.exception(), TooLate)]
    assert len(late) == len(decisions) - 1
    with rt.reading() as tx:
        officers_replies = select(func.count()).where(replies.c.wording.startswith("officer."))
        assert tx.connection.execute(officers_replies).scalar_one() == 1
    decided_acts = {Act.ACCEPTED, Act.REFUSED}
    assert len([each for each in acts(rt) if each[1] in decided_acts]) == 1


def test_a_replaced_registration_is_not_accepted(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    (seen,) = waiting(rt)
    say(rt, STRANGER, OF_P1)
    with pytest.raises(TooLate):
        casework.accept(rt, seen, ANI, "a reason")
    assert waiting(rt) != []


def test_an_unavailable_ledger_loses_no_registration(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    nowhere = SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db"))
    with pytest.raises(LedgerDown):
        casework.accept(replace(rt, ledger=nowhere), waiting(rt)[0], ANI, "a reason")
    assert states(rt) == ["waiting"]
    assert accepted(rt)


def test_an_unknown_nkp_is_not_registered(rt: Runtime) -> None:
    say(rt, STRANGER, NOBODYS)
    with pytest.raises(NotInLedger):
        accepted(rt)
    assert states(rt) == ["waiting"]


def test_a_participant_blocked_by_bukan_saya_is_not_registered(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "BUKAN SAYA")
    with pytest.raises(Frozen):
        accepted(rt)
    assert states(rt) == ["waiting"]
    assert outcome(say(rt, STRANGER, "SALDO")) == ("saldo", "not_registered")


def test_stop_does_not_stop_an_answer(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, STRANGER, "STOP")
    assert [each.recipient for each in accepted(rt)] == [STRANGER, P2]


def test_a_complaint_is_answered_and_closed_at_once(rt: Runtime) -> None:
    say(rt, P1, "LAPOR PT Maju belum bayar iuran")
    say(rt, P1, "STOP")
    (sent,) = casework.answer(rt, CASE, "Sudah kami tegur.", ANI, after=0, closes=True)
    assert (sent.recipient, sent.text) == (P1, f"Aduan {CASE}: Sudah kami tegur.")
    assert last_sms(rt) == ("2757", "lapor.answered", sent.text)
    assert "selesai" in say(rt, P1, f"STATUS {CASE}").reply.text
    assert [each[1:] for each in acts(rt)] == [
        ("case answered", CASE),
        ("case closed", f"{CASE}: answered"),
    ]
    with pytest.raises(TooLate):
        casework.answer(rt, CASE, "Lagi.", BUDI, after=1, closes=False)


def test_an_answer_can_leave_the_complaint_open(rt: Runtime) -> None:
    say(rt, P1, "LAPOR PT Maju belum bayar iuran")
    casework.answer(rt, CASE, "Kami periksa.", ANI, after=0, closes=False)
    assert "sedang ditangani" in say(rt, P1, f"STATUS {CASE}").reply.text
    assert casework.answer(rt, CASE, "Sudah kami tegur.", ANI, after=1, closes=False)


def test_a_double_click_sends_one_answer(rt: Runtime) -> None:
    say(rt, P1, "LAPOR PT Maju belum bayar iuran")
    with ThreadPoolExecutor(4) as pool:
        clicks = [
            pool.submit(casework.answer, rt, CASE, "Baik.", ANI, after=0, closes=False)
            for _ in range(4)
        ]
    late = [each for each in clicks if isinstance(each.exception(), AnsweredMeanwhile)]
    assert len(late) == len(clicks) - 1
    with rt.reading() as tx:
        answers = select(func.count()).where(replies.c.wording == "lapor.answered")
        assert tx.connection.execute(answers).scalar_one() == 1


def test_officers_answers_count_for_the_daily_budget(rt: Runtime) -> None:
    limited = replace(rt, settings=rt.settings.model_copy(update={"daily_segments": 1000}))
    for text in (OF_P1, "LAPOR PT Maju belum bayar iuran"):
        say(limited, STRANGER, text)
    today = limited.now().astimezone(limited.settings.zone).date()
    before = limited.counters.spent(today)
    sent = casework.answer(limited, CASE, "x" * 200, ANI, after=0, closes=True)
    sent += accepted(limited)
    segments = sum(gsm7.count(each.text).segments for each in sent)
    assert limited.counters.spent(today) == before + segments


def test_officers_answers_are_dated_when_made(rt: Runtime, clock: Clock) -> None:
    """That includes the notice to the old phone, so that no metric counts an officer's own time."""
    say(rt, STRANGER, OF_P1)
    clock.moves(minutes=4)
    assert len(accepted(rt)) == 2
    with rt.reading() as tx:
        waits = (
            select(outbox.SINCE)
            .join_from(replies, messages, messages.c.id == replies.c.message_id)
            .order_by(replies.c.id.desc())
        )
        since = tx.connection.execute(waits.limit(2)).scalars().all()
        assert since == [tx.now] * 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (" \n ", AnswerFault.EMPTY),
        ("buka https://bpjs", AnswerFault.LINK),
        ("buka bit.ly", AnswerFault.LINK),
        ("lihat www dot", None),
        ("Jl. Sudirman 1. Rp1.500, pk 08.00", None),
        ("“Baik” – kami periksa…", None),
        ("baik 👍", AnswerFault.CHARACTERS),
        ("apa kabar?", None),
        ("di {kota}", AnswerFault.CHARACTERS),
        ("baik\x07", AnswerFault.CHARACTERS),
        ("baik\nsekali", None),
        ("x" * 436, None),
        ("x" * 437, AnswerFault.LONG),
    ],
)
def test_an_unsendable_answer_is_reported_before_sending(
    text: str, fault: AnswerFault | None
) -> None:
    typed = casework.preview_answer(compiler.load_shipped(), CASE, text, "id")
    assert typed.fault == fault
    assert typed.count.encoding == "GSM-7"


def test_an_unsendable_character_is_named() -> None:
    assert (
        casework.preview_answer(compiler.load_shipped(), CASE, "“Baik” 👍 {x}", "id").character
        == "👍"
    )
    assert (
        casework.preview_answer(compiler.load_shipped(), CASE, "“Baik” – é", "id").character is None
    )


def test_an_unlocked_phone_may_name_others_again(rt: Runtime) -> None:
    for number in range(3):
        say(rt, P1, f"SALDO 3000000000{number * 2}")
    assert outcome(say(rt, P1, f"SALDO {P2_NKP}")) == ("saldo", "locked")
    with rt.writing() as tx:
        (row,) = lockout.locked_phones(tx, 0, 10)
        assert (lockout.locked_count(tx), row.guesses) == (1, 3)
        assert lockout.locked_phones(tx, row.id, 10) == []
        assert lockout.unlock(tx, row.id)
        assert not lockout.unlock(tx, row.id)
    assert outcome(say(rt, P1, f"IURAN {P2_NKP}")) == ("iuran", "not_linked")


def test_locks_are_counted_by_an_index(rt: Runtime) -> None:
    """The overview counts them each time it is shown."""
    say(rt, P1, "SALDO")
    with rt.writing() as tx:
        old = [
            {"phone_id": 1, "identity_hash": n.to_bytes(32), "at": tx.now - timedelta(days=2)}
            for n in range(20_000)
        ]
        tx.connection.execute(insert(guessed), old)
    with rt.service.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    with plans(rt) as planned, rt.reading() as tx:
        assert lockout.locked_count(tx) == 0
    (plan,) = planned
    assert "ix_guesses_at" in plan


def test_a_lock_that_ended_is_not_listed(rt: Runtime, clock: Clock) -> None:
    for number in range(3):
        say(rt, P1, f"SALDO 3000000000{number * 2}")
    clock.moves(hours=24)
    with rt.reading() as tx:
        assert (lockout.locked_phones(tx, 0, 10), lockout.locked_count(tx)) == ([], 0)


def test_a_participant_is_unlocked_after_bukan_saya(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "BUKAN SAYA")
    with rt.writing() as tx:
        (one,) = freezes.blocked_participants(tx, 10)
        assert (one.nkp, one.on_file) == (P2_NKP, P2)
        assert freezes.end(tx, one.key) == tx.vault.hash(P2_NKP, "nkp")
        assert not freezes.end(tx, one.key)
        assert not freezes.end(tx, "saldo")
    assert accepted(rt)


def test_a_blocked_participant_without_codes_is_still_listed(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "BUKAN SAYA")
    with rt.writing() as tx:
        tx.connection.execute(delete(sent_codes))
        (one,) = freezes.blocked_participants(tx, 10)
        assert (one.nkp, one.on_file) == (None, None)
        assert freezes.end(tx, one.key)
