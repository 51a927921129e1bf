"""Repeats what attackers did. SECURITY.md names these tests beside the threats."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import Event, Semaphore

import pytest
from sqlalchemy import Executable, delete, select, update
from structlog.testing import capture_logs

from smsgw import phone, runtime
from smsgw.backoffice import accounts, casework
from smsgw.carriers.carrier import Delivery, Ending, Report, SendError
from smsgw.configuration import document, versions
from smsgw.configuration.document import KeywordsError
from smsgw.configuration.versions import NotPublished
from smsgw.messaging import delivery_reports, dispatch, leases
from smsgw.messaging.leases import SendResult
from smsgw.registry import freezes, registration_codes, registrations
from smsgw.registry.changes import CODE_WAITS
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.operators import Role, configurations, sessions
from smsgw.storage.tables.operators import operators as people
from smsgw.storage.tables.phones import (
    bindings,
    freeze_counts,
    pages,
    phones,
    questions,
    wrong_codes,
)
from smsgw.storage.tables.phones import codes as sent_codes
from smsgw.storage.tables.phones import freezes as frozen
from smsgw.web import middleware
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER, Clock
from tests.support.accounts import add_operator
from tests.support.conversation import count_rows, say, set_number_on_file
from tests.support.registration import DAFTAR
from tests.support.waiting import LONGEST

SOMEBODY = [f"+62857000{number:05}" for number in range(20)]
CARRIER, SENDER_ID = "simulator", "2757"
A_DAY = timedelta(days=1)


def states(rt: Runtime) -> list[tuple[str, str | None]]:
    with rt.reading() as tx:
        found = tx.connection.execute(
            select(replies.c.state, replies.c.code).order_by(replies.c.id)
        )
        return [(row.state, row.code) for row in found]


def test_a_queued_reply_is_not_sent_after_the_number_changed(rt: Runtime) -> None:
    """A queued reply passes the gate that SALDO passes."""
    say(rt, P1, "GANTI HP")
    assert say(rt, P1, "DAFTAR SALDO#3171011708900000#17-08-1990#19012345678").verdict.outcome
    assert "Rp" in say(rt, P1, "YA").reply.text
    set_number_on_file(rt, P1_NKP, "+6281999999999")
    dispatch.drain(rt, CARRIER, SENDER_ID)
    assert states(rt)[-1] == ("refused", "unbound")


def test_replies_waiting_for_the_ledger_expire(rt: Runtime, clock: Clock) -> None:
    """Just made it was looked at just now; later it waits for the ledger, and is not lost."""
    away = engines.engine("sqlite:////nonexistent/ledger.db")
    say(rt, P1, "SALDO")
    down = replace(rt, ledger=type(rt.ledger)(away))
    clock.moves(minutes=2)
    dispatch.drain(down, CARRIER, SENDER_ID)
    assert states(rt)[-1] == ("queued", "ledger away")
    clock.moves(minutes=2)
    dispatch.drain(rt, CARRIER, SENDER_ID)
    assert states(rt)[-1] == ("sent", None)
    clock.moves(minutes=3)
    say(rt, P1, "IURAN")
    dispatch.drain(down, CARRIER, SENDER_ID)
    assert states(rt)[-1] == ("sent", None)


def test_the_limit_of_two_codes_holds_at_the_same_instant(rt: Runtime) -> None:
    """Eight phones ask at once."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: say(rt, SOMEBODY[number], DAFTAR), range(8)))
    assert count_rows(rt, sent_codes) == registration_codes.CODES_A_DAY


def test_a_code_voided_after_it_was_read_binds_nobody(rt: Runtime) -> None:
    """BUKAN SAYA comes between what KODE reads and what it writes."""
    code = (
        say(rt, STRANGER, DAFTAR).also[0].text.split("KODE ")[1][: registration_codes.CODE_LENGTH]
    )
    real = rt.ledger

    class Between:
        """Answers as the ledger, which is asked between the two."""

        def __init__(self) -> None:
            self.was_said = False

        def contact(self, channel: str) -> object:
            if not self.was_said:
                self.was_said = True
                say(rt, P2, "BUKAN SAYA")
            return real.contact(channel)

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    answer = say(replace(rt, ledger=Between()), STRANGER, f"KODE {code}")
    assert answer.verdict.outcome == "invalid"
    assert say(rt, STRANGER, "SALDO").verdict.outcome == "not_registered"


def test_a_code_is_spent_once(rt: Runtime) -> None:
    code = (
        say(rt, STRANGER, DAFTAR).also[0].text.split("KODE ")[1][: registration_codes.CODE_LENGTH]
    )
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: say(rt, STRANGER, f"KODE {code}"), range(4)))
    assert [each.verdict.outcome for each in answers].count("answered") == 1


def test_one_phone_has_one_data_request(rt: Runtime, clock: Clock) -> None:
    """A repeat has the same number; a complaint has one for each text."""
    numbers = set()
    for number in range(30):
        clock.moves(minutes=5)
        answer = say(rt, STRANGER, "HAPUS DATA" if number % 2 else "hapus data pak")
        if answer.reply is not None:
            numbers.add(answer.reply.text.split("no. ")[1][:15])
    assert len(numbers) == count_rows(rt, cases) == 1
    clock.moves(days=1)
    for text in ("LAPOR iuran belum dibayar", "lapor iuran belum  dibayar", "LAPOR kantor tutup"):
        clock.moves(minutes=5)
        say(rt, STRANGER, text)
    assert count_rows(rt, cases) == 3


@pytest.mark.parametrize("text", ["LAPOR PT Contoh belum bayar iuran", "HAPUS DATA", "LAPOR"])
@pytest.mark.parametrize("when", ["before", "sent", "reported", "hours later", "at once"])
def test_a_request_that_is_delivered_twice_is_one(
    rt: Runtime, clock: Clock, text: str, when: str
) -> None:
    """A carrier delivers it under another id, before or after its delivery report."""
    if when == "at once":
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: say(rt, STRANGER, text), range(4)))
        assert count_rows(rt, cases) == (0 if text == "LAPOR" else 1)
        return
    first = say(rt, STRANGER, text)
    if when != "before":
        dispatch.drain(rt, CARRIER, SENDER_ID)
    if when in {"reported", "hours later"}:
        with rt.writing() as tx:
            assert delivery_reports.apply_report(tx, Report("simulator", 1, Delivery.DELIVERED))
    clock.moves(hours=5 if when == "hours later" else 0, seconds=3)
    again = say(rt, STRANGER, text.lower() + " ")
    assert count_rows(rt, cases) == (0 if text == "LAPOR" else 1)
    if when in {"reported", "hours later"}:
        assert again.reply.text == first.reply.text


def test_a_number_is_never_cut(rt: Runtime) -> None:
    """Checks the 10,000th complaint of a day, and the 100,000th."""
    say(rt, P2, "KONTAK")
    with rt.writing() as tx:
        row = {"kind": "complaint", "message_id": 1, "opened_at": tx.now}
        made = [
            row | {"number": f"ADU-251031-{number:04}", "phone_id": 2, "text_hash": b"%d" % number}
            for number in range(1, 10_000)
        ]
        tx.connection.execute(cases.insert(), made)
    reply = say(rt, P1, "LAPOR belum dibayar").reply.text
    assert reply.count("ADU-251031-10000") == 2
    assert say(rt, P1, "STATUS ADU-251031-10000").verdict.outcome == "answered"


@pytest.mark.parametrize("code", ["0x" + "f" * 32, "\N{GRINNING FACE}" * 21, "a\0b" + "c" * 18, ""])
def test_a_code_of_any_length_is_stored(rt: Runtime, code: str) -> None:
    """Kannel would repeat a report for ever if it could not be stored."""
    say(rt, P1, "SALDO")
    dispatch.drain(rt, CARRIER, SENDER_ID)
    report = Report("simulator", 1, Delivery.UNDELIVERED, code=code)
    with rt.writing() as tx:
        assert delivery_reports.apply_report(tx, report)
    kept = code.replace("\0", "")[:20]
    assert states(rt) == [("undelivered", kept)]
    say(rt, P1, "IURAN")
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, CARRIER, SENDER_ID, 1)
    with rt.writing() as tx:
        leases.record(tx, [SendResult(claim, error=SendError(Ending.REFUSED, code))])
    assert states(rt)[-1] == ("refused", kept)


def test_codes_are_sent_after_a_random_delay(rt: Runtime, clock: Clock) -> None:
    """They are never sent together with the asker's own replies."""
    say(rt, STRANGER, DAFTAR)
    say(rt, STRANGER, "INFO JHT")
    dispatch.drain(rt, CARRIER, SENDER_ID)
    assert [state for state, _ in states(rt)] == ["sent", "queued", "sent"]
    with rt.reading() as tx:
        code = tx.connection.execute(select(replies).where(replies.c.wording == "disclosure.code"))
        row = code.one()
    shortest, longest = (timedelta(seconds=each) for each in CODE_WAITS)
    assert shortest <= row.due_at - clock() <= longest
    clock.moves(seconds=61)
    dispatch.drain(rt, CARRIER, SENDER_ID)
    assert [state for state, _ in states(rt)] == ["sent"] * 3


def test_wrong_codes_of_all_phones_raise_an_alarm(rt: Runtime) -> None:
    say(rt, STRANGER, "KONTAK")
    with rt.writing() as tx:
        tx.connection.execute(wrong_codes.insert(), [{"phone_id": 2, "at": tx.now}] * 48)
    alarms = []
    for _ in range(2):  # the 49th, and the 50th
        with capture_logs() as logged:
            say(rt, P2, "KODE BBBBBBB")
        alarms.append(any(each["event"] == "many wrong codes" for each in logged))
    assert alarms == [False, True]


def test_a_block_of_a_day_is_listed_for_a_day(rt: Runtime, clock: Clock) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "TOLAK")
    with rt.reading() as tx:
        assert [each.nkp for each in freezes.blocked_participants(tx, 10)] == [P2_NKP]
    clock.moves(days=1)
    with rt.reading() as tx:
        assert freezes.blocked_participants(tx, 10) == []


@pytest.mark.parametrize(
    "number", ["+62809123456", "+62804123456", "+622112345678", "+39899123456", "+628001234567"]
)
def test_service_numbers_get_no_reply(rt: Runtime, number: str) -> None:
    """Premium, shared-cost, fixed-line and toll-free numbers are checked."""
    answer = say(rt, number, "KONTAK")
    assert (answer.reply, answer.verdict.reason) == (None, "unreachable_sender")
    set_number_on_file(rt, P2_NKP, number)
    assert say(rt, STRANGER, DAFTAR).also == ()


@pytest.mark.parametrize(
    "number",
    [
        "1500910",
        "08001234567",
        "021 520 7797",
        "+6518001234567",
        "+97180012",
        "+8215881234",
        "14045",
        "500910",
        "3636",
        "+621500910",
        "0215207797",
        "0809123456",
        "+6019001234",
    ],
)
def test_a_service_number_or_a_landline_gets_nothing(rt: Runtime, number: str) -> None:
    """Another service's responder would answer ours."""
    answer = say(rt, number, "SALDO")
    assert (answer.reply, answer.verdict.reason) == (None, "unreachable_sender")


@pytest.mark.parametrize(
    "number", [P1, "+60123456789", "+6591234567", "+393331234567", "+628400001"]
)
def test_personal_numbers_get_a_reply(rt: Runtime, number: str) -> None:
    assert phone.e164(number) is not None
    assert say(rt, number, "KONTAK").reply is not None


@pytest.mark.parametrize(
    "value",
    ["1" * 19, "1:" * 5_000 + "1", "1:" * 30_000 + "1.5", "-" + "9" * 400_000, "0x" + "f" * 40_000],
)
def test_a_long_number_is_refused_at_once(value: str) -> None:
    """YAML would compute it, in a time that grows with the square of its length."""
    with pytest.raises(KeywordsError, match="digits at most"):
        document.loads(f"a: {value}\n")


def test_a_long_text_of_digits_is_read_in_quotes() -> None:
    assert document.loads(f'a: "{"1" * 400}"\n')["a"] == "1" * 400


def test_an_operator_added_by_an_author_may_not_publish(rt: Runtime) -> None:
    """The author may have added or invited them."""
    add_operator(rt, "admin1", Role.ADMIN)
    with rt.writing() as tx:
        text = document.dump_shipped().replace("Hubungi", "Telepon")
        versions.save(tx, document.loads(text), 0, "operator:admin1", "a word")
    with rt.writing() as tx:
        accounts.add(tx, "budi", Role.PUBLISHER, None, "operator:admin1")
        cici = accounts.add(tx, "cici", Role.PUBLISHER, None, "shell:root")
        accounts.add(tx, "dodi", Role.PUBLISHER, None, "shell:root")
        accounts.invite(tx, cici.id, "operator:admin1")
    for name in ("admin1", "budi", "cici"):
        with pytest.raises(NotPublished), rt.writing() as tx:
            versions.publish(
                tx, 1, f"operator:{name}", "why", is_same_person=accounts.is_same_person
            )


def test_a_freeze_also_applies_to_officers(rt: Runtime) -> None:
    """BUKAN SAYA arrives while an officer decides."""
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "BUKAN SAYA")
    with rt.writing() as tx:
        registrations.record_look(tx, 1, "operator:ani")
    with pytest.raises(casework.Frozen):
        casework.accept(rt, 1, "operator:ani", "KTP seen")
    assert count_rows(rt, frozen) == 1


def test_a_new_database_file_is_private(tmp_path: Path) -> None:
    engine = engines.engine(f"sqlite:///{tmp_path}/own.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    assert (tmp_path / "own.db").stat().st_mode & 0o777 == 0o600
    engine.dispose()


def test_webhooks_and_the_console_do_not_wait_for_each_other() -> None:
    """Slow logins of strangers fill only the places of the console."""
    let_go, begun = Event(), [Semaphore(0), Semaphore(0)]

    def application(environ: dict[str, object], _start: object) -> list[bytes]:
        is_console = str(environ["PATH_INFO"]).startswith("/console/")
        if environ["QUERY_STRING"]:
            return [b"done"]
        begun[is_console].release()
        let_go.wait(LONGEST)
        return [b"done"]

    door = middleware.ReadFirst(application, middleware.Places(middleware.AT_ONCE, line=200))

    def ask(path: str, query: str = "") -> bytes:
        environ = {"PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": BytesIO()}
        return b"".join(door(environ, lambda *_: None))

    for path, places in (
        ("/console/login", middleware.CONSOLE_AT_ONCE),
        ("/in/twilio", middleware.AT_ONCE),
    ):
        is_console = path.startswith("/console/")
        with ThreadPoolExecutor(places) as pool:
            slow = [pool.submit(ask, path) for _ in range(places)]
            for _ in slow:
                begun[is_console].acquire(timeout=LONGEST)
            other = "/in/twilio" if is_console else "/console/login"
            assert ask(other, "quick") == b"done"
            if is_console:
                assert b"again" in ask(path, "quick")  # told to come again, and its reader is free
            let_go.set()
            assert [each.result() for each in slow] == [b"done"] * places
        let_go.clear()


def test_a_login_forged_in_the_database_is_refused(rt: Runtime) -> None:
    """The attacker has the database's password, not the secret."""
    ani = add_operator(rt)
    held = "x" * 32
    with rt.writing() as tx:
        login = {"once_hash": sha256(held.encode()).digest(), "once_until": tx.now + A_DAY}
        tx.connection.execute(people.update().values(login))
        session = {"hash": sha256(held.encode()).digest(), "operator_id": ani.id}
        session |= {"made_at": tx.now, "seen_at": tx.now, "mac": b"\1" * 33}
        tx.connection.execute(sessions.insert().values(session))
    with rt.writing() as tx:
        assert accounts.redeem_invitation(tx, held) is None
        assert accounts.session_operator(tx, held) is None


def swap_texts(victim: int, own: int) -> list[Executable]:
    """Makes the victim's balance the last reply to the thief's phone."""
    theirs = select(replies.c.text).where(replies.c.id == victim).scalar_subquery()
    return [update(replies).where(replies.c.id == own).values(text=theirs, binding_id=None)]


def test_database_write_access_alone_reads_no_balance(rt: Runtime) -> None:
    """The attacker has the database's password and a phone of their own."""
    assert "Rp" in say(rt, P1, "SALDO").reply.text
    say(rt, STRANGER, "KONTAK")
    sql(rt, *swap_texts(1, 2))
    assert "Rp" not in say(rt, STRANGER, "ULANG").reply.text
    dispatch.drain(rt, CARRIER, SENDER_ID)
    assert ("refused", "unreadable") in states(rt)


@pytest.mark.parametrize("kind", ["moved", "renumbered", "exchanged", "revived"])
def test_database_write_access_alone_binds_nobody(rt: Runtime, kind: str) -> None:
    say(rt, STRANGER, DAFTAR)
    code = (
        say(rt, SOMEBODY[0], DAFTAR)
        .also[0]
        .text.split("KODE ")[1][: registration_codes.CODE_LENGTH]
    )
    say(rt, SOMEBODY[0], f"KODE {code}")
    with rt.reading() as tx:
        found = select(phones.c.id, phones.c.hash)
        ids = {row.hash: row.id for row in tx.connection.execute(found)}
        own, thief = (tx.vault.hash(number, "phone") for number in (SOMEBODY[0], STRANGER))
    if kind == "moved":
        sql(rt, update(bindings).values(phone_id=ids[thief]))
    if kind == "renumbered":
        other = update(phones).where(phones.c.id == ids[thief]).values(hash=b"0" * 32)
        sql(rt, other, update(phones).where(phones.c.id == ids[own]).values(hash=thief))
    if kind == "exchanged":
        theirs = select(bindings.c.nkp).where(bindings.c.id == 1).scalar_subquery()
        mine = update(bindings).where(bindings.c.phone_id == ids[own])
        sql(rt, mine.values(nkp=theirs))
    if kind == "revived":
        say(rt, SOMEBODY[0], "GANTI HP")
        sql(rt, update(bindings).values(ended_at=None))
    sender = SOMEBODY[0] if kind in {"exchanged", "revived"} else STRANGER
    assert say(rt, sender, "SALDO").verdict.outcome == "not_registered"


@pytest.mark.parametrize("kind", ["deleted", "deleted with its count", "over", "ended", "copied"])
def test_database_write_access_alone_ends_no_freeze(rt: Runtime, kind: str) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "BUKAN SAYA")
    p1 = freeze_counts.alias()  # of somebody who was never frozen
    other = select(p1.c.mac).where(p1.c.freezes == 0).scalar_subquery()
    statements = {
        "deleted": [delete(frozen)],
        "deleted with its count": [delete(frozen), delete(freeze_counts)],
        "over": [update(frozen).values(until=frozen.c.at)],
        "ended": [update(frozen).values(ended_at=frozen.c.at)],
        "copied": [
            delete(frozen),
            update(freeze_counts).where(freeze_counts.c.freezes > 0).values(freezes=0, mac=other),
        ],
    }
    sql(rt, *statements[kind])
    assert say(rt, SOMEBODY[0], DAFTAR).also == ()
    with rt.writing() as tx:
        registrations.record_look(tx, 1, "operator:ani")
    with pytest.raises(casework.Frozen):
        casework.accept(rt, 1, "operator:ani", "KTP seen")


def test_an_officer_can_end_a_damaged_freeze(rt: Runtime) -> None:
    """From then on it is counted anew."""
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "BUKAN SAYA")
    sql(rt, delete(frozen), delete(freeze_counts))
    with rt.writing() as tx:
        (held,) = freezes.blocked_participants(tx, 10)
        assert (held.nkp, held.at) == (P2_NKP, None)
        assert freezes.end(tx, held.key) is not None
    assert len(say(rt, SOMEBODY[0], DAFTAR).also) == 1


def phone_ids(rt: Runtime, *numbers: str) -> list[int]:
    with rt.reading() as tx:
        found = tx.connection.execute(select(phones.c.hash, phones.c.id))
        ids = {row.hash: row.id for row in found}
        return [ids[tx.vault.hash(number, "phone")] for number in numbers]


def test_database_write_access_alone_answers_no_question(rt: Runtime) -> None:
    say(rt, STRANGER, "KONTAK")
    say(rt, P2, f"SALDO {P2_NKP}")
    (thief,) = phone_ids(rt, STRANGER)
    sql(rt, update(questions).values(phone_id=thief))
    say(rt, STRANGER, "YA")
    assert say(rt, STRANGER, "SALDO").verdict.outcome == "not_registered"


def test_database_write_access_alone_shows_no_pages(rt: Runtime) -> None:
    say(rt, STRANGER, "KONTAK")
    assert "LANJUT" in say(rt, P1, "BANTUAN").reply.text
    (thief,) = phone_ids(rt, STRANGER)
    sql(rt, update(pages).values(phone_id=thief))
    assert say(rt, STRANGER, "LANJUT").verdict.outcome == "unknown"


@pytest.mark.parametrize("kind", ["repeated", "moved", "renumbered"])
def test_database_write_access_alone_redirects_no_reply(rt: Runtime, kind: str) -> None:
    say(rt, STRANGER, "KONTAK")
    assert "Rp" in say(rt, P1, "SALDO").reply.text
    thief, victim = phone_ids(rt, STRANGER, P1)
    mine, theirs = phones.c.id == thief, phones.c.id == victim
    other = phones.alias()
    number = select(other.c.number).where(other.c.id == thief).scalar_subquery()
    last = select(other.c.last_reply_id).where(other.c.id == victim).scalar_subquery()
    statement = {
        "repeated": update(phones).where(mine).values(last_reply_id=last),
        "moved": update(replies).where(replies.c.phone_id == victim).values(phone_id=thief),
        "renumbered": update(phones).where(theirs).values(number=number),
    }[kind]
    sql(rt, statement)
    if kind == "repeated":
        assert "Rp" not in say(rt, STRANGER, "ULANG").reply.text
    else:
        dispatch.drain(rt, CARRIER, SENDER_ID)
        assert states(rt)[1] == ("refused", "unreadable")


def test_database_write_access_alone_makes_no_operator(rt: Runtime) -> None:
    ani, viewer = add_operator(rt, "ani"), add_operator(rt, "viewer", Role.VIEWER)
    with rt.writing() as tx:
        token = accounts.log_in(tx, viewer.id, "viewer")
        once = accounts.invite(tx, viewer.id, "operator:viewer")
        assert accounts.session_operator(tx, token) is not None
    sql(rt, update(sessions).values(operator_id=ani.id))
    with rt.writing() as tx:
        assert accounts.session_operator(tx, token) is None
    with rt.reading() as tx:
        row = tx.connection.execute(select(people).where(people.c.id == viewer.id)).one()
    mine, theirs = (people.c.id == each.id for each in (viewer, ani))
    moved = {"once_hash": row.once_hash, "once_until": row.once_until}
    sql(
        rt,
        update(people).where(mine).values(once_hash=None),
        update(people).where(theirs).values(moved),
    )
    with rt.writing() as tx:
        assert accounts.redeem_invitation(tx, once) is None
        again = accounts.log_in(tx, viewer.id, "viewer")
    sql(rt, update(people).where(mine).values(role=Role.ADMIN))
    with rt.reading() as tx:
        assert accounts.session_operator(tx, again) is None
        assert not accounts.may_log_in(tx, accounts.find(tx, "viewer"))


def test_database_write_access_alone_publishes_nothing(rt: Runtime) -> None:
    words = document.dump_shipped().replace("Bantuan {call_centre}", "Hubungi 0812")
    with rt.writing() as tx:
        row = {"version": 99, "text": words, "published_at": tx.now, "published_by": "x"}
        row |= {"reason": "x", "mac": b"0" * 32}
        tx.connection.execute(configurations.insert().values(row))
    fresh = runtime.build(rt.settings)
    assert fresh.configuration.version == 0
    fresh.close()


def sql(rt: Runtime, *statements: Executable) -> None:
    with rt.service.begin() as connection:
        for statement in statements:
            connection.execute(statement)
