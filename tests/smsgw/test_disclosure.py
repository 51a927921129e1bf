"""Whatever a stranger sends, no reply tells of a participant who is not bound to that phone."""

import csv
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grammar import Command
from handlers import HANDLERS
from handlers.question import Bound, Caller, Question, Verbatim
from smsgw import keywords, migrate, responder, runtime
from smsgw import settings as environment
from smsgw.carriers.base import IncomingSms
from smsgw.gsm7 import count as counted
from smsgw.ledger.load import load, reference_folder
from smsgw.ledger.make import FIRST_NKP, make
from smsgw.runtime import Runtime
from tests.conftest import KEY

_references = count()


def held(name: str) -> list[dict[str, str]]:
    text = (reference_folder() / f"{name}.csv").read_text("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


WORLD, BALANCES, CLAIMS = held("participants"), held("balances"), held("claims")


def amounts(nkp: str) -> set[str]:
    paid = [each["total"] for each in BALANCES if each["nkp"] == nkp]
    paid += [each["amount"] for each in CLAIMS if each["nkp"] == nkp]
    return {f"Rp{int(each):,}".replace(",", ".") for each in paid if int(each or 0) > 1_000}


def told_of(person: dict[str, str]) -> set[str]:
    """What no reply to another's phone may hold."""
    year, month, day = (person["birth_date"] or "--").split("-")
    born = f"{day}-{month}-{year}"
    claims = {f"***{each['claim_no'][-4:]}" for each in CLAIMS if each["nkp"] == person["nkp"]}
    words = {part for part in person["name"].split() if len(part) > 4}
    return (
        amounts(person["nkp"]) | claims | words | {person["nik"], person["nkp"], born} - {"", "--"}
    )


PHONES = ["+6289900000000", "+6289900000001", "+60123000001", *(p["phone"] for p in WORLD)]
WORDS = [word for usage in keywords.shipped().usage.values() for word in usage.split()]
IDENTITIES = [
    each[field] for each in WORLD for field in ("nkp", "nik", "name", "phone") if each[field]
]
texts = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            [*WORDS, *IDENTITIES, "#", "17-08-1990", "10-10-1992", "KODE BCDFG", "A", "B", "2025"]
        ),
        max_size=8,
    ).map(" ".join),
    st.sampled_from(
        [f"DAFTAR SALDO#{p['nik']}#{p['name']}#{p['birth_date']}#{p['nkp']}" for p in WORLD]
    ),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Runtime]:
    rt = runtime.build(environment.load({"SMSGW_HOME": str(tmp_path), "SMSGW_SECRET_KEY": KEY}))
    migrate.upgrade(rt.service, "service")
    migrate.upgrade(rt.ledger.engine, "ledger")
    load(rt.ledger.engine, reference_folder())
    make(rt.ledger.engine, 1_000)
    yield rt
    rt.close()


def say(rt: Runtime, sender: str, text: str) -> responder.Answer:
    sms = IncomingSms("simulator", f"d{next(_references)}", sender, "2757", text)
    answer = responder.respond(rt, sms)
    assert answer is not None
    return answer


@given(st.sampled_from(PHONES), st.lists(texts, min_size=1, max_size=6))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_reply_tells_of_somebody_else(world: Runtime, sender: str, said: list[str]) -> None:
    others = [each for each in WORLD if each["phone"] != sender]
    own = {part for each in WORLD if each["phone"] == sender for part in told_of(each)}
    for text in said:
        answer = say(world, sender, text)
        if answer.reply is not None:
            secret = set().union(*(told_of(each) for each in others)) - own
            told = {part for part in secret if part in answer.reply.text}
            assert not told, (text, answer.reply.text)


ASKED = {
    "saldo": {},
    "iuran": {},
    "iuran of a year": {"year": "2025"},
    "status": {},
    "data": {},
    "klaim": {},
    "jp": {},
    "daftar": {},
    "kantor": {"city": "JAKARTA"},
    "info": {"topic": "rates"},
    "kontak": {},
    "bantuan": {},
}


@pytest.mark.parametrize("asked", ASKED)
def test_every_participant_is_answered_in_one_segment(world: Runtime, asked: str) -> None:
    """Those of the reference ledger and a thousand made ones, in both languages."""
    keyword = asked.partition(" ")[0]
    made = [str(FIRST_NKP + number) for number in range(1_000)]
    everywhere = {"call_centre": Verbatim("0800-1234567"), "ref": "BCDFGH"}
    for nkp in [*(each["nkp"] for each in WORLD), *made]:
        said = Command(keyword, {"nkp": nkp, **ASKED[asked]}, keyword, "")
        caller = Caller("+6289900000000", bound=(Bound(nkp),))
        usage = keywords.shipped().usage
        reply = HANDLERS[keyword].answer(
            Question(said, caller, world.ledger, usage, date(2025, 10, 31))
        )
        assert reply.outcome == "answered"
        for language in keywords.LANGUAGES:
            for each in (reply, *reply.pages):
                values = {**each.values, **everywhere}
                text = keywords.shipped().text(each.wording, values, language)
                cost = counted(text)
                assert (cost.encoding, cost.segments) == ("GSM-7", 1), text
