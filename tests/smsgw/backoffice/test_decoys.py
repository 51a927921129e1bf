"""Checks what naming a number that was never issued is answered, and when it raises an alarm."""

import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from sqlalchemy import event, func, insert, select
from structlog.testing import capture_logs

from bench import decoys as simulation
from smsgw import responder
from smsgw.backoffice import decoys
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging.answer import Answer
from smsgw.operations import metrics
from smsgw.registry import lockout
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.crypto import Keys, Vault
from smsgw.storage.tables.ledger import participants
from smsgw.storage.tables.phones import decoys as _decoys
from smsgw.storage.tables.phones import named
from smsgw.storage.tables.security import audit as _audit
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER, Clock

ROOT = Path(__file__).parents[3]
DECOYS = [f"3000000{number:04}" for number in range(0, 200, 7)]
OTHERS = [f"4000000{number:04}" for number in range(0, 200, 7)]
BY_ONE = "a phone names numbers that were never issued"
BY_MANY = "many phones name numbers that were never issued"
_references = count()


def say(rt: Runtime, sender: str, text: str) -> Answer:
    reference = f"decoy-{next(_references)}"
    answer = responder.respond(rt, IncomingSms("simulator", reference, sender, "2757", text))
    assert answer is not None
    return answer


def daftar(nkp: str, serial: int = 1) -> str:
    return f"DAFTAR SALDO#327305501092{serial:04}#SITI AMINAH#10-10-1992#{nkp}"


def other(number: int) -> str:
    return f"+62812555{number:05}"


def asks_saldo(nkp: str) -> str:
    return f"SALDO {nkp}"


@pytest.fixture
def watched(rt: Runtime) -> Runtime:
    """Puts DECOYS, and no others, on the list."""
    with rt.writing() as tx:
        rows = [{"nkp_hash": tx.vault.hash(nkp, "nkp"), "made_at": tx.now} for nkp in DECOYS]
        tx.connection.execute(insert(_decoys), rows)
    return rt


@pytest.fixture
def asked(watched: Runtime) -> Iterator[list[str]]:
    """Records every statement, of either database."""
    made: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        made.append(statement)

    engines = (watched.service, watched.ledger.engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", see)
    yield made
    for engine in engines:
        event.remove(engine, "before_cursor_execute", see)


def alarms(logged: list[Any]) -> list[str]:
    return [each["event"] for each in logged if each["event"] in {BY_ONE, BY_MANY}]


def issue(rt: Runtime, nkp: str) -> None:
    with rt.ledger.engine.begin() as connection:
        connection.execute(insert(participants).values(nkp=nkp, phone="+6281111111111"))


def count_decoys(rt: Runtime) -> int:
    with rt.reading() as tx:
        return decoys.count(tx)


@pytest.mark.parametrize(
    ("sender", "text"), [(P1, asks_saldo), (STRANGER, asks_saldo), (STRANGER, daftar)]
)
def test_a_decoy_is_answered_as_any_wrong_number(
    watched: Runtime, asked: list[str], clock: Clock, sender: str, text: Any
) -> None:
    say(watched, sender, "BANTUAN")
    seen = []
    for nkp in (DECOYS[0], OTHERS[0], P2_NKP):
        with watched.writing() as tx:
            tx.connection.execute(lockout.guesses.delete())
        clock.moves(hours=1)
        asked.clear()
        answer = say(watched, sender, text(nkp))
        seen.append((answer.verdict, answer.reply.text, list(asked)))
    assert any("decoys" in statement for statement in seen[0][2])
    assert seen[0] == seen[1] == seen[2]


def test_a_decoy_counts_and_locks_as_any_wrong_number(watched: Runtime, clock: Clock) -> None:
    outcomes = []
    for numbers in (DECOYS, OTHERS):
        clock.moves(hours=25)
        outcomes.append([say(watched, P1, f"SALDO {nkp}").verdict.outcome for nkp in numbers[:4]])
    assert outcomes[0] == outcomes[1] == ["not_linked"] * 3 + ["locked"]


def test_a_message_without_a_wrong_number_does_not_query_decoys(
    watched: Runtime, asked: list[str]
) -> None:
    for text in ("SALDO", "BANTUAN", f"SALDO {P1_NKP}", "3273055010920000"):
        say(watched, P1, text)
        say(watched, STRANGER, text.replace(P1_NKP, ""))
    say(watched, P2, f"SALDO {P2_NKP}")
    of_decoys = [statement for statement in asked if re.search("FROM decoys|is_decoy =", statement)]
    assert [statement[:17] for statement in of_decoys] == ["INSERT INTO named"]  # of a wrong NIK


@pytest.mark.parametrize(
    ("sender", "text"), [(P1, asks_saldo), (STRANGER, asks_saldo), (STRANGER, daftar)]
)
def test_two_decoys_from_one_phone_raise_an_alarm(
    watched: Runtime, clock: Clock, sender: str, text: Any
) -> None:
    with capture_logs() as logged:
        for nkp in (DECOYS[0], OTHERS[0], DECOYS[0]):
            say(watched, sender, text(nkp))
            clock.moves(minutes=20)
        assert alarms(logged) == []
        say(watched, sender, text(DECOYS[1]))
    (line,) = [each for each in logged if each["event"] == BY_ONE]
    assert line["numbers"] == 2
    assert set(line) == {"event", "log_level", "numbers", "phone_id"}
    assert not any(nkp in str(logged) for nkp in DECOYS)


def test_a_further_wrong_number_raises_no_alarm(watched: Runtime, clock: Clock) -> None:
    for number in range(10):
        say(watched, other(number), f"SALDO {DECOYS[0]}")
    say(watched, other(0), f"SALDO {DECOYS[1]}")
    clock.moves(minutes=5)
    with capture_logs() as logged:
        say(watched, other(0), f"SALDO {OTHERS[0]}")
        say(watched, other(0), daftar(OTHERS[1]))
    assert alarms(logged) == []


def test_ten_phones_with_decoys_raise_an_alarm(watched: Runtime) -> None:
    with capture_logs() as logged:
        for number in range(9):
            text = daftar(DECOYS[number]) if number % 2 else f"SALDO {DECOYS[number % 4]}"
            say(watched, other(number), text)
            say(watched, other(number), f"SALDO {OTHERS[number]}")
        assert alarms(logged) == []
        say(watched, other(9), f"SALDO {DECOYS[3]}")
    (line,) = [each for each in logged if each["event"] == BY_MANY]
    assert set(line) == {"event", "log_level", "phones", "phone_id"}
    assert line["phones"] == 10


def test_decoys_named_a_day_ago_do_not_count(watched: Runtime, clock: Clock) -> None:
    with capture_logs() as logged:
        for number in range(9):
            say(watched, other(number), f"SALDO {DECOYS[0]}")
        say(watched, P1, f"SALDO {DECOYS[0]}")
        assert alarms(logged) == [BY_MANY]
        logged.clear()
        clock.moves(hours=24)
        say(watched, P1, f"SALDO {DECOYS[1]}")
        assert alarms(logged) == []
        clock.moves(hours=23)
        say(watched, P1, f"SALDO {DECOYS[2]}")
        assert alarms(logged) == [BY_ONE]


def test_a_decoy_issued_later_raises_no_alarm(watched: Runtime, clock: Clock) -> None:
    for nkp in DECOYS[:3]:
        issue(watched, nkp)
    with capture_logs() as logged:
        for sender in (P1, STRANGER):
            for nkp in DECOYS[:3]:
                clock.moves(minutes=5)
                say(watched, sender, f"SALDO {nkp}")
            say(watched, sender, daftar(DECOYS[0]))
            say(watched, sender, f"SALDO {DECOYS[5]}")
    assert alarms(logged) == []
    asked = say(watched, "+6281111111111", f"SALDO {DECOYS[0]}")
    assert asked.verdict.outcome == "confirm"


def test_a_number_that_became_a_decoy_after_it_was_named(watched: Runtime, clock: Clock) -> None:
    say(watched, STRANGER, daftar(OTHERS[0]))
    with watched.writing() as tx:
        row = {"nkp_hash": tx.vault.hash(OTHERS[0], "nkp"), "made_at": tx.now}
        tx.connection.execute(insert(_decoys).values(row))
    with capture_logs() as logged:
        for nkp in (OTHERS[0], DECOYS[0]):
            clock.moves(minutes=5)
            say(watched, STRANGER, f"SALDO {nkp}")
    assert alarms(logged) == [BY_ONE]


def test_decoys_from_unregistered_phones_count_as_no_try(watched: Runtime, clock: Clock) -> None:
    for nkp in (*DECOYS[:3], *OTHERS[:2]):
        clock.moves(minutes=30)
        assert say(watched, STRANGER, f"SALDO {nkp}").verdict.outcome == "not_registered"
    with watched.reading() as tx:
        rows = select(func.count()).select_from(named)
        assert tx.connection.execute(rows).scalar_one() == 3  # others are not even kept
        assert tx.connection.execute(select(func.count(lockout.guesses.c.at))).scalar_one() == 0


def test_numbers_that_get_no_reply_count(watched: Runtime, clock: Clock) -> None:
    """A sender over the daily limit gets no reply, but is still counted."""
    outcomes = []
    for nkp in OTHERS:
        clock.moves(seconds=20)
        outcomes.append(say(watched, STRANGER, f"SALDO {nkp}").verdict.outcome)
    assert outcomes[-1] == "silent"
    with capture_logs() as logged:
        for nkp in DECOYS[:2]:
            clock.moves(seconds=20)
            assert say(watched, STRANGER, f"SALDO {nkp}").verdict.outcome == "silent"
    assert alarms(logged) == [BY_ONE]


def test_metrics_report_decoys_per_phone_and_phones(watched: Runtime, clock: Clock) -> None:
    def figures() -> list[str]:
        watched.redis.delete(metrics.CACHE_KEY)
        lines = metrics.text(watched).decode().splitlines()
        return [line for line in lines if line.startswith("smsgw_decoy")]

    assert figures() == ["smsgw_decoys_by_one_phone 0.0", "smsgw_decoy_phones 0.0"]
    for nkp in (DECOYS[0], DECOYS[1], OTHERS[0]):
        say(watched, P1, f"SALDO {nkp}")
    say(watched, STRANGER, f"SALDO {DECOYS[0]}")
    assert figures() == ["smsgw_decoys_by_one_phone 2.0", "smsgw_decoy_phones 2.0"]
    clock.moves(hours=24)
    assert figures() == ["smsgw_decoys_by_one_phone 0.0", "smsgw_decoy_phones 0.0"]


def test_drawn_decoys_are_unissued_valid_and_near(rt: Runtime) -> None:
    near = decoys.scan(rt)
    assert all(len(nkp) == 11 and nkp.isdigit() for nkp in near)
    decoys.draw(rt, 100, "tester")
    assert count_decoys(rt) == 100
    found = drawn(rt, near)
    assert len(found) == 100
    with rt.ledger.engine.connect() as connection:
        issued = set(connection.execute(select(participants.c.nkp)).scalars())
    assert not issued & found
    assert all(min(abs(int(nkp) - int(each)) for each in issued) <= decoys.NEAR for nkp in found)


def drawn(rt: Runtime, numbers: set[str]) -> set[str]:
    with rt.reading() as tx:
        hashes = set(tx.connection.execute(select(_decoys.c.nkp_hash)).scalars())
        return {nkp for nkp in numbers if tx.vault.hash(nkp, "nkp") in hashes}


def test_drawing_again_adds_decoys_within_the_range(rt: Runtime) -> None:
    between = decoys.Range("50000000000", "50000000099")
    whole = {str(50_000_000_000 + number) for number in range(100)}
    decoys.draw(rt, 30, "tester", between)
    first = drawn(rt, whole)
    decoys.draw(rt, 60, "tester", between)
    assert len(drawn(rt, whole)) == count_decoys(rt) == 90
    assert first < drawn(rt, whole)
    assert decoys.density(rt, between) == 0.9
    with pytest.raises(decoys.NotDrawn, match="10 numbers are free there"):
        decoys.draw(rt, 11, "tester", between)
    assert count_decoys(rt) == 90


def test_numbers_that_look_like_phones_are_not_drawn(rt: Runtime) -> None:
    """People send their own where an NKP belongs."""
    for first, last in (("08123456780", "08123456789"), ("62812345670", "62812345679")):
        with pytest.raises(decoys.NotDrawn, match="0 numbers are free"):
            decoys.draw(rt, 1, "tester", decoys.Range(first, last))


@pytest.mark.parametrize(
    ("first", "last"),
    [("5000000000", "50000000009"), ("50000000009", "50000000000"), ("5000000000A", "5" * 11)],
)
def test_an_invalid_range_is_refused(first: str, last: str) -> None:
    with pytest.raises(decoys.NotDrawn):
        decoys.Range.read(first, last)


def test_an_empty_ledger_gives_no_decoys(rt: Runtime) -> None:
    with rt.ledger.engine.begin() as connection:
        connection.execute(participants.delete())
    with pytest.raises(decoys.NotDrawn, match="the ledger is empty"):
        decoys.draw(rt, 1, "tester")


def test_issued_decoys_are_dropped(watched: Runtime) -> None:
    for nkp in (*DECOYS[:3], OTHERS[0]):
        issue(watched, nkp)
    assert decoys.drop_issued(watched, "tester") == 3
    assert count_decoys(watched) == len(DECOYS) - 3
    assert drawn(watched, set(DECOYS)) == set(DECOYS[3:])
    assert decoys.drop_issued(watched, "tester") == 0


def test_the_list_holds_no_number_in_clear(rt: Runtime) -> None:
    between = decoys.Range("50000000000", "50000000099")
    decoys.draw(rt, 90, "tester", between)
    decoys.drop_issued(rt, "tester")
    decoys.clear(rt, "tester")
    decoys.draw(rt, 90, "tester", between)
    with rt.reading() as tx:
        rows = tx.connection.execute(select(_decoys)).all()
        notes = tx.connection.execute(select(_audit)).all()
    assert {column.name for column in _decoys.c} == {"nkp_hash", "made_at"}
    assert {len(row.nkp_hash) for row in rows} == {32}
    numbers = [f"500000000{number:02}" for number in range(100)]
    written = f"{rows} {[row.nkp_hash.hex() for row in rows]} {notes}"
    assert not any(nkp in written for nkp in numbers)
    thief = Vault(lambda: Keys({1: os.urandom(32)}, 1, os.urandom(32)))
    assert not {thief.hash(nkp, "nkp") for nkp in numbers} & {row.nkp_hash for row in rows}


def test_changes_are_audited(rt: Runtime) -> None:
    decoys.draw(rt, 20, "tester")
    decoys.draw(rt, 5, "tester")
    assert decoys.clear(rt, "tester") == 25
    assert decoys.clear(rt, "tester") == 0
    with rt.reading() as tx:
        rows = tx.connection.execute(
            select(_audit.c.actor, _audit.c.detail)
            .where(_audit.c.act == audit.Act.DECOYS_CHANGED)
            .order_by(_audit.c.id)
        ).all()
    details = [detail for _, detail in rows]
    assert details == ["20 added, 20 in all", "5 added, 25 in all", "all 25 removed"]
    assert {actor for actor, _ in rows} == {"tester"}


@pytest.mark.parametrize(
    ("density", "median", "most"), [(0.001, 9_669, 15_702), (0.01, 967, 1_568), (1, 10, 10)]
)
def test_when_a_scan_is_noticed(density: float, median: int, most: int) -> None:
    assert decoys.noticed_within(density, 0.5) == median
    assert decoys.noticed_within(density, 0.95) == most


def test_without_decoys_no_scan_is_noticed() -> None:
    assert decoys.noticed_within(0, 0.5) is None


def test_the_estimate_matches_a_simulation() -> None:
    """Simulates scans whose every number comes from a new phone."""
    chance = Random(simulation.SEED)
    found = [simulation.noticed_after(chance, 0.02, simulation.SCANNED) for _ in range(2_000)]
    computed = [decoys.noticed_within(0.02, certainty) or 0 for certainty in (0.5, 0.95)]
    noticed = [
        sum(each is not None and each <= most for each in found) / 2_000 for most in computed
    ]
    assert noticed == pytest.approx([0.5, 0.95], abs=0.03)


def test_the_documented_tables_match_the_simulation() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    for table in (simulation.scans(), simulation.alarms()):
        assert "\n\n" + "\n".join(table) + "\n\n" in page


def test_the_alert_matches_the_log() -> None:
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    raised = {rule["expr"] for rule in group["rules"]}
    assert f"max(smsgw_decoys_by_one_phone) >= {lockout.DECOYS_OF_A_PHONE}" in raised
    assert f"max(smsgw_decoy_phones) >= {lockout.DECOY_PHONES}" in raised
