"""A ledger that is a service answers as one that is a database."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update

from handlers import HANDLERS
from handlers.ports import LedgerDown, LookUpFailed
from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.ledger.batch_ledger import BatchLedger
from smsgw.ledger.http_ledger import HttpLedger
from smsgw.ledger.restricted import FictitiousLedger
from smsgw.ledger.service_client import Credentials, ServiceClient
from smsgw.ledger_access import NoDatabase
from smsgw.runtime import Runtime
from smsgw.storage.tables.ledger import claims, offices, participants
from smsgw.transcripts import reader, runner, world
from smsgw.transcripts.collection import PlayedConversation
from smsgw.transcripts.report import lines
from tests.conftest import P1, P1_NKP, P2_NKP
from tests.support import compiled
from tests.support.batches import together
from tests.support.bound_phones import bind_many, number
from tests.support.conversation import say
from tests.support.ledger_service import (
    InProcess,
    LedgerService,
    ledger_of,
    ledger_service,
)

NOBODY = "10000000001"
TRANSCRIPTS = Path(__file__).parents[2] / "transcripts"
# They show every keyword, and how the ledger's values are told.
SHOWN = (
    "every-keyword",
    "asked-well",
    "claims",
    "contributions",
    "conversations",
    "data_saya",
    "ledger-away",
    "ledger-holes",
    "money",
    "notifications-id",
    "offices-many",
    "other-messages",
    "pension",
    "rates",
    "rejected-codes",
)
QUICK = {"every-keyword", "asked-well"}
BY_NKP = ("SALDO", "IURAN", "IURAN 2025", "STATUS", "DATA", "KLAIM", "JP", "SALDO {nik}")


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Returns what is behind the service: the scheme's own business."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def service(rt: Runtime) -> Iterator[LedgerService]:
    with ledger_service(rt.ledger.engine) as made:
        yield made


@pytest.fixture
def served(rt: Runtime, service: LedgerService) -> Runtime:
    return replace(rt, ledger=ledger_of(service))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.thorough]) for name in SHOWN],
)
def test_conversations_go_as_over_a_database(name: str) -> None:
    document = reader.read(TRANSCRIPTS / f"{name}.yaml")
    with world.prepare(document) as prepared:
        compiled.share(prepared.rt.service, prepared.rt.ledger.engine)
        service = LedgerService(engine=prepared.rt.ledger.engine)
        over_http = ledger_of(service, InProcess(service))
        here = replace(prepared, rt=replace(prepared.rt, ledger=over_http))
        for index, conversation in enumerate(document.transcript.conversations):
            results = list(runner.play(here, conversation, index))
            played = PlayedConversation(document, index, results)
            assert played.agrees, "\n" + "\n".join(lines(played))
    assert service.requests


def test_these_conversations_show_every_keyword() -> None:
    texts = [(TRANSCRIPTS / f"{name}.yaml").read_text() for name in SHOWN]
    shown = {keyword for text in texts for keyword in re.findall(r"keyword: (\w+)", text)}
    assert shown >= HANDLERS.keys()


def test_every_look_up_finds_what_the_database_holds(rt: Runtime, served: Runtime) -> None:
    ours, theirs, today = rt.ledger, served.ledger, rt.today
    for nkp in (P1_NKP, P2_NKP, NOBODY):
        assert theirs.participant(nkp) == ours.participant(nkp)
        assert theirs.balance(nkp, today) == ours.balance(nkp, today)
        assert theirs.last_contribution(nkp) == ours.last_contribution(nkp)
        assert theirs.pension_months(nkp) == ours.pension_months(nkp)
        assert theirs.programs(nkp) == ours.programs(nkp)
        assert theirs.claims(nkp) == ours.claims(nkp)
        for year in (2024, 2025, 2031):
            assert theirs.paid_in(nkp, year) == ours.paid_in(nkp, year)
    nik = ours.participant(P1_NKP).nik
    assert theirs.participants_of(nik) == ours.participants_of(nik) != []
    assert theirs.offices() == ours.offices() != []
    assert theirs.rates() == ours.rates() != []
    assert theirs.contact("call_centre") == ours.contact("call_centre") is not None


def test_a_batch_finds_the_same(rt: Runtime, served: Runtime) -> None:
    nkps = {P1_NKP, P2_NKP, NOBODY}
    fetched = BatchLedger(served.ledger, dict.fromkeys(("participant", "claims", "paid_in"), nkps))
    for nkp in nkps:
        assert fetched.participant(nkp) == rt.ledger.participant(nkp)
        assert fetched.claims(nkp) == rt.ledger.claims(nkp)
        assert fetched.paid_in(nkp, 2025) == rt.ledger.paid_in(nkp, 2025)


def test_fifty_messages_make_one_request(rt: Runtime, served: Runtime) -> None:
    bind_many(rt, 50)
    say(served, P1, "KONTAK")  # reads contacts, which are kept
    service = _service(served)
    service.requests.clear()
    calls = [
        partial(
            responder.respond,
            served,
            IncomingSms("simulator", f"batch-{i}", number(i), "2757", "SALDO"),
        )
        for i in range(50)
    ]
    made = [each.result() for each in together(served, calls)]
    assert all("Rp1.0" in each.reply.text for each in made)
    assert service.requests == ["POST /look-ups"]
    (asked,) = service.asked
    assert {name: len(numbers) for name, numbers in asked.items()} == {
        "participant": 50,
        "balance": 50,
        "last_contribution": 50,
    }


@pytest.mark.parametrize("text", BY_NKP)
def test_one_message_makes_one_request(served: Runtime, text: str) -> None:
    nik = served.ledger.participant(P1_NKP).nik
    say(served, P1, "KONTAK")
    service = _service(served)
    service.requests.clear()
    assert say(served, P1, text.format(nik=nik)).verdict.outcome == "answered"
    assert service.requests == ["POST /look-ups"]


@pytest.mark.parametrize("text", ["KANTOR JAKARTA", "INFO JHT", "KONTAK"])
def test_what_is_the_same_for_everybody_is_read_once(served: Runtime, text: str) -> None:
    service = _service(served)
    for _ in range(3):
        say(served, P1, text)
    assert service.requests == ["GET /reference"]


def test_more_than_fifty_numbers_are_several_requests(rt: Runtime, service: LedgerService) -> None:
    bind_many(rt, 120)
    nkps = [str(19_100_000_000 + i) for i in range(120)]
    fetched = BatchLedger(ledger_of(service), {"participant": nkps})
    assert all(fetched.participant(each) for each in nkps)
    assert [len(each["participant"]) for each in service.asked] == [50, 50, 20]


def test_connections_are_kept_open(served: Runtime) -> None:
    for _ in range(5):
        assert served.ledger.participant(P1_NKP)
    assert served.ledger.offices()
    assert _service(served).connections == 1


def test_a_connection_that_was_closed_meanwhile_is_made_anew(
    served: Runtime, service: LedgerService
) -> None:
    assert served.ledger.participant(P1_NKP)
    service.answers.append("reset")  # as a proxy does with one that was idle
    assert served.ledger.participant(P1_NKP)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, 300),
        ("public, max-age=600", 600),
        ("max-age=5", 60),
        ("max-age=999999", 3600),
        ("no-store", 300),
    ],
)
def test_the_service_says_how_long_offices_are_kept(
    rt: Runtime, said: str | None, seconds: int
) -> None:
    now = [0.0]
    with ledger_service(rt.ledger.engine, cache_control=said) as service:
        ledger = ledger_of(service, clock=lambda: now[0])
        before = ledger.offices()
        with rt.ledger.engine.begin() as connection:
            connection.execute(update(offices).values(name="another"))
        now[0] = seconds - 1
        assert ledger.offices() == before
        now[0] = seconds + 1
        assert {each.name for each in ledger.offices()} == {"another"}
    assert service.requests == ["GET /reference"] * 2


def test_the_call_centre_is_still_named_while_the_service_is_away(rt: Runtime) -> None:
    now = [0.0]
    with ledger_service(rt.ledger.engine) as service:
        ledger = ledger_of(service, clock=lambda: now[0])
        known = ledger.contact("call_centre")
        service.status, now[0] = 503, 4000.0
        assert ledger.contact("call_centre") == known is not None
        with pytest.raises(LedgerDown):
            ledger.offices()


def test_personal_data_is_in_bodies_alone(served: Runtime) -> None:
    for text in BY_NKP:
        say(served, P1, text.format(nik="3171012105900001"))
    service = _service(served)
    assert {each.partition("?")[0] for each in service.requests} == {
        "POST /look-ups",
        "GET /reference",
    }
    assert all(P1_NKP in str(each) or "3171" in str(each) for each in service.asked)


def test_a_made_up_participant_alone_is_shown_in_the_sandbox(served: Runtime) -> None:
    restricted = FictitiousLedger(served.ledger)
    assert restricted.participant(P1_NKP) is None
    assert restricted.participants_of(served.ledger.participant(P1_NKP).nik) == []
    assert restricted.offices() == served.ledger.offices()


def test_it_has_no_database(service: LedgerService) -> None:
    ledger = HttpLedger(ServiceClient(service.url, Credentials(), InProcess(service), 1.0))
    with pytest.raises(NoDatabase):
        _ = ledger.engine


def test_the_newest_come_first_however_the_service_sorts(
    rt: Runtime, service: LedgerService
) -> None:
    def turned(document: dict) -> dict:
        for answer in document.get("answers", {}).values():
            answer["rows"].sort(key=str)
        return document

    ledger = ledger_of(service)
    service.breaks = turned
    for nkp in (P1_NKP, P2_NKP):
        assert ledger.balance(nkp, date.max) == rt.ledger.balance(nkp, date.max)
        assert ledger.claims(nkp) == rt.ledger.claims(nkp)


def test_values_are_cleaned_as_a_database_s_are(rt: Runtime, service: LedgerService) -> None:
    def theirs(document: dict) -> dict:
        (row,) = document["answers"]["participant"]["rows"]
        row |= {
            "nkp": int(row["nkp"]),
            "phone": "0812-3456-7890 / 021 555 000",
            "status": "aktif",
            "birth_date": "1990-05-21T23:30:00+00:00",
            "email": " ratna@example.org ",
        }
        return document

    service.breaks = theirs
    person = ledger_of(service).participant(P1_NKP)
    assert (person.nkp, person.phone, person.status) == (P1_NKP, P1, "AKTIF")
    assert (person.email, str(person.birth_date)) == ("ratna@example.org", "1990-05-21")


def test_a_word_that_nobody_knows_is_a_hole(rt: Runtime, service: LedgerService) -> None:
    with rt.ledger.engine.begin() as connection:
        connection.execute(update(participants).values(status="PASIF"))
        connection.execute(update(claims).values(stage="SIAP"))
    ledger = ledger_of(service)
    assert ledger.participant(P1_NKP).status is None
    assert {each.stage for each in ledger.claims(P1_NKP)} <= {None}


def test_a_look_up_that_the_service_leaves_out_is_its_own(service: LedgerService) -> None:
    def leaves_out(document: dict) -> dict:
        answers = document["answers"]
        return document | {
            "answers": {
                name: {"error": "slow"} if name == "claims" else each
                for name, each in answers.items()
            }
        }

    service.breaks = leaves_out
    ledger = ledger_of(service)
    with pytest.raises(LookUpFailed):
        ledger.claims(P1_NKP)
    assert ledger.participant(P1_NKP)


def _service(rt: Runtime) -> LedgerService:
    made: LedgerService = rt.ledger.service
    return made
