"""Checks what a bound phone is answered: one segment, and no full number."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from grammar import Command
from handlers import HANDLERS
from handlers.question import Bound, Caller, Question
from handlers.values import Verbatim
from smsgw.configuration import compiler
from smsgw.configuration.languages import LANGUAGES
from smsgw.gsm7 import count as counted
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.ledger.synthetic import FIRST_NKP, make
from smsgw.storage import engines, migrations

Row = dict[str, str]


def ledger_rows(name: str) -> list[Row]:
    text = (reference_folder() / f"{name}.csv").read_text("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


WORLD, CLAIMS = ledger_rows("participants"), ledger_rows("claims")
STRANGER = "+6289900000000"
MADE = 1_000
NAMES = ("name", "emergency_name")
EVERYWHERE = {"call_centre": Verbatim("0800-7070707"), "ref": "BCDFGH"}
ASKED: dict[str, dict[str, str]] = {
    "saldo": {},
    "iuran": {},
    "iuran of a year": {"year": "2025"},
    "status": {},
    "data": {},
    "klaim": {},
    "jp": {},
    "daftar": {},  # already registered
    "kantor": {"city": "JAKARTA"},
    "info": {"topic": "rates"},
    "kontak": {},
    "bantuan": {},
}
ABOUT_THEM = ["saldo", "iuran", "iuran of a year", "status", "data", "klaim", "jp", "daftar"]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlLedger]:
    """Loads the reference ledger and a thousand made participants."""
    engine = engines.engine(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db")
    migrations.upgrade(engine, "ledger")
    load(engine, reference_folder())
    make(engine, MADE)
    yield SqlLedger(engine)
    engine.dispose()


def reply_texts(ledger: SqlLedger, asked: str, nkp: str) -> Iterator[str]:
    """Returns what the phone that `nkp` is bound to is answered, in every language."""
    keyword = asked.partition(" ")[0]
    command = Command(keyword, {"nkp": nkp, **ASKED[asked]}, keyword, "")
    participant = ledger.participant(nkp)
    on_file = participant.phone if participant else None
    caller = Caller(STRANGER, bound=(Bound(nkp, on_file),))
    published = compiler.load_shipped()
    question = Question(
        command, caller, ledger, published.usage, datetime(2025, 10, 31, tzinfo=UTC)
    )
    reply = HANDLERS[keyword].answer(question)
    assert reply.outcome == "answered"
    for language in LANGUAGES:
        for each in (reply, *reply.pages):
            yield published.text(each.wording, {**each.values, **EVERYWHERE}, language)


@pytest.mark.parametrize("asked", ASKED)
def test_every_participant_is_answered_in_one_segment(ledger: SqlLedger, asked: str) -> None:
    """Checks those of the reference ledger and a thousand synthetic ones."""
    made = [str(FIRST_NKP + number) for number in range(MADE)]
    nkps = [*(each["nkp"] for each in WORLD), *made]
    texts = [text for nkp in nkps for text in reply_texts(ledger, asked, nkp)]
    costs = {(cost.encoding, cost.segments) for cost in map(counted, texts)}
    assert (costs, len(texts) >= 2 * len(nkps)) == ({("GSM-7", 1)}, True)


def fives(number: str) -> set[str]:
    """Returns every run of five characters in a text."""
    return {number[at : at + 5] for at in range(len(number) - 4)}


@pytest.mark.parametrize("asked", ABOUT_THEM)
def test_replies_show_only_the_end_of_a_number(ledger: SqlLedger, asked: str) -> None:
    """An SMS is read over a shoulder, and a phone is lost."""
    for person in WORLD:
        numbers = {person[name] for name in ("nkp", "nik", "email")}
        numbers |= {person[name][3:] for name in ("phone", "emergency_phone")}
        numbers |= {each["claim_no"] for each in CLAIMS if each["nkp"] == person["nkp"]}
        names = {person[name] for name in NAMES if " " in person[name]}
        for text in reply_texts(ledger, asked, person["nkp"]):
            assert [each for each in numbers if any(part in text for part in fives(each))] == []
            assert [each for each in names if each in text] == []
