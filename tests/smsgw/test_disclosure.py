"""Whatever is sent, from however many phones, no reply tells of a participant who is not bound to
the phone that reads it."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from grammar import Command
from handlers import HANDLERS
from handlers.question import Bound, Caller, Question, Verbatim
from smsgw import keywords, migrate, responder, runtime
from smsgw import settings as environment
from smsgw.carriers.base import IncomingSms
from smsgw.gsm7 import count as counted
from smsgw.ledger import SqlLedger
from smsgw.ledger.load import load, reference_folder
from smsgw.ledger.make import FIRST_NKP, make
from smsgw.limits import Counters
from smsgw.models import data_keys, service
from smsgw.models.ledger import participants
from smsgw.responder import Answer
from smsgw.runtime import Runtime
from smsgw.telling import Outgoing
from tests.conftest import KEY, Clock

_references = count()

Row = dict[str, str]


def held(name: str) -> list[Row]:
    text = (reference_folder() / f"{name}.csv").read_text("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


WORLD, BALANCES, CLAIMS = held("participants"), held("balances"), held("claims")


def amounts(nkp: str) -> set[str]:
    sums = ("contributions", "returns", "total")
    paid = [each[name] for each in BALANCES for name in sums if each["nkp"] == nkp]
    paid += [each["amount"] for each in CLAIMS if each["nkp"] == nkp]
    return {f"Rp{int(each):,}".replace(",", ".") for each in paid if int(each or 0) > 1_000}


def long_words(name: str) -> set[str]:
    return {part for part in name.split() if len(part) > 4}


def told_of(person: Row) -> set[str]:
    """What no reply to another's phone may hold; a phone in whatever form it is written."""
    year, month, day = (person["birth_date"] or "--").split("-")
    claims = {f"***{each['claim_no'][-4:]}" for each in CLAIMS if each["nkp"] == person["nkp"]}
    whole = {person["nik"], person["nkp"], person["email"], f"{day}-{month}-{year}"}
    phones = {person["phone"][3:], person["emergency_phone"][3:]}
    names = long_words(person["name"]) | long_words(person["emergency_name"])
    return (amounts(person["nkp"]) | claims | whole | phones | names) - {"", "--"}


TOLD_OF = {each["nkp"]: told_of(each) for each in WORLD}
CALLING = [each for each in WORLD if each["phone"]]
STRANGERS = ["+6289900000000", "+60123000001"]


@dataclass(frozen=True)
class Said:
    sender: str
    text: str  # "=code" stands for the last code that anybody was sent


@dataclass(frozen=True)
class Moved:
    """A branch office writes another number on file."""

    nkp: str
    phone: str


Step = Said | Moved


class Talk:
    """One conversation of several phones, and who may be told of whom: by what was said and
    answered and by the rules, whatever the service has written down."""

    def __init__(self, rt: Runtime, clock: Clock) -> None:
        self._rt, self._clock = rt, clock
        self._on_file = {each["nkp"]: each["phone"] for each in WORLD}
        self._bound: dict[str, tuple[str, str]] = {}  # by NKP: the phone, the number on file then
        self._codes: dict[str, tuple[str, str, str]] = {}  # asked from, for whom, sent to

    def take(self, step: Step) -> None:
        if isinstance(step, Moved):
            self._on_file[step.nkp] = step.phone
            put_on_file(self._rt, (step.nkp, step.phone))
            return
        self._clock.moves(minutes=1)
        text = step.text.replace("=code", next(reversed(self._codes), "BCDFGHJ"))
        answer = say(self._rt, step.sender, text)
        for sent in answer.also:
            self._notice(step.sender, sent)
        self._follow(step.sender, text, answer)
        if answer.reply is not None:
            self._judge(step, answer.reply.text, self._may_be_told(step.sender))

    def _notice(self, sender: str, sent: Outgoing) -> None:
        """A code goes to the number on file, news of a loss to who has lost."""
        nkp = shown_in(sent.text)
        assert nkp
        code = re.search(r"KODE ([B-Z]{7})\b", sent.text)
        if code is None:
            holder, _ = self._bound.get(nkp, (None, None))
            assert sent.recipient in {holder, self._on_file[nkp]}
        else:
            assert sent.recipient == self._on_file[nkp]
            self._codes[code[1]] = (sender, nkp, sent.recipient)
        self._judge(sent, sent.text, set())

    def _follow(self, sender: str, text: str, answer: Answer) -> None:
        keyword, outcome, reason = (
            *(answer.verdict.keyword, answer.verdict.outcome, answer.verdict.reason),
        )
        is_heeded = outcome == "answered" or (outcome == "silent" and reason != "duplicate")
        if keyword in {"ganti_hp", "bukan_saya"} and is_heeded:
            self._given_up(sender, is_disowned=keyword == "bukan_saya")
        shown = shown_in(answer.reply.text) if answer.reply and outcome == "answered" else None
        if keyword == "ya" and shown:
            assert self._on_file[shown] == sender
            self._bound[shown] = (sender, sender)
        if keyword == "kode" and shown:
            asker, wanted, on_file = self._codes[text.split()[-1]]
            assert (asker, wanted) == (sender, shown)
            self._bound[shown] = (sender, on_file)

    def _given_up(self, phone: str, *, is_disowned: bool) -> None:
        sent = [each for each in self._codes.values() if is_disowned and each[2] == phone]
        ended = {(asker, nkp) for asker, nkp, _ in sent} | {(phone, nkp) for nkp in TOLD_OF}
        self._bound = {nkp: by for nkp, by in self._bound.items() if (by[0], nkp) not in ended}

    def _may_be_told(self, phone: str) -> set[str]:
        return {
            nkp
            for nkp, (holder, on_file) in self._bound.items()
            if holder == phone and on_file == self._on_file[nkp]
        }

    def _judge(self, what: object, text: str, of: set[str]) -> None:
        own = set().union(*(TOLD_OF[nkp] for nkp in of))
        secret = set().union(*(TOLD_OF[nkp] for nkp in TOLD_OF.keys() - of)) - own
        assert not {part for part in secret if part in text}, (what, text)


def shown_in(text: str) -> str | None:
    """The NKP whose end a reply shows first."""
    shown = re.search(r"\*{7}(\d{4})", text)
    return next((each for each in TOLD_OF if shown and each.endswith(shown[1])), None)


def daftar(person: Row) -> str:
    born = "-".join(reversed(person["birth_date"].split("-")))
    return f"DAFTAR SALDO#{person['nik']}#{person['name']}#{born}#{person['nkp']}"


WORDS = [word for usage in keywords.shipped().usage.values() for word in usage.split()]
PARTS = ("nkp", "nik", "name", "phone", "email", "emergency_phone")
IDENTITIES = [each[field] for each in WORLD for field in PARTS if each[field]]
texts = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            [*WORDS, *IDENTITIES, "#", "17-08-1990", "10-10-1992", "KODE BCDFGHJ", "A", "B", "2025"]
        ),
        max_size=8,
    ).map(" ".join),
    st.sampled_from(CALLING).map(daftar),
)
OWN = ["SALDO", "IURAN", "IURAN 2025", "STATUS", "DATA", "KLAIM", "JP", "LANJUT", "BAHASA EN"]
OWN += ["A", "B", "YA", "TIDAK", "GANTI HP", "BUKAN SAYA", "KODE =code"]
OFTEN = ["SALDO", "ULANG", "ULANG", "BUKAN SAYA"]


def agrees(person: Row, phone: str) -> tuple[Step, ...]:
    """Which it may where it is on file."""
    return Said(phone, f"SALDO {person['nkp']}"), Said(phone, "YA")


def moves(person: Row, phone: str) -> tuple[Step, ...]:
    return Moved(person["nkp"], phone), *agrees(person, phone)


def agrees_late(person: Row, phone: str) -> tuple[Step, ...]:
    """Asked while it was on file."""
    nkp = person["nkp"]
    asked = Moved(nkp, phone), Said(phone, f"SALDO {nkp}")
    return *asked, Moved(nkp, STRANGERS[0]), Said(phone, "YA")


def writes(person: Row, phone: str) -> tuple[Step, ...]:
    return Said(phone, daftar(person)), Said(phone, "KODE =code")


Taking = Callable[[Row, str], tuple[Step, ...]]
Scene = tuple[Taking, int, int, list[tuple[int, str]]]


def conversation(people: list[Row], stranger: str | None, scenes: list[Scene]) -> list[Step]:
    """Of two or three phones, which take one or two participants from each other. With no stranger,
    one whose number ends as the first one's does."""
    own = [each["phone"] for each in people]
    phones = [*own, stranger or f"+62811{own[0][-8:]}"]
    steps: list[Step] = []
    for takes, whom, by, asked in scenes:
        steps += takes(people[whom % len(people)], phones[by % len(phones)])
        steps += [Said(phones[number % len(phones)], text) for number, text in asked]
    return steps


number = st.integers(0, 5)
said = st.one_of(st.sampled_from(OFTEN), st.sampled_from(OWN), texts)
scenes = st.tuples(
    st.sampled_from([agrees, moves, writes, agrees_late]),
    *(number, number),
    st.lists(st.tuples(number, said), min_size=1, max_size=3),
)
conversations = st.builds(
    conversation,
    st.lists(st.sampled_from(CALLING), min_size=1, max_size=2),
    st.sampled_from([*STRANGERS, None]),
    st.lists(scenes, min_size=2, max_size=4),
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    made = environment.load({"SMSGW_HOME": str(tmp_path), "SMSGW_SECRET_KEY": KEY})
    rt = runtime.build(made, now=clock)
    migrate.upgrade(rt.service, "service")
    migrate.upgrade(rt.ledger.engine, "ledger")
    load(rt.ledger.engine, reference_folder())
    yield rt
    rt.close()


def say(rt: Runtime, sender: str, text: str) -> Answer:
    sms = IncomingSms("simulator", f"d{next(_references)}", sender, "2757", text)
    answer = responder.respond(rt, sms)
    assert answer is not None
    return answer


def put_on_file(rt: Runtime, *numbers: tuple[str, str]) -> None:
    """(NKP, phone) each."""
    with rt.ledger.engine.begin() as connection:
        for nkp, phone in numbers:
            whose = participants.update().where(participants.c.nkp == nkp)
            connection.execute(whose.values(phone=phone))


def begun(rt: Runtime) -> Runtime:
    """Nobody has said anything, and the ledger is as it was."""
    with rt.writing() as tx:
        for table in reversed(service.sorted_tables):
            if table is not data_keys:
                tx.connection.execute(table.delete())
    put_on_file(rt, *((person["nkp"], person["phone"]) for person in CALLING))
    return replace(rt, counters=Counters())


ANI, BUDI = CALLING[:2]  # each on file by a number of their own


@given(conversations)
@example([*agrees(ANI, ANI["phone"]), *moves(ANI, BUDI["phone"]), Said(ANI["phone"], "ULANG")])
@example([*agrees(ANI, ANI["phone"]), *writes(ANI, STRANGERS[0]), Said(ANI["phone"], "ULANG")])
@example([*writes(ANI, STRANGERS[0]), Said(ANI["phone"], "BUKAN SAYA"), Said(STRANGERS[0], "DATA")])
@example([*agrees(ANI, ANI["phone"]), Said(ANI["phone"], "GANTI HP"), Said(ANI["phone"], "DATA")])
@example([*agrees_late(ANI, BUDI["phone"])])
@settings(
    max_examples=35,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink a conversation takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_reply_tells_of_somebody_else(world: Runtime, clock: Clock, said: list[Step]) -> None:
    talk = Talk(begun(world), clock)
    for step in said:
        talk.take(step)


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
    """The reference ledger and a thousand made participants."""
    engine = runtime.engine(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db")
    migrate.upgrade(engine, "ledger")
    load(engine, reference_folder())
    make(engine, MADE)
    yield SqlLedger(engine)
    engine.dispose()


def told(ledger: SqlLedger, asked: str, nkp: str) -> Iterator[str]:
    """What the phone that `nkp` is bound to is answered, in both languages."""
    keyword = asked.partition(" ")[0]
    said = Command(keyword, {"nkp": nkp, **ASKED[asked]}, keyword, "")
    caller = Caller(STRANGERS[0], bound=(Bound(nkp),))
    published = keywords.shipped()
    question = Question(said, caller, ledger, published.usage, datetime(2025, 10, 31, tzinfo=UTC))
    reply = HANDLERS[keyword].answer(question)
    assert reply.outcome == "answered"
    for language in keywords.LANGUAGES:
        for each in (reply, *reply.pages):
            yield published.text(each.wording, {**each.values, **EVERYWHERE}, language)


@pytest.mark.parametrize("asked", ASKED)
def test_every_participant_is_answered_in_one_segment(ledger: SqlLedger, asked: str) -> None:
    """Those of the reference ledger and a thousand made ones."""
    made = [str(FIRST_NKP + number) for number in range(MADE)]
    nkps = [*(each["nkp"] for each in WORLD), *made]
    texts = [text for nkp in nkps for text in told(ledger, asked, nkp)]
    costs = {(cost.encoding, cost.segments) for cost in map(counted, texts)}
    assert (costs, len(texts) >= 2 * len(nkps)) == ({("GSM-7", 1)}, True)


def fives(number: str) -> set[str]:
    """All that has five characters and stands in it."""
    return {number[at : at + 5] for at in range(len(number) - 4)}


@pytest.mark.parametrize("asked", ABOUT_THEM)
def test_nobody_reads_more_than_the_end_of_a_number_not_even_their_own(
    ledger: SqlLedger, asked: str
) -> None:
    """An SMS is read over a shoulder, and a phone is lost."""
    for person in WORLD:
        numbers = {person[name] for name in ("nkp", "nik", "email")}
        numbers |= {person[name][3:] for name in ("phone", "emergency_phone")}
        numbers |= {each["claim_no"] for each in CLAIMS if each["nkp"] == person["nkp"]}
        names = {person[name] for name in NAMES if " " in person[name]}
        for text in told(ledger, asked, person["nkp"]):
            assert [each for each in numbers if any(part in text for part in fives(each))] == []
            assert [each for each in names if each in text] == []
