"""Parts that a carrier delivers one by one are answered as one message, once, whatever order they
come in and whichever process dies."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from smsgw import runtime, settings
from smsgw.app import create_app
from smsgw.operations import clock as the_clock
from smsgw.operations import jobs, key_rotation, retention
from smsgw.operations.retention import Retention
from smsgw.runtime import Runtime
from smsgw.storage.clock_check import ClockCheck, machine_now
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.messages import messages, parts, replies
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.tables.security import Ciphertext
from tests.conftest import P1, P1_NKP, P2, P2_NKP, Clock
from tests.support import ciphertext
from tests.support.conversation import count_rows, say, with_ledger_down
from tests.support.sender_ids import burst

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "deploy" / "http" / "vonage.yaml"
KEY = "inbound-secret"
NUMBER = "+447700900000"
VONAGE = {
    "SMSGW_CARRIER": "http",
    "SMSGW_PUBLIC_URL": "https://sms.example.org",
    "SMSGW_HTTP_CARRIER": str(EXAMPLE),
    "VONAGE_API_KEY": "abcd1234",
    "VONAGE_API_SECRET": "abcdef0123456789",
    "VONAGE_INBOUND_SECRET": KEY,
}
TEXTS = ("tolong cek sal", "do kpj: 190123", "45678, makasih")
WHOLE = "".join(TEXTS)
# Dies before the commit that its first argument names, as a process that is killed does. On
# PostgreSQL the statement that writes a message commits it too.
DIES = """
import os, signal, sys
from datetime import datetime
from sqlalchemy import event
from smsgw import runtime, settings
from smsgw.carriers.carrier import IncomingSms, MessagePart
from smsgw.operations import long_messages

left, now = int(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
rt = runtime.build(settings.load(os.environ), now=lambda: now)


def count():
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)


@event.listens_for(rt.service, "before_cursor_execute")
def before_a_statement(connection, cursor, statement, *_):
    is_postgres = rt.service.dialect.name == "postgresql"
    if is_postgres and cursor.connection.autocommit and "INSERT" in statement:
        connection.info["has_committed"] = True
        count()


@event.listens_for(rt.service, "commit")
def before_a_commit(connection):
    if not connection.info.pop("has_committed", False):
        count()


ref, sender, text, number = sys.argv[3:]
part = MessagePart("7", int(number), 3)
long_messages.receive(rt, IncomingSms("http", ref, sender, "+447700900000", text, part=part))
"""


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | VONAGE


@pytest.fixture
def client(rt: Runtime) -> Iterator[FlaskClient]:
    with create_app(rt).test_client() as made:
        yield made


def payload(number: int, text: str, ref: str = "7", total: int = 3, **more: str) -> dict[str, str]:
    """Returns a request as Vonage documents it."""
    return {
        "api-key": "abcd1234",
        "msisdn": P1.removeprefix("+"),
        "to": NUMBER.removeprefix("+"),
        "messageId": f"{ref}-{number}",
        "text": text,
        "type": "text",
        "keyword": text.split()[0].upper() if text.split() else "",
        "message-timestamp": "2025-10-31 03:00:00",
        "concat": "true",
        "concat-ref": ref,
        "concat-total": str(total),
        "concat-part": str(number),
    } | more


def deliver(client: FlaskClient, body: dict[str, str], key: str = KEY) -> int:
    return client.post(f"/in/http?key={key}", json=body).status_code


def said(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        return ciphertext.texts(tx, Ciphertext.MESSAGE)


def waiting(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        return ciphertext.texts(tx, Ciphertext.PART_TEXT)


def outcomes(rt: Runtime) -> list[tuple[str, str]]:
    with rt.reading() as tx:
        found = select(messages.c.keyword, messages.c.outcome).order_by(messages.c.id)
        return [(row.keyword, row.outcome) for row in tx.connection.execute(found)]


def refs(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        found = select(messages.c.carrier_ref).order_by(messages.c.id)
        return list(tx.connection.execute(found).scalars())


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (3, 2, 1)])
def test_parts_in_any_order_are_one_message(
    rt: Runtime, client: FlaskClient, order: Sequence[int]
) -> None:
    for number in order:
        assert said(rt) == []
        assert deliver(client, payload(number, TEXTS[number - 1])) == 200
    assert said(rt) == [WHOLE]
    assert outcomes(rt) == [("saldo", "answered")]
    assert (refs(rt), count_rows(rt, replies), waiting(rt)) == (["7-1"], 1, [])
    assert rt.redis is not None
    assert rt.redis.get(f"hint:http:{NUMBER}")


def test_a_part_that_is_delivered_again_changes_nothing(
    rt: Runtime, client: FlaskClient, clock: Clock
) -> None:
    """It may come again before the message is answered, or a day after."""
    for number in (1, 1, 2, 2, 1, 3, 3, 1, 2):
        assert deliver(client, payload(number, TEXTS[number - 1])) == 200
    clock.moves(hours=24)
    for number in (2, 3):
        assert deliver(client, payload(number, TEXTS[number - 1])) == 200
    clock.moves(minutes=11)
    assert jobs.answer_waiting_parts(rt) == []
    assert (said(rt), waiting(rt), count_rows(rt, replies)) == ([WHOLE], [], 1)


def test_messages_of_two_references_and_senders_do_not_mix(
    rt: Runtime, client: FlaskClient
) -> None:
    other = {"msisdn": P2.removeprefix("+"), "messageId": "other-1"}
    deliver(client, payload(1, "SALDO ", "7", 2))
    deliver(client, payload(2, "ULANG", "8", 2))
    deliver(client, payload(1, "IURAN ", "7", 2, **other))
    deliver(client, payload(1, "KANTOR ", "7", 2, to="447700900001", messageId="number-1"))
    deliver(client, payload(1, "STATUS ", "7", 3, messageId="total-1"))
    assert said(rt) == []
    deliver(client, payload(2, P1_NKP, "7", 2))
    deliver(client, payload(1, "tolong ", "8", 2))
    assert said(rt) == [f"SALDO {P1_NKP}", "tolong ULANG"]
    assert len(waiting(rt)) == 3


def test_a_reference_is_used_again(rt: Runtime, client: FlaskClient, clock: Clock) -> None:
    """It is used by a message after the first, by one after a message that stayed incomplete, and
    by one in whose time nobody looked."""
    for number, text in enumerate(("SAL", "DO"), 1):
        deliver(client, payload(number, text, "7", 2))
    for number, text in enumerate(("IU", "RAN"), 1):
        deliver(client, payload(number, text, "7", 2, messageId=f"second-{number}"))
    assert said(rt) == ["SALDO", "IURAN"]
    deliver(client, payload(1, "STA", "7", 2, messageId="third-1"))
    for number, text in enumerate(("KAN", "TOR"), 1):
        deliver(client, payload(number, text, "7", 2, messageId=f"fourth-{number}"))
    assert said(rt)[2:] == ["KANTOR"]
    clock.moves(minutes=10)
    deliver(client, payload(2, "TUS", "7", 2, messageId="fifth-2"))
    assert (len(said(rt)), sorted(waiting(rt))) == (3, ["STA", "TUS"])


def test_a_message_whose_parts_stay_incomplete_is_answered_as_far_as_it_goes(
    rt: Runtime, client: FlaskClient, clock: Clock
) -> None:
    deliver(client, payload(3, " 45678", total=4))
    deliver(client, payload(1, "SALDO 190123", total=4))
    clock.moves(minutes=9, seconds=59)
    the_clock.sweep(rt)
    burst(rt)
    assert said(rt) == []
    clock.moves(seconds=1)
    the_clock.sweep(rt)
    burst(rt)
    assert said(rt) == ["SALDO 190123 (terputus)  45678 (terputus) "]
    assert outcomes(rt) == [("saldo", "invalid")]  # the halves of a number are not put together
    assert (refs(rt), waiting(rt), count_rows(rt, replies)) == (["7-1"], [], 1)
    deliver(client, payload(2, "late", total=4))
    clock.moves(minutes=10)
    jobs.answer_waiting_parts(rt)
    assert said(rt)[1:] == [" (terputus) late (terputus) "]
    assert refs(rt)[1:] == ["7-2/2"]


@pytest.mark.parametrize("word", ["YA", "STOP", "HAPUS DATA", "BUKAN SAYA"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_part_alone_changes_nothing(
    rt: Runtime, client: FlaskClient, clock: Clock, word: str, number: int
) -> None:
    """Said alone, each of these would."""
    say(rt, P2, f"SALDO {P2_NKP}")
    deliver(client, payload(number, word, total=2, msisdn=P2.removeprefix("+")))
    clock.moves(minutes=10)
    (answer,) = jobs.answer_waiting_parts(rt)
    assert answer.verdict.outcome in {"unknown", "confirm"}
    assert (count_rows(rt, bindings), count_rows(rt, cases)) == (1, 0)  # P1's
    with rt.reading() as tx:
        stopped = select(phones.c.id).where(phones.c.stopped_at.is_not(None))
        assert tx.connection.execute(stopped).first() is None


@pytest.mark.thorough
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_while_the_clock_is_wrong_no_part_is_given_up(
    rt: Runtime, client: FlaskClient, clock: Clock
) -> None:
    """SQLite has no clock of its own to compare with."""
    deliver(client, payload(1, "SALDO"))
    clock.moves(minutes=11)
    ahead = ClockCheck(rt.service, lambda: machine_now() + timedelta(hours=1))
    the_clock.sweep(replace(rt, clock_check=ahead))
    burst(rt)
    assert jobs.answer_waiting_parts(replace(rt, clock_check=ahead)) == []
    assert said(rt) == []
    assert len(jobs.answer_waiting_parts(rt)) == 1


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"concat-part": "4"}, "a part needs a reference and a number from 1 to 3"),
        ({"concat-part": "0"}, "a part needs a reference and a number from 1 to 3"),
        ({"concat-part": "two"}, "concat-part is no whole number below 1000"),
        ({"concat-ref": ""}, "a part needs a reference and a number from 1 to 3"),
        ({"concat-ref": "x" * 65}, "a part needs a reference and a number from 1 to 3"),
        ({"concat-total": "11"}, "a message of 11 parts is too long; 10 are allowed"),
        ({"concat-total": "-2"}, "concat-total is no whole number below 1000"),
        ({"concat-total": "9" * 5000}, "concat-total is no whole number below 1000"),
    ],
)
def test_a_malformed_part_is_refused(
    rt: Runtime, client: FlaskClient, more: dict[str, str], fault: str
) -> None:
    answer = client.post(f"/in/http?key={KEY}", json=payload(1, "SALDO") | more)
    assert (answer.status_code, fault in answer.text) == (400, True), answer.text
    assert (count_rows(rt, parts), count_rows(rt, messages)) == (0, 0)


@pytest.mark.parametrize("total", ["", "0", "1"])
def test_a_message_of_one_part_is_answered_at_once(
    rt: Runtime, client: FlaskClient, total: str
) -> None:
    assert deliver(client, payload(1, "SALDO", **{"concat-total": total})) == 200
    assert (said(rt), count_rows(rt, parts)) == (["SALDO"], 0)


def test_a_message_of_ten_parts_is_joined(rt: Runtime, client: FlaskClient) -> None:
    for number in range(10, 0, -1):
        deliver(client, payload(number, f"{number} ", total=10))
    assert said(rt) == ["1 2 3 4 5 6 7 8 9 10 "]


@pytest.mark.parametrize("key", ["", "another-secret"])
def test_a_forged_part_leaves_no_row(rt: Runtime, client: FlaskClient, key: str) -> None:
    assert deliver(client, payload(1, "SALDO"), key) == 403
    assert count_rows(rt, parts) == 0


def test_parts_at_the_same_instant_are_answered_once(
    rt: Runtime, environ: dict[str, str], clock: Clock
) -> None:
    """They come to three processes, each with connections and keys of its own."""
    made = [runtime.build(settings.load(environ), now=clock) for _ in TEXTS]
    clients = [create_app(each).test_client() for each in made]
    for turn in range(5):
        gate = threading.Barrier(len(TEXTS))
        statuses: list[int] = []

        def post(place: int, turn: int = turn, gate: threading.Barrier = gate) -> None:
            gate.wait()
            body = payload(place + 1, TEXTS[place], f"turn{turn}")
            statuses.append(deliver(clients[place], body))  # noqa: B023

        threads = [threading.Thread(target=post, args=(place,)) for place in range(len(TEXTS))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * len(TEXTS)
        assert said(rt) == [WHOLE] * (turn + 1)
        assert waiting(rt) == []
        clock.moves(hours=2)  # its answer has expired then, and the next one is no repeat
    for each in made:
        each.close()
    assert count_rows(rt, replies) == 5


@pytest.mark.parametrize(
    ("commit", "is_repeated"),
    [(1, True), (2, True), (2, False), (3, True), (3, False), (4, True), (4, False)],
)
def test_a_process_that_is_killed_loses_and_repeats_nothing(
    rt: Runtime,
    client: FlaskClient,
    environ: dict[str, str],
    clock: Clock,
    commit: int,
    is_repeated: bool,
) -> None:
    """It is killed before each commit: of the part, of which parts belong together, of the message,
    of the empty parts. The carrier, which got no answer, delivers again; or only the clock is
    left."""
    for number in (1, 2):
        deliver(client, payload(number, TEXTS[number - 1]))
    command = [sys.executable, "-c", DIES, str(commit), clock.now.isoformat()]
    command += ["7-3", P1, TEXTS[2], "3"]
    died = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert len(said(rt)) == (1 if commit > 3 else 0)
    if is_repeated:
        assert deliver(client, payload(3, TEXTS[2])) == 200
    else:
        clock.moves(seconds=10)
        the_clock.sweep(rt)
        burst(rt)
    assert (said(rt), waiting(rt), count_rows(rt, replies)) == ([WHOLE], [], 1)


def test_a_message_whose_answer_waits_for_the_ledger_is_stored_once(
    rt: Runtime, clock: Clock
) -> None:
    away = create_app(with_ledger_down(rt)).test_client()
    for number in (1, 2, 3):
        assert deliver(away, payload(number, TEXTS[number - 1])) == 200
    assert (outcomes(rt), waiting(rt)) == ([("saldo", "unavailable")], [])
    clock.moves(minutes=1)
    (answer,) = jobs.give_deferred_answers(rt)
    assert answer.verdict.outcome == "answered"


def test_a_secret_in_two_parts_is_not_kept(rt: Runtime, client: FlaskClient) -> None:
    deliver(client, payload(2, "345 6", total=2))
    deliver(client, payload(1, "saldo saya, PIN 12", total=2))
    kept = [*said(rt), *waiting(rt)]
    assert len(kept) == 1
    assert not any(digits in kept[0] for digits in ("12", "345", "6"))


def test_a_part_is_stored_encrypted(rt: Runtime, client: FlaskClient) -> None:
    deliver(client, payload(1, TEXTS[0]))
    with rt.reading() as tx:
        row = tx.connection.execute(select(parts)).one()
    octets = b" ".join(each if isinstance(each, bytes) else str(each).encode() for each in row)
    assert not any(each.encode() in octets for each in (P1[1:], TEXTS[0]))
    assert waiting(rt) == [TEXTS[0]]


def test_parts_outlive_a_rotation_of_keys(rt: Runtime, client: FlaskClient) -> None:
    deliver(client, payload(1, TEXTS[0]))
    deliver(client, payload(2, TEXTS[1]))
    key_rotation.rotate(rt, "shell:ani", lambda _: None, wait=lambda _: None)
    deliver(client, payload(3, TEXTS[2]))
    assert said(rt) == [WHOLE]


def test_parts_that_cannot_be_decrypted_are_left_out(
    rt: Runtime, client: FlaskClient, clock: Clock
) -> None:
    deliver(client, payload(1, "SALDO", total=2))
    deliver(client, payload(1, "IURAN", "8", 2))
    with rt.writing() as tx:
        damaged = parts.update().where(parts.c.reference == "8")
        tx.connection.execute(damaged.values(text=b"\x01 damaged"))
        tx.connection.execute(
            parts.update().where(parts.c.reference == "7").values(sender=b"\x01 damaged")
        )
    deliver(client, payload(2, " lagi", "8", 2))
    assert said(rt) == [" (terputus)  lagi"]
    clock.moves(minutes=10)
    assert jobs.answer_waiting_parts(rt) == []
    assert (len(said(rt)), waiting(rt)) == (1, [])


def test_old_parts_are_deleted(rt: Runtime, client: FlaskClient, clock: Clock) -> None:
    """Parts that no carrier repeats any more are deleted; one that waits for its answer is kept
    until texts are."""
    for number in (1, 2, 3):
        deliver(client, payload(number, TEXTS[number - 1]))
    deliver(client, payload(1, "SALDO", "8"))
    look = Retention(rt)
    clock.moves(days=2)
    while look.step():
        pass
    assert count_rows(rt, parts) == 4
    clock.moves(minutes=2)
    while look.step():
        pass
    assert (count_rows(rt, parts), waiting(rt)) == (1, ["SALDO"])
    clock.moves(days=90)
    while look.step():
        pass
    assert count_rows(rt, parts) == 0


def test_a_data_request_covers_parts(rt: Runtime, client: FlaskClient, clock: Clock) -> None:
    say(rt, P1, "HAPUS DATA")
    deliver(client, payload(1, TEXTS[0]))
    deliver(client, payload(1, "SALDO", msisdn=P2.removeprefix("+")))
    with rt.writing() as tx:
        tx.connection.execute(replies.update().values(state="delivered"))
    retention.erase(rt, "ADU-251031-0001", "shell:ani")
    assert waiting(rt) == ["SALDO"]
    clock.moves(minutes=10)
    assert len(jobs.answer_waiting_parts(rt)) == 1
    assert deliver(client, payload(1, TEXTS[0])) == 200  # it is recognised
    assert waiting(rt) == []
