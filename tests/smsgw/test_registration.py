"""Follows a registration from its start to its end, and checks what nobody else may learn of it."""

import pytest
from sqlalchemy import event, select
from structlog.testing import capture_logs

from smsgw.messaging.composer import Composer
from smsgw.registry import bindings, phone_state
from smsgw.runtime import Runtime
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.phones import codes, freezes, named, phones
from smsgw.storage.tables.security import Ciphertext
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER, Clock
from tests.support import ciphertext
from tests.support.conversation import count_rows, say, set_number_on_file
from tests.support.registration import DAFTAR, WRONG_YEAR, code_in, outcome
from tests.support.sender_ids import send_all

WRONG_NIK = DAFTAR.replace("3273055010920000", "3273055010920001")


def test_a_code_works_once_on_the_phone_that_asked(rt: Runtime) -> None:
    asked = say(rt, STRANGER, DAFTAR)
    code = code_in(asked)
    assert asked.also[0].recipient == P2
    assert outcome(say(rt, "+6289900000001", f"KODE {code}")) == ("kode", "invalid")
    assert outcome(say(rt, STRANGER, f"kode {code.lower()}")) == ("kode", "answered")
    assert "Rp36.125.500" in say(rt, STRANGER, "SALDO").reply.text
    assert outcome(say(rt, STRANGER, f"KODE {code}")) == ("kode", "invalid")


def test_only_the_latest_code_works(rt: Runtime, clock: Clock) -> None:
    first = code_in(say(rt, STRANGER, DAFTAR))
    send_all(rt)
    clock.moves(minutes=3)
    last = code_in(say(rt, STRANGER, DAFTAR))
    assert outcome(say(rt, STRANGER, f"KODE {first}")) == ("kode", "invalid")
    assert outcome(say(rt, STRANGER, f"KODE {last}")) == ("kode", "answered")


@pytest.mark.parametrize("text", [WRONG_YEAR, WRONG_NIK], ids=["birth date", "NIK"])
def test_a_mismatch_sends_no_code(rt: Runtime, text: str) -> None:
    """Not even the phone on file may use the registration."""
    assert outcome(say(rt, P2, text)) == ("daftar", "not_linked")
    assert outcome(say(rt, P2, "YA")) == ("ya", "unknown")
    elsewhere = say(rt, STRANGER, text)
    assert (outcome(elsewhere), elsewhere.also) == (("daftar", "pending"), ())
    assert count_rows(rt, codes) == 0


def test_numbers_with_the_same_ending_differ(rt: Runtime) -> None:
    other = "+62811" + P2[-8:]
    assert outcome(say(rt, other, f"SALDO {P2_NKP}")) == ("saldo", "not_registered")
    assert [each.recipient for each in say(rt, other, DAFTAR).also] == [P2]


def test_a_phone_on_file_for_two_participants_is_asked_for_each(rt: Runtime) -> None:
    set_number_on_file(rt, P2_NKP, P1)
    assert outcome(say(rt, P1, f"SALDO {P2_NKP}")) == ("saldo", "confirm")
    assert "Rp36.125.500" in say(rt, P1, "YA").reply.text
    assert outcome(say(rt, P1, "SALDO")) == ("saldo", "confirm")
    assert "Rp36.125.500" in say(rt, P1, "B").reply.text


def test_codes_are_kept_as_a_keyed_hash(rt: Runtime) -> None:
    code = code_in(say(rt, STRANGER, DAFTAR))
    with rt.reading() as tx:
        (row,) = tx.connection.execute(select(codes)).all()
    assert code.encode() not in b"".join(part for part in row if isinstance(part, bytes))


def test_three_wrong_codes_void_the_code(rt: Runtime) -> None:
    code = code_in(say(rt, STRANGER, DAFTAR))
    wrong = "BBBBB" if code != "BBBBB" else "CCCCC"
    for _ in range(3):
        assert outcome(say(rt, STRANGER, f"KODE {wrong}")) == ("kode", "invalid")
    assert outcome(say(rt, STRANGER, f"KODE {code}")) == ("kode", "invalid")


def test_a_code_lasts_ten_minutes_and_two_are_sent_a_day(rt: Runtime, clock: Clock) -> None:
    code = code_in(say(rt, STRANGER, DAFTAR))
    clock.moves(minutes=10)
    assert outcome(say(rt, STRANGER, f"KODE {code}")) == ("kode", "invalid")
    assert say(rt, "+6289900000001", DAFTAR).also
    assert not say(rt, "+6289900000002", DAFTAR).also
    clock.moves(hours=25)
    assert say(rt, "+6289900000002", DAFTAR).also


def test_nobody_can_tell_whether_a_code_was_sent(rt: Runtime) -> None:
    pair = [(STRANGER, DAFTAR), ("+6289900000001", WRONG_YEAR)]
    asked = [say(rt, phone, text) for phone, text in pair]
    assert asked[0].reply.text.replace("0", "") == asked[1].reply.text.replace("0", "")
    tried = [say(rt, phone, "KODE BCDFG").reply.text for phone, _ in pair]
    assert tried[0] == tried[1]


def test_bukan_saya_voids_codes_unbinds_the_other_phone_and_sends_no_more(rt: Runtime) -> None:
    code = code_in(say(rt, STRANGER, DAFTAR))
    say(rt, STRANGER, f"KODE {code}")
    assert outcome(say(rt, P2, "BUKAN SAYA")) == ("bukan_saya", "answered")
    assert outcome(say(rt, STRANGER, "ULANG")) == ("ulang", "unknown")
    assert outcome(say(rt, STRANGER, "SALDO")) == ("saldo", "not_registered")
    assert count_rows(rt, freezes) == 1
    frozen = say(rt, "+6289900000001", DAFTAR)
    assert (outcome(frozen), frozen.also) == (("daftar", "pending"), ())


@pytest.mark.parametrize(("days", "then"), [(29, "not_registered"), (31, "answered")])
def test_bukan_saya_reaches_back_a_month(rt: Runtime, clock: Clock, days: int, then: str) -> None:
    say(rt, STRANGER, f"KODE {code_in(say(rt, STRANGER, DAFTAR))}")
    clock.moves(days=days)
    say(rt, P2, "BUKAN SAYA")
    assert outcome(say(rt, STRANGER, "SALDO")) == ("saldo", then)


def test_a_binding_lapses_after_a_year_unused(rt: Runtime, clock: Clock) -> None:
    """It is proven by the NIK after two months; and after a year there is nothing to prove."""
    for days in (300, 364):
        clock.moves(days=days)
        assert outcome(say(rt, P1, "SALDO")) == ("saldo", "confirm")
        assert "Rp" in say(rt, P1, "0000").reply.text
    clock.moves(days=366)
    assert outcome(say(rt, P1, "SALDO")) == ("saldo", "not_registered")
    assert outcome(say(rt, P1, f"SALDO {P1_NKP}")) == ("saldo", "not_registered")
    assert (
        outcome(say(rt, P1, f"DAFTAR SALDO#3171011708900000#17-08-1990#{P1_NKP}"))[1] == "confirm"
    )
    assert "Rp" in say(rt, P1, "YA").reply.text


def test_a_binding_ends_when_the_number_on_file_changes(rt: Runtime) -> None:
    say(rt, P2, f"SALDO {P2_NKP}")
    assert "Rp" in say(rt, P2, "YA").reply.text
    set_number_on_file(rt, P2_NKP, STRANGER)
    answer = say(rt, P2, "SALDO")
    assert outcome(answer) == ("saldo", "not_registered")
    assert outcome(say(rt, P2, "IURAN")) == ("iuran", "not_registered")
    set_number_on_file(rt, P2_NKP, P2)  # it has ended, whatever is on file later
    assert outcome(say(rt, P2, "STATUS")) == ("status", "not_registered")


def test_missing_fields_are_asked_one_by_one(rt: Runtime, clock: Clock) -> None:
    first = say(rt, P2, "DAFTAR SALDO#3273055010920000#SITI AMINAH")
    assert (outcome(first), "TGL LAHIR" in first.reply.text) == (("daftar", "invalid"), True)
    second = say(rt, P2, "10 oktober 1992")
    assert (outcome(second), "NKP" in second.reply.text) == (("daftar", "invalid"), True)
    wrong = say(rt, P2, "2009876543")
    assert (outcome(wrong), "10 angka" in wrong.reply.text) == (("daftar", "invalid"), True)
    assert outcome(say(rt, P2, P2_NKP)) == ("daftar", "confirm")
    assert "Rp" in say(rt, P2, "ya").reply.text


def test_a_draft_is_kept_a_quarter_of_an_hour(rt: Runtime, clock: Clock) -> None:
    say(rt, P2, "DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992")
    clock.moves(minutes=16)
    assert outcome(say(rt, P2, P2_NKP)) == ("saldo", "confirm")


def test_no_drops_a_draft(rt: Runtime) -> None:
    say(rt, P2, "DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992")
    assert outcome(say(rt, P2, "BATAL")) == ("tidak", "answered")
    assert outcome(say(rt, P2, P2_NKP)) == ("saldo", "confirm")


def test_thanks_do_not_answer_a_question(rt: Runtime) -> None:
    asked = say(rt, P2, DAFTAR)
    again = say(rt, P2, "ok trims")
    assert again.reply.text == asked.reply.text
    say(rt, P2, "YA")
    assert say(rt, P2, "ok trims").verdict.reason == "courtesy"


@pytest.mark.parametrize(
    ("text", "keyword"), [("STPO", "stop"), ("BAHSA EN", "bahasa"), ("LAPPOR gaji", "lapor")]
)
def test_a_typo_of_a_changing_keyword_is_confirmed_first(
    rt: Runtime, text: str, keyword: str
) -> None:
    assert outcome(say(rt, P1, text)) == (keyword, "confirm")
    with rt.reading() as tx:
        before = tx.connection.execute(select(phones.c.stopped_at, phones.c.language)).one()
    assert (before.stopped_at, before.language) == (None, "id")
    assert outcome(say(rt, P1, "YA")) == ("ya", "answered")
    assert outcome(say(rt, P1, "YA")) == ("ya", "unknown")


@pytest.mark.parametrize(
    ("text", "keyword"), [("SLADO", "saldo"), ("IURN", "iuran"), ("S T A T U S", "status")]
)
def test_a_typo_of_a_reading_keyword_is_answered(rt: Runtime, text: str, keyword: str) -> None:
    assert outcome(say(rt, P1, text)) == (keyword, "answered")


def test_cases_are_numbered_by_the_day_and_asked_for_by_number(rt: Runtime, clock: Clock) -> None:
    first = say(rt, P1, "LAPOR PT Maju belum bayar iuran")
    second = say(rt, STRANGER, "HAPUS DATA SAYA")
    assert "ADU-251031-0001" in first.reply.text
    assert "ADU-251031-0002" in second.reply.text
    assert "sedang ditangani" in say(rt, P1, "STATUS ADU-251031-0001").reply.text
    assert "sedang ditangani" in say(rt, P1, "status adu 251031 0001").reply.text
    other = say(rt, STRANGER, "STATUS ADU-251031-0001")
    assert outcome(other) == ("status", "not_linked")
    assert count_rows(rt, cases) == 2
    clock.moves(days=1)
    assert "ADU-251101-0001" in say(rt, P1, "LAPOR lagi").reply.text


def test_lanjut_works_for_half_an_hour(rt: Runtime, clock: Clock) -> None:
    assert "LANJUT" in say(rt, P1, "KANTOR JAKARTA").reply.text
    assert "Kelapa Gading" in say(rt, P1, "LANJUT").reply.text
    assert outcome(say(rt, P1, "LANJUT")) == ("lanjut", "unknown")
    say(rt, P1, "BANTUAN")
    clock.moves(minutes=31)
    assert outcome(say(rt, P1, "LANJUT")) == ("lanjut", "unknown")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SALDO 123456", ""),
        ("PIN saya 4321", ""),
        ("kode otp 998877 jangan kasih", ""),
        ("nama ibu kandung SUMIYATI", ""),
        (f"SALDO {P1_NKP} PIN: 123456", f"SALDO {P1_NKP} PIN: ***"),
        (f"SALDO {P1_NKP} PIN 123", f"SALDO {P1_NKP} PIN ***"),
        (f"saldo {P1_NKP} ibu kandung: Sumiyati", f"saldo {P1_NKP} ibu kandung: ***"),
        ("PIN １２３４５６", ""),
    ],
)
def test_a_secret_is_not_stored(rt: Runtime, text: str, expected: str) -> None:
    answer = say(rt, P1, text)
    assert outcome(answer)[1] == ("answered" if expected else "secret")
    with rt.reading() as tx:
        assert ciphertext.texts(tx, Ciphertext.MESSAGE)[-1] == expected


def test_no_such_number_and_not_yours_ask_the_same(rt: Runtime) -> None:
    asked: dict[str, list[str]] = {"ledger": [], "service": []}
    for name, engine in {"ledger": rt.ledger.engine, "service": rt.service}.items():
        event.listen(
            engine,
            "before_cursor_execute",
            lambda _c, _k, statement, *_, to=asked[name]: to.append(statement),
        )
    say(rt, P1, "BANTUAN")
    seen = []
    for nkp in (P2_NKP, "99999999999"):
        for statements in asked.values():
            statements.clear()
        answer = say(rt, P1, f"SALDO {nkp}")
        seen.append((answer.reply.text, {name: list(made) for name, made in asked.items()}))
    assert seen[0] == seen[1]


def test_scanning_phones_are_counted(rt: Runtime) -> None:
    with capture_logs() as logged:
        say(rt, P1, "SALDO 30000000001")
        say(rt, P1, "SALDO 30000000002")
        assert "a phone tries consecutive numbers" in str(logged)
        for number in range(3):
            say(rt, f"+628990000001{number}", WRONG_YEAR)
        assert "many phones try one identity" in str(logged)
    assert count_rows(rt, named) > 0
    assert "30000000001" not in str(logged)


def test_numbers_apart_and_few_phones_raise_no_alarm(rt: Runtime) -> None:
    with capture_logs() as logged:
        for number in ("30000000001", "30000500001", "30000000001"):
            say(rt, P1, f"SALDO {number}")
        for last in range(2):
            say(rt, f"+628990000001{last}", WRONG_YEAR)
    assert count_rows(rt, named) > 0
    assert "a phone tries consecutive numbers" not in str(logged)
    assert "many phones try one identity" not in str(logged)


def test_the_language_is_stored(rt: Runtime) -> None:
    assert "English" in say(rt, P1, "BAHASA EN").reply.text
    assert "JHT balance" in say(rt, P1, "SALDO").reply.text
    assert "Active" in say(rt, P1, "STATUS").reply.text
    assert "bahasa Indonesia" in say(rt, P1, "BAHASA ID").reply.text


def test_a_phone_is_noticed_twice_a_day_that_a_participant_is_bound(
    rt: Runtime, clock: Clock
) -> None:
    """Whoever binds a participant again and again makes nobody's phone ring all day."""
    numbers = [f"+62857000002{index:02}" for index in range(5)]
    noticed = []
    for each in numbers:
        noticed.append(bind_by_officer(rt, each))
        clock.moves(hours=5)
    before = [set[str](), *({each} for each in numbers[:-1])]
    told = [lost | {P2} if index < 2 else lost for index, lost in enumerate(before)]
    assert noticed == told
    clock.moves(days=1)
    assert bind_by_officer(rt, STRANGER) == {numbers[-1], P2}


def bind_by_officer(rt: Runtime, number: str) -> set[str]:
    """Binds P2's participant to a phone; returns the phones that are noticed."""
    with rt.writing() as tx:
        known = phone_state.bump_version(tx, phone_state.read(tx, number))
        made = bindings.bind(tx, known, P2_NKP, consent="x", on_file=P2, tells_from=tx.now)
        composer = Composer(rt, tx, rt.configuration, None, "operator:ani")
        return {composer.send_notice(each).recipient for each in made}
