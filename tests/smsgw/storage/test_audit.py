"""Disclosures are recorded in a log that cannot be changed unnoticed."""

import getpass
import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from smsgw import responder, runtime, settings
from smsgw.carriers.carrier import Ending, IncomingSms, SendError
from smsgw.messaging.leases import SendResult, claim, record
from smsgw.operations import audit_chain, retention
from smsgw.operations.audit_chain import Head
from smsgw.runtime import Runtime
from smsgw.storage import audit, migrations
from smsgw.storage.audit import Act
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import audit as table
from smsgw.storage.tables.security import audit_head
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER, Clock, on_sqlite
from tests.support import commands
from tests.support.conversation import say, set_number_on_file
from tests.support.registration import DAFTAR

LINES = {"postgresql": 100_000, "sqlite": 1_000}


def rows(rt: Runtime) -> list[tuple[str, str, str | None]]:
    with rt.reading() as tx:
        found = tx.connection.execute(select(table).order_by(table.c.id))
        return [(row.actor, row.act, row.detail) for row in found]


def fill(rt: Runtime, lines: int, first: int = 0) -> Head:
    """Adds that many disclosures, sealed as the clock does."""
    with rt.writing() as tx:
        last = audit_chain.head(tx)
        made = []
        for number in range(first, first + lines):
            row = {"at": tx.now + timedelta(seconds=number), "actor": "participant"}
            row |= {"act": Act.DISCLOSED, "phone_id": number, "message_id": number}
            row |= {"subject": tx.vault.hash(str(number), "nkp"), "detail": "saldo.balance"}
            row |= {"salt": os.urandom(audit.SALT_OCTETS)}
            row |= {"mac": audit.row_mac(tx, row), "number": last.number + 1}
            last = Head(
                last.number + 1, audit_chain._chained(tx, last.seal, last.number + 1, row["mac"])
            )
            made.append(row | {"seal": last.seal})
        tx.connection.execute(insert(table), made)
        tx.connection.execute(delete(audit_head))
        tx.connection.execute(insert(audit_head).values(id=1, number=last.number, seal=last.seal))
    return last


def findings(rt: Runtime, known: Head | None = None) -> list[str]:
    with rt.reading() as tx:
        return list(audit_chain.verify(tx, known).findings)


def test_a_disclosure_is_audited_and_a_refusal_is_not(rt: Runtime) -> None:
    answer = say(rt, P1, "SALDO")
    say(rt, P1, "ULANG")
    say(rt, STRANGER, f"SALDO {P1_NKP}")
    say(rt, P1, "KONTAK")
    disclosure = ("participant", "disclosed")
    assert rows(rt) == [(*disclosure, "saldo.balance"), (*disclosure, "ulang.again")]
    with rt.reading() as tx:
        row = tx.connection.execute(select(table)).first()
        assert row.message_id == answer.message_id
        assert row.subject == tx.vault.hash(P1_NKP, "nkp")


def test_a_notice_to_another_phone_is_audited(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    set_number_on_file(rt, P2_NKP, P2)
    assert [detail for *_, detail in rows(rt)] == ["disclosure.code"]


def test_the_clock_seals_and_the_head_moves(rt: Runtime) -> None:
    assert audit_chain.seal(rt) is None
    say(rt, P1, "SALDO")
    with rt.reading() as tx:
        assert audit_chain.verify(tx).unsealed == [1]
    first = audit_chain.seal(rt)
    assert first.number == 1
    assert audit_chain.seal(rt) is None
    say(rt, P1, "DATA")
    second = audit_chain.seal(rt)
    assert (second.number, second.seal != first.seal) == (2, True)
    assert findings(rt, first) == findings(rt, second) == findings(rt) == []
    assert Head.read(str(second)) == second


def test_two_equal_acts_are_not_reported_as_forged(rt: Runtime) -> None:
    """Both are of one instant, in one transaction, about one phone."""
    with rt.writing() as tx:
        for _ in range(2):
            audit.note(tx, Act.SAID, "shell:ani", phone_id=1, detail="tryout")
    assert findings(rt) == []
    audit_chain.seal(rt)
    assert findings(rt) == []


def test_a_row_that_stays_unsealed_is_reported(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    clock.moves(minutes=2)
    with rt.reading() as tx:
        assert audit_chain.verify(tx).is_late


def test_tampering_is_found_among_a_hundred_thousand_rows(rt: Runtime) -> None:
    """One reading finds each change by itself and where it is."""
    head = fill(rt, LINES[rt.service.dialect.name])
    assert findings(rt, head) == []
    with rt.reading() as tx:
        first = tx.connection.execute(select(table).where(table.c.number < 10)).mappings()
        sealed = {row["number"]: dict(row) for row in first}
    said = ("actor", "act", "phone_id", "message_id", "subject", "detail", "at", "mac")
    swapped = {name: sealed[6][name] for name in said}, {name: sealed[5][name] for name in said}
    copied = {**sealed[8], "id": head.number + 5, "number": None, "seal": None, "salt": b"2" * 16}
    added = {**sealed[9], "id": head.number + 6, "number": head.number + 1, "mac": b"1" * 32}
    added["salt"] = b"1" * 16
    apply(
        rt,
        update(table).where(table.c.number == 2).values(phone_id=7),
        delete(table).where(table.c.number == 3),
        update(table).where(table.c.number == 5).values(swapped[0]),
        update(table).where(table.c.number == 6).values(swapped[1]),
        insert(table).values(copied),
        insert(table).values(added),
    )
    expected = [
        "row 2 was changed, or not written by us",
        "rows 3 to 3 are missing",
        "row 5 is not the one that was sealed",
        "row 5 was changed, or not written by us",
        "row 6 is not the one that was sealed",
        "row 6 was changed, or not written by us",
        f"row {head.number + 1} is not the one that was sealed",
        f"row {head.number + 1} was changed, or not written by us",
        f"row {head.number + 1} lies behind the head",
        f"the row with id {head.number + 5} is a copy of the one with id {sealed[8]['id']}",
        f"the unsealed row with id {head.number + 5} was not written by us",
    ]
    assert findings(rt, head) == expected


def test_a_truncated_chain_is_found_with_a_saved_head(rt: Runtime) -> None:
    head = fill(rt, 20)
    is_last = table.c.number == head.number
    before = {"number": head.number - 1, "seal": _seal_of(rt, head.number - 1)}
    missing = [f"rows {head.number} to {head.number} are missing at the end"]
    apply(rt, delete(table).where(is_last))
    assert findings(rt) == missing
    apply(rt, update(audit_head).values(before))
    assert findings(rt) == []  # whoever cuts both ends leaves a shorter chain that is whole
    assert findings(rt, head) == missing
    anew = fill(rt, 1, first=99)
    assert findings(rt) == []
    expected = f"at row {head.number} the head is another: the chain was written anew"
    assert (anew.number, findings(rt, head)) == (head.number, [expected])
    apply(rt, delete(audit_head))
    assert findings(rt) == [f"row {head.number} lies behind the head"]


@pytest.mark.parametrize(
    "harm",
    [
        "at='x'",
        "mac='text'",
        "subject='text'",
        "seal=NULL",
        "seal='s'",
        "detail=x'00'",
        "number='abc'",
        "number=-3",
        "phone_id='y'",
    ],
)
def test_an_impossible_value_is_reported(tmp_path: Path, redis_url: str, harm: str) -> None:
    """SQLite keeps what it is given."""
    rt = embedded(tmp_path, redis_url)
    fill(rt, 4)
    with rt.service.begin() as connection:
        connection.exec_driver_sql(f"UPDATE audit SET {harm} WHERE number=2")
    assert findings(rt)
    with rt.writing() as tx:
        audit.note(tx, Act.RESENT, "shell:ani")
    assert audit_chain.seal(rt) is not None  # and the clock goes on
    rt.close()


def embedded(home: Path, redis_url: str) -> Runtime:
    made = runtime.build(settings.load({"SMSGW_HOME": str(home), "REDIS_URL": redis_url}))
    migrations.upgrade(made.service, "service")
    return made


def test_rows_are_sealed_while_they_are_read(rt: Runtime) -> None:
    """What the clock adds meanwhile is not reported."""
    known = fill(rt, 50)
    with rt.reading() as tx:
        head = audit_chain.head(tx)
    assert head == known
    with rt.reading() as tx:
        found = audit_chain._findings(tx, [head])
        fill(rt, 50, first=50)
        assert list(found) == []


def _seal_of(rt: Runtime, number: int) -> bytes:
    with rt.reading() as tx:
        found = tx.connection.execute(select(table.c.seal).where(table.c.number == number))
        return bytes(found.scalar_one())


def apply(rt: Runtime, *statements: object) -> None:
    with rt.writing() as tx:
        for statement in statements:
            tx.connection.execute(statement)


def test_a_forged_row_is_found_before_it_is_sealed(rt: Runtime) -> None:
    with rt.writing() as tx:
        row = {"at": tx.now, "actor": "shell:nobody", "act": "closed", "mac": b"\0" * 32}
        row |= {"salt": b"\0" * 16}
        tx.connection.execute(insert(table).values(row))
    assert findings(rt) == ["the unsealed row with id 1 was not written by us"]
    audit_chain.seal(rt)
    assert findings(rt) == ["row 1 was changed, or not written by us"]


@on_sqlite
def test_the_command_reports_findings(rt: Runtime, environ: dict[str, str]) -> None:
    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        return commands.called(environ, *arguments)

    say(rt, P1, "GANTI HP")  # of a binding that the audit does not know
    say(rt, P2, f"SALDO {P2_NKP}")
    waiting = called("audit", "verify")
    assert "2 rows are not sealed yet (ids 1, 2)" in waiting.stdout
    assert (waiting.returncode, "is `smsgw clock` running" in waiting.stdout) == (1, True)
    audit_chain.seal(rt)
    head = called("audit", "head").stdout.strip()
    assert called("audit", "verify", "--head", head).stdout.endswith(f"head {head}\n")
    apply(rt, update(table).values(detail="kontak.list"))
    broken = called("audit", "verify")
    assert (broken.returncode, "row 1 was changed" in broken.stdout) == (1, True)
    apply(rt, update(phones).where(phones.c.id == 1).values(hash=b"0" * 32))
    assert "phones.number: row 1 cannot be opened" in called("audit", "verify").stdout
    for head in ("x", ""):
        assert "a head is a number" in called("audit", "verify", "--head", head).stderr
    other = called("audit", "verify", "--head", f"0:{'1' * 64}")
    assert "the head of no rows is another" in other.stdout


@pytest.mark.parametrize("asked", ["SALDO", "IURAN", "STATUS", "DATA", "KLAIM", "JP"])
def test_every_disclosing_keyword_is_audited(rt: Runtime, asked: str) -> None:
    assert say(rt, P1, asked).verdict.outcome == "answered"
    assert [row[:2] for row in rows(rt)] == [("participant", "disclosed")]


@pytest.mark.parametrize("asked", ["SALDO 20098765432", "SALDO 3273055010920000"])
def test_viewing_a_number_is_audited(rt: Runtime, asked: str) -> None:
    assert say(rt, P2, asked).verdict.outcome == "confirm"
    assert rows(rt) == [("participant", "disclosed", "disclosure.ask")]


def test_speaking_for_a_phone_is_audited(rt: Runtime, environ: dict[str, str]) -> None:
    sms = IncomingSms("simulator", "1", P1, "2757", "SALDO")
    responder.respond(rt, sms, "shell:ani")
    assert commands.forked(environ, "say", "KONTAK", "--from", P2).returncode == 0
    ani, whoever = "shell:ani", f"shell:{getpass.getuser()}"
    said = [(ani, "said", None), (ani, "disclosed", "saldo.balance"), (whoever, "said", None)]
    assert rows(rt) == said


def test_commands_are_audited(rt: Runtime, environ: dict[str, str], tmp_path: Path) -> None:
    for sender in (P1, P2):
        say(rt, sender, "KONTAK")
    with rt.writing() as tx:
        claims = claim(tx, "simulator", "2757", 9)
        doubt = SendError(Ending.UNKNOWN, "busy")
        record(tx, [SendResult(each, error=doubt) for each in claims])
    one, other = (str(each.reply_id) for each in claims)
    folder = tmp_path / "ledger"
    folder.mkdir()
    (folder / "contacts.csv").write_text("channel,value,hours,note\nfax,123,,\n")
    for command in (
        ["unknown", "resend", one],
        ["unknown", "close", other],
        ["ledger", "load", str(folder)],
        ["ledger", "make", "--participants", "2"],
    ):
        done = commands.forked(environ, *command)
        assert done.returncode == 0, done.stderr
    actor = f"shell:{getpass.getuser()}"
    assert rows(rt) == [
        (actor, "resent", f"reply {one}"),
        (actor, "closed", f"reply {other}"),
        (actor, "ledger loaded", "contacts: 1 rows"),
        (actor, "ledger made", "2 participants"),
    ]


def test_the_actor_is_not_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert audit.operator() != "shell:somebody-else"


def test_a_second_clock_has_nothing_to_seal(rt: Runtime) -> None:
    head = fill(rt, 3)
    with rt.writing() as tx:
        assert audit_chain._seal(tx) == (head, 0)


def test_operators_actions_are_audited(rt: Runtime) -> None:
    say(rt, P1, "HAPUS DATA")
    with pytest.raises(retention.NotErased):
        retention.erase(rt, "ADU-000000-0000", "shell:ani")
    assert rows(rt) == []
    retention.erase(rt, "ADU-251031-0001", "shell:ani")
    assert rows(rt) == [
        ("shell:ani", "unbound", "erased"),
        ("shell:ani", "erased", "ADU-251031-0001"),
    ]


def test_rows_can_be_filtered(rt: Runtime, clock: Clock) -> None:
    with rt.writing() as tx:
        audit.note(tx, Act.LOOKED, "operator:ani", phone_id=7, message_id=3, detail="100% sure")
        audit.note(tx, Act.SAID, "operator:budi", phone_id=8, detail="ADU-251031-0006")
    clock.moves(days=1)
    with rt.writing() as tx:
        audit.note(tx, Act.LOOKED, "operator:budi", phone_id=7)
        yesterday = tx.now - timedelta(hours=1)
    for filters, ids in (
        (audit.AuditFilters(), [3, 2, 1]),
        (audit.AuditFilters(actor="BUDI"), [3, 2]),
        (audit.AuditFilters(act=Act.LOOKED, phone_id=7), [3, 1]),
        (audit.AuditFilters(detail="%"), [1]),
        (audit.AuditFilters(detail="adu-251031"), [2]),
        (audit.AuditFilters(message_id=3), [1]),
        (audit.AuditFilters(since=yesterday), [3]),
        (audit.AuditFilters(until=yesterday), [2, 1]),
    ):
        with rt.reading() as tx:
            found = audit.page(tx, None, 10, filters)
        first = min(row.id for row in next(audit.walk(rt.reading, audit.AuditFilters())))
        assert [row.id - first + 1 for row in found] == ids, filters
