"""Checks what a backtest finds, and that it keeps nothing about anybody."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from handlers import decision
from handlers.changes import SetLanguage
from handlers.decision import Inquiry
from handlers.question import Caller, Outcome
from smsgw.backoffice import background_tasks, backtest, comparison
from smsgw.backoffice.accounts import add
from smsgw.backoffice.background_tasks import Task
from smsgw.backoffice.backtest import shape_of
from smsgw.backoffice.backtest_findings import BacktestFindings, BacktestRequest, ChangeKind
from smsgw.backoffice.comparison import Comparison
from smsgw.configuration import document
from smsgw.configuration.compiler import Configuration
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import composer, inbox
from smsgw.operations import jobs, retention
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.operators import Role, TaskKind
from smsgw.storage.tables.operators import tasks as _tasks
from smsgw.storage.tables.types import service
from smsgw.transcripts import reader
from tests.conftest import P1, P1_NKP, P2_NKP, STRANGER, Clock
from tests.support.backtests import DRAFT, OTHERS, edit_draft, play_messages
from tests.support.conversation import say
from tests.support.documents import edited_document
from tests.support.sender_ids import send_all

_numbers = count()

FOLDER = Path(__file__).parents[2] / "transcripts"
SPOKEN = ("asked-well", "conversations", "other-messages", "sloppy-balance", "wrong-messages")


def read_otherwise(raw: dict[str, Any]) -> None:
    raw["keywords"]["saldo"]["poster"] = "SALDO [<NKP>] [<NAMA>]"
    raw["keywords"]["kantor"]["aliases"].remove("CABANG")


def begin(rt: Runtime, draft: str = DRAFT, days: int = 7) -> int:
    asked = BacktestRequest(
        days=days,
        by="ani",
        version=0,
        edition=1,
        published=document.dump_shipped(),
        draft=draft,
    )
    with rt.writing() as tx:
        ani = add(tx, f"ani {next(_numbers)}", Role.EDITOR, None, "shell:test")
        return background_tasks.make(tx, TaskKind.REHEARSAL, ani.id, asked.model_dump())


def part(rt: Runtime, task_id: int, steps: int = 1000) -> bool:
    """Runs that many steps of one message each."""
    with rt.writing() as tx:
        task = background_tasks.claim(tx, task_id)
    assert task is not None
    left = iter(range(steps - 1))
    work = partial(backtest.run, step_lasts=0)
    return jobs.do_part(rt, task, work, lambda: next(left, None) is None)


def task_now(rt: Runtime, task_id: int) -> Task:
    with rt.reading() as tx:
        task = background_tasks.one(tx, task_id, TaskKind.REHEARSAL)
    assert task is not None
    return task


def found(rt: Runtime, draft: str = DRAFT, days: int = 7) -> BacktestFindings:
    task_id = begin(rt, draft, days)
    part(rt, task_id)
    assert task_now(rt, task_id).state == "done"
    return BacktestFindings.model_validate(task_now(rt, task_id).findings)


def test_changes_are_counted_by_kind(rt: Runtime, clock: Clock) -> None:
    play_messages(rt, clock)
    findings = found(rt)
    assert (findings.judged, findings.total, findings.is_cut) == (7, 7, False)
    assert findings.counts == {
        ChangeKind.UNDERSTOOD: 1,
        ChangeKind.MISUNDERSTOOD: 1,
        ChangeKind.REROUTED: 1,
        ChangeKind.REWORDED: 2,
    }
    (understood,) = findings.shapes[ChangeKind.UNDERSTOOD].values()
    assert (understood.was.outcome, understood.becomes.keyword) == ("unknown", "saldo")
    (misunderstood,) = findings.shapes[ChangeKind.MISUNDERSTOOD].values()
    assert (misunderstood.was.keyword, misunderstood.becomes.outcome) == ("kantor", "unknown")
    (rerouted,) = findings.shapes[ChangeKind.REROUTED].values()
    assert (rerouted.was.keyword, rerouted.becomes.keyword) == ("saldo", "kontak")
    (reworded,) = findings.rewordings.values()
    assert (reworded.was, reworded.becomes, reworded.messages) == (*["saldo.balance"] * 2, 2)
    assert reworded.becomes_text.endswith("Terima kasih. ")
    assert reworded.segments == 2
    assert (sum(findings.longer.values()), sum(findings.shorter.values())) == (3, 0)
    # One phone wrote each: nothing is told of them.
    assert (findings.changed, findings.more, findings.shown_rewordings()) == (0, 0, [])


@pytest.mark.parametrize(("language", "is_changed"), [("id", True), ("jv", True), ("su", False)])
def test_a_reply_in_javanese_changes_with_its_wording_or_the_indonesian(
    rt: Runtime, clock: Clock, language: str, is_changed: bool
) -> None:
    def reword(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["wordings"]["ways"][language] = "Telp {call_centre}."

    say(rt, STRANGER, "BAHASA JAWA")
    clock.moves(minutes=10)
    say(rt, STRANGER, "KONTAK")
    rewordings = found(rt, edited_document(reword)).rewordings.values()
    assert [(each.language, each.becomes_text) for each in rewordings] == (
        [("jv", "Telp {call_centre}.")] if is_changed else []
    )


def test_samples_show_no_number_and_no_name(rt: Runtime, clock: Clock) -> None:
    play_messages(rt, clock)
    task_id = begin(rt)
    part(rt, task_id)
    findings = BacktestFindings.model_validate(task_now(rt, task_id).findings)
    assert findings.shapes[ChangeKind.UNDERSTOOD]
    kept = json.dumps(task_now(rt, task_id).findings).upper()
    for own in (P1_NKP, P2_NKP, P1, "BUDI", "SANTOSO", "SITI", "3273010101900001", "5678"):
        assert own not in kept


def test_words_that_several_phones_wrote_are_shown(rt: Runtime, clock: Clock) -> None:
    """A number beside them hides them: they may then be the name of its owner."""
    long = f"dompet {'gimana ' * 12}"
    for sender in (*OTHERS[:3], OTHERS[0]):
        for text in ("Dompet gimana", "Dompet pak joko 17", long, f"{long} joko 17"):
            clock.moves(hours=2)
            say(rt, sender, text)
    say(rt, OTHERS[3], "dompet rina")
    findings = found(rt)
    assert [
        (each.shape, each.messages) for each in findings.shown_shapes(ChangeKind.UNDERSTOOD)
    ] == [
        ("DOMPET GIMANA", 4),
        ("… PAK … ##", 4),
        (f"DOMPET {'GIMANA ' * 12}"[:80], 4),
        ("… ##", 4),
    ]
    assert findings.not_shown(ChangeKind.UNDERSTOOD) == 1


def test_a_draft_cannot_probe_rare_texts(rt: Runtime, clock: Clock) -> None:
    """An editor who may read no texts drafts words of them."""

    def guess(raw: dict[str, Any]) -> None:
        raw["fillers"] += ["BUDI", "SANTOSO", "KENA", "KANKER"]
        raw["keywords"]["saldo"]["aliases"].append("GAJI")

    say(rt, OTHERS[0], "gaji budi santoso kena kanker 1234")
    alone = found(rt, edited_document(guess))
    assert (alone.counts, alone.count(ChangeKind.UNDERSTOOD)) == ({ChangeKind.UNDERSTOOD: 1}, None)
    assert (alone.changed, alone.not_shown(ChangeKind.UNDERSTOOD)) == (0, 0)
    assert alone.shown_shapes(ChangeKind.UNDERSTOOD) == []
    for sender in OTHERS[1:3]:
        say(rt, sender, "gaji kena kanker 5678")
    (together,) = found(rt, edited_document(guess)).shown_shapes(ChangeKind.UNDERSTOOD)
    assert (together.shape, together.messages) == ("… ####", 3)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("SALDO 19O12345678", "SALDO ###########"),
        ("saldo#19012345678*budi santoso, 17-08-1990", "SALDO############*…, ##-##-####"),
        ("halo budi.santoso@mail.id", "HALO …@MAIL.ID"),
    ],
)
def test_a_shape_holds_nothing_personal(text: str, shape: str) -> None:
    assert shape_of(text, backtest.vocabulary(document.dump_shipped())) == shape


def test_a_stopped_backtest_keeps_its_findings(rt: Runtime, clock: Clock) -> None:
    play_messages(rt, clock)
    task_id = begin(rt)
    assert part(rt, task_id, steps=3)
    with rt.writing() as tx:
        background_tasks.stop(tx, task_id)
        assert background_tasks.claim(tx, task_id) is None
    task = task_now(rt, task_id)
    assert (task.state, task.done, task.total) == ("stopped", 3, 7)
    assert BacktestFindings.model_validate(task.findings).counts == {
        ChangeKind.REWORDED: 2,
        ChangeKind.UNDERSTOOD: 1,
    }


def test_a_backtest_continues_after_a_worker_crash(rt: Runtime, clock: Clock) -> None:
    """The result is as if it had never been interrupted."""
    play_messages(rt, clock)
    whole, task_id = found(rt), begin(rt)
    for _ in range(3):
        part(rt, task_id, steps=2)
    with rt.writing() as tx:
        task = background_tasks.claim(tx, task_id)  # and dies
    assert task is not None
    clock.moves(seconds=31)
    part(rt, task_id)
    assert BacktestFindings.model_validate(task_now(rt, task_id).findings) == whole


def test_a_backtest_writes_only_its_findings(rt: Runtime, clock: Clock) -> None:
    play_messages(rt, clock)
    task_id = begin(rt)

    def held() -> dict[str, list[Any]]:
        with rt.reading() as tx:
            return {
                name: sorted(map(repr, tx.connection.execute(select(table))))
                for name, table in service.tables.items()
                if table is not _tasks
            }

    before = held()
    part(rt, task_id)
    assert held() == before
    with rt.reading() as tx:
        assert tx.connection.execute(select(func.count()).select_from(_tasks)).scalar_one() == 1


def test_ledger_look_ups_are_cached_and_minimal(rt: Runtime, clock: Clock) -> None:
    for _ in range(5):
        clock.moves(minutes=10)
        say(rt, P1, "SALDO")
        send_all(rt)
    asked: list[str] = []
    event.listen(
        rt.ledger.engine,
        "before_cursor_execute",
        lambda _c, _k, statement, *_: asked.append(statement),
    )
    assert found(rt, document.dump_shipped()).counts == {}
    assert [each for each in asked if "balances" in each] == []
    assert found(rt).counts == {ChangeKind.REWORDED: 5}
    assert len([each for each in asked if "balances" in each]) == 1


def test_a_backtest_waits_for_the_ledger(rt: Runtime, clock: Clock) -> None:
    play_messages(rt, clock)
    task_id = begin(rt)
    away = replace(rt, ledger=SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db")))
    assert not part(away, task_id)
    assert (task_now(rt, task_id).state, task_now(rt, task_id).done) == ("waiting", 0)
    part(rt, task_id)
    assert task_now(rt, task_id).state == "done"


def test_only_messages_decided_by_words_are_judged(rt: Runtime, clock: Clock) -> None:
    """Old and deleted messages, repeats and unreachable senders are left out."""
    say(rt, P1, "SALDO")
    clock.moves(days=2)
    say(rt, P1, "SALDO")
    say(rt, P1, "SALDO")
    say(rt, "TSEL", "SALDO")
    say(rt, P1, "terima kasih")
    assert found(rt, days=1).judged == 2
    clock.moves(days=90)
    retention.Retention(rt).step()
    assert found(rt, days=30).judged == 0


def spoken() -> list[str]:
    return [
        step.text
        for name in SPOKEN
        for conversation in reader.read(FOLDER / f"{name}.yaml").transcript.conversations
        for step in conversation.steps
        if step.text
    ]


@pytest.mark.parametrize(("change", "least"), [(edit_draft, 50), (read_otherwise, 5)])
def test_the_shortcut_does_not_change_the_result(
    rt: Runtime, change: Callable[[dict[str, Any]], None], least: int
) -> None:
    """Compares both ways over all texts of the transcripts."""
    now, unused_for = rt.local, rt.settings.unused_for
    was = comparison.configuration(document.dump_shipped(), now.date())
    becomes = comparison.configuration(edited_document(change), now.date())
    with rt.reading() as tx:
        known = [phone_state.read(tx, number).caller for number in (P1, STRANGER)]

    def answer(by: Configuration, text: str, caller: Caller) -> tuple[object, ...]:
        inquiry = Inquiry(by, by.grammar.parse(text), text, caller)
        decided = decision.decide(inquiry, rt.ledger, now, unused_for)
        reply = decided.reply
        if reply is None:
            return (decided.said.keyword, Outcome.SILENT, "")
        values = {**reply.values, "number": "ADU-251031-0042", "ref": inbox.reference(1)}
        values["call_centre"] = composer.call_centre(rt.ledger)
        language = "en" if any(each == SetLanguage("en") for each in reply.changes) else "id"
        outcomes = by.text(reply.wording, values, language)
        return (decided.said.keyword, reply.outcome, outcomes)

    both, differ = Comparison(was, becomes, rt.ledger, now, unused_for), 0
    for text, caller in product(spoken(), known):
        slowly = answer(was, text, caller), answer(becomes, text, caller)
        assert both.is_answered_alike(text) <= (slowly[0] == slowly[1])
        quickly = both.answers(1, text, caller, "id")
        assert (quickly is not None) == (slowly[0] != slowly[1]), text
        if quickly is not None:
            differ += 1
            outcomes = tuple((each.keyword, each.outcome, each.text) for each in quickly)
            assert outcomes == slowly
    assert differ >= least
