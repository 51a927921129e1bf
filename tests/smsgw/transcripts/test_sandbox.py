"""The real responder answers an operator, and nothing of it stays anywhere."""

import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, select, text
from structlog.testing import capture_logs

from smsgw.configuration import document, versions
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.ledger.synthetic import make
from smsgw.registry import bindings, phone_state
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.ledger import participants
from smsgw.transcripts import sandbox
from smsgw.transcripts.sandbox import (
    Busy,
    NoDraft,
    SandboxConversation,
    SandboxStep,
    Slow,
    TriedMessage,
)
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER
from tests.support.conversation import say
from tests.support.documents import ANI, reworded_document
from tests.support.sandbox import DAFTAR, FICTITIOUS_PHONE, all_rows
from tests.support.waiting import LONGEST, eventually


def tried_once(rt: Runtime, *said: tuple[str, ...], of_draft: bool = False) -> SandboxConversation:
    """Plays a conversation; each message is (sender, text, wait?)."""
    steps = [SandboxStep(*each) for each in said]
    return sandbox.run(rt, steps, sandbox.configuration(rt, of_draft=of_draft))


def tried(rt: Runtime, *said: tuple[str, ...], of_draft: bool = False) -> SandboxConversation:
    """Plays it again where a loaded machine was too slow."""
    until = time.monotonic() + LONGEST
    while True:
        try:
            return tried_once(rt, *said, of_draft=of_draft)
        except Slow:
            assert time.monotonic() < until


def outcomes(talk: SandboxConversation) -> list[str]:
    return [
        f"{each.answer.verdict.keyword} {each.answer.verdict.outcome}" for each in talk.messages
    ]


def reply(each: TriedMessage) -> str:
    assert each.answer.reply is not None
    return each.answer.reply.text


def keys_of(redis_url: str) -> list[bytes]:
    with Redis.from_url(redis_url) as client:
        found: list[bytes] = client.keys()
        return found


def test_a_test_conversation_leaves_nothing_behind(rt: Runtime, redis_url: str) -> None:
    """That holds whatever it bound, opened, sent or counted."""
    say(rt, P1, "SALDO")
    before, counted = all_rows(rt), sorted(keys_of(redis_url))
    talk = tried(
        rt,
        (P1, "IURAN"),
        (P1, "LAPOR gaji saya kurang"),
        (P2, f"SALDO {P2_NKP}"),
        (P2, "YA"),
        (STRANGER, DAFTAR),
        (STRANGER, "SALDO 21000000017"),
        (P1, "STOP"),
        (P1, "apa saja"),
    )
    assert outcomes(talk) == [
        "iuran answered",
        "lapor answered",
        "saldo confirm",
        "ya answered",
        "daftar pending",
        "saldo not_registered",
        "stop answered",
        "None unknown",
    ]
    assert all_rows(rt) == before
    assert sorted(keys_of(redis_url)) == counted
    assert say(rt, P2, "YA").verdict.outcome == "unknown"


def test_each_message_sees_the_effect_of_the_one_before(rt: Runtime) -> None:
    talk = tried(rt, (P2, f"SALDO {P2_NKP}"), (P2, "YA"), (P2, "SALDO"))
    assert outcomes(talk) == ["saldo confirm", "ya answered", "saldo answered"]
    assert talk.messages[2].wording == "saldo.balance"
    assert len(talk.subjects) == 1


def test_waiting_moves_the_clock(rt: Runtime) -> None:
    """A question is open for a day."""
    asked = (P2, f"SALDO {P2_NKP}")
    assert outcomes(tried(rt, asked, (P2, "YA", "2h")))[1] == "ya answered"
    assert outcomes(tried(rt, asked, (P2, "YA", "1d")))[1] != "ya answered"


def test_the_code_that_another_phone_was_sent_can_be_typed(rt: Runtime) -> None:
    """In a demonstration every phone is fictitious."""
    demo = replace(rt, settings=rt.settings.model_copy(update={"demo": True}))
    talk = tried(demo, (STRANGER, DAFTAR), (STRANGER, "KODE =code"))
    assert outcomes(talk) == ["daftar pending", "kode answered"]
    assert talk.messages[1].sent_text == f"KODE {talk.code}"
    assert [each.recipient for each in talk.messages[0].answer.also] == [P1]
    elsewhere = tried(rt, (STRANGER, DAFTAR), (STRANGER, "KODE =code"))
    assert outcomes(elsewhere)[1] != "kode answered"


def test_the_draft_can_answer_instead_of_the_published_version(rt: Runtime) -> None:
    with pytest.raises(NoDraft):
        tried(rt, (FICTITIOUS_PHONE, "KONTAK"), of_draft=True)
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Halo dunia.")), 0, ANI, "kontak")
    assert (
        reply(tried(rt, (FICTITIOUS_PHONE, "KONTAK"), of_draft=True).messages[0]) == "Halo dunia."
    )
    assert reply(tried(rt, (FICTITIOUS_PHONE, "KONTAK")).messages[0]) != "Halo dunia."


def test_silence_has_a_reason(rt: Runtime) -> None:
    said = [
        (FICTITIOUS_PHONE, "makasih"),
        (FICTITIOUS_PHONE, "KONTAK"),
        (FICTITIOUS_PHONE, "KONTAK"),
        ("BANK", "KONTAK"),
    ]
    many = [
        (FICTITIOUS_PHONE, word)
        for word in ("INFO", "INFO JHT", "STOP", "MULAI", "NOTIF OFF", "KONTAK")
    ]
    reasons = [each.answer.verdict.reason for each in tried(rt, *said, *many, *many).messages]
    assert reasons[:4] == ["courtesy", None, "duplicate", "unreachable_sender"]
    assert reasons[4:] == [None] * 12  # at 20 seconds each nobody is throttled


def test_a_fictitious_phone_finds_no_real_participant(rt: Runtime) -> None:
    """It finds none even with all identifying data and any code."""
    talk = tried(rt, (FICTITIOUS_PHONE, DAFTAR), (FICTITIOUS_PHONE, f"SALDO {P1_NKP}"))
    assert outcomes(talk) == ["daftar pending", "saldo not_registered"]
    assert [each.answer.also for each in talk.messages] == [(), ()]
    assert talk.subjects == ()
    with rt.writing() as tx:  # bound all the same, by whatever mistake
        known = phone_state.bump_version(tx, phone_state.read(tx, FICTITIOUS_PHONE))
        bindings.bind(tx, known, P2_NKP, consent="a test", on_file=P2)
    for word in ("SALDO", "IURAN", "IURAN 2025", "STATUS", "DATA", "KLAIM", "JP"):
        text_ = reply(tried(rt, (FICTITIOUS_PHONE, word)).messages[0])
        assert "Rp" not in text_ or "Rp0" in text_, word
        assert "SITI" not in text_.upper(), word


def test_a_fictitious_phone_finds_synthetic_participants(rt: Runtime) -> None:
    make(rt.ledger.engine, 3)
    with rt.ledger.engine.connect() as connection:
        row = connection.execute(
            select(participants).where(participants.c.phone.like("+6284%"))
        ).first()
    talk = tried(rt, (row.phone, f"SALDO {row.nkp}"), (row.phone, "YA"))
    assert outcomes(talk) == ["saldo confirm", "ya answered"]


def test_an_unavailable_ledger_is_reported(rt: Runtime) -> None:
    nowhere = SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db"))
    before = all_rows(rt)
    talk = tried(replace(rt, ledger=nowhere), (P1, "SALDO"), (P1, "IURAN"))
    assert outcomes(talk) == ["saldo unavailable", "iuran unavailable"]
    assert all_rows(rt) == before


class Sleepy(SqlLedger):
    """Takes its time for every look-up."""

    def __init__(self, engine: Engine, takes: float) -> None:
        super().__init__(engine)
        self.asked, self._takes = 0, takes

    def _rows(self, *arguments: Any, **keys: object) -> Any:
        self.asked += 1
        time.sleep(self._takes)
        return super()._rows(*arguments, **keys)


def test_a_slow_ledger_does_not_keep_others_waiting_for_long(rt: Runtime) -> None:
    """The conversation ends with the message at which its time is over."""
    alone = ("DATA", "IURAN 2025", "SALDO", "IURAN 2024", "JP")  # three of them ask by themselves
    said = [(P1, word) for word in alone * 4]
    quick, slow = (Sleepy(rt.ledger.engine, takes) for takes in (0, sandbox.PATIENCE / 2))
    tried(replace(rt, ledger=quick), *said[:5])
    with pytest.raises(Slow):
        tried_once(replace(rt, ledger=slow), *said)
    assert 1 <= slow.asked < quick.asked


def test_real_messages_are_answered_during_a_test_conversation(rt: Runtime) -> None:
    """That includes messages of the very phone that is tried."""
    is_over = threading.Event()
    talks: list[list[str]] = []

    def try_on() -> None:
        while not is_over.wait(0.02):  # seconds: faster than any finger
            with suppress(Busy, Slow):
                talk = tried_once(rt, (P2, f"SALDO {P2_NKP}"), (P2, "YA"), (P2, "SALDO"))
                talks.append(outcomes(talk))

    thread = threading.Thread(target=try_on)
    thread.start()
    eventually(lambda: talks)
    texts = ("SALDO", "IURAN", "DATA", "JP")
    answers = [say(rt, P1, word).verdict.outcome for word in texts]
    answers.append(say(rt, P2, f"SALDO {P2_NKP}").verdict.outcome)
    is_over.set()
    thread.join()
    assert answers == ["answered"] * 4 + ["confirm"]
    assert ["saldo confirm", "ya answered", "saldo answered"] in talks


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_locked_phone_row_is_not_waited_for(rt: Runtime) -> None:
    """On SQLite the operator waits as long as webhooks do."""
    with capture_logs(), rt.writing() as tx:
        tx.connection.execute(text("UPDATE phones SET version = version"))
        with pytest.raises(Busy):
            tried(rt, (P1, "SALDO"))
        assert outcomes(tried(rt, (FICTITIOUS_PHONE, "KONTAK"))) == ["kontak answered"]


def test_the_same_again_later_is_answered(rt: Runtime) -> None:
    """The replies count as sent, although nothing is."""
    assert outcomes(tried(rt, (P1, "SALDO"), (P1, "SALDO", "15m"))) == ["saldo answered"] * 2


def test_a_repeat_is_detected_as_in_production(rt: Runtime) -> None:
    """It is compared with what the phone really said last."""
    say(rt, P1, "SALDO")
    (step,) = tried(rt, (P1, "SALDO")).messages
    assert step.answer.verdict.reason == "duplicate"


def test_what_the_phone_would_be_notified_of_is_told(rt: Runtime) -> None:
    talk = tried(rt, (P1, "SALDO"), (P1, "NOTIF SALDO ON"))
    assert talk.notifications is not None
    (told,) = talk.notifications
    assert "kini Rp123.456.789" in told.text
    assert talk.subjects == (rt.vault.hash(P1_NKP, "nkp"),)
    assert tried(rt, (P1, "SALDO")).notifications == ()  # nothing of it was kept


def test_a_fictitious_phone_is_notified_of_no_real_participant(rt: Runtime) -> None:
    """Not even if it were bound to one."""
    with rt.writing() as tx:
        known = phone_state.bump_version(tx, phone_state.read(tx, FICTITIOUS_PHONE))
        bindings.bind(tx, known, P1_NKP, consent="YA", on_file=P1)
    asked = (FICTITIOUS_PHONE, "NOTIF ON")
    talk = tried(rt, asked)
    assert outcomes(talk) == ["notif answered"]
    assert talk.notifications == ()
    demo = replace(rt, settings=rt.settings.model_copy(update={"demo": True}))
    assert tried(demo, asked).notifications != ()  # where all are fictitious
