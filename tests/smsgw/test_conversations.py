"""Plays random conversations of three phones over random ledgers. Nothing of a participant is
disclosed to a phone that is not bound to them at that moment, neither when it is answered nor when
the reply is sent, and a participant's number on file gets two codes a day.

What may be told an onlooker says who knows the rules and what was said, not what is stored. With
SMSGW_TEST_DEPTH=100 there are a hundred times as many conversations.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count, permutations
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, insert, select

from handlers.changes import RegistrationForm
from handlers.ports import Contact, LedgerDown
from smsgw import responder, runtime
from smsgw import settings as environment
from smsgw.backoffice import casework, resend
from smsgw.backoffice.casework import CaseworkError, RejectionWording
from smsgw.backoffice.resend import NotResent
from smsgw.carriers.carrier import IncomingSms, OutgoingSms
from smsgw.carriers.simulator import Simulator
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import dispatch, leases
from smsgw.messaging.answer import Answer
from smsgw.messaging.leases import record
from smsgw.operations import clock, jobs
from smsgw.registry import freezes, registrations
from smsgw.runtime import Runtime
from smsgw.storage import engines, migrations
from smsgw.storage.counters import Counters
from smsgw.storage.tables.ledger import balances, claims, contributions, participants
from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.security import Ciphertext
from tests.conftest import KEY, Clock
from tests.support import database_images, depth
from tests.support.onlooker import HeardMessage, Onlooker, Person

A, B, C = PHONES = ("+6281234567890", "+6285612345678", "+6289900000000")
ELSEWHERE = "+6281111111111"
CARRIER, SENDER_ID = "simulator", "2757"
AT_ONCE = 100
ANI, BUDI = OFFICERS = ("operator:ani", "operator:budi")
NAMES = ("Sulistiowati", "Nurhaliza", "Simatupang")
NIKS = ("3171011708900011", "3273055010920022", None)
FRESH = timedelta(minutes=1)
_references = count()


@dataclass(frozen=True)
class Enrolled:
    """Describes a participant as a ledger begins; each amount, word and day of theirs is nobody
    else's."""

    number: int  # below 3
    on_file: str | None
    nik: str | None

    @property
    def nkp(self) -> str:
        return f"2{self.number}00000{str(self.number) * 2}1{self.number}"

    @property
    def name(self) -> str:
        return NAMES[self.number]

    @property
    def born(self) -> date:
        return date(1960 + self.number, 2, 3 + self.number)

    @property
    def person(self) -> Person:
        words = {self.name, self.name.upper(), self._kin, f"***77{self.number}3"}
        days = {f"{each:%d-%m-%Y}" for each in (self.born, self._as_of, self._since)}
        sums = {self._total, self._total - 777, self._paid * self._months}
        amounts = {f"Rp{each:,}".replace(",", ".") for each in sums}
        months = {
            f"{self._month:%m-%Y}",
            f": iuran {self._months} bulan",
            f": {self._months} months",
        }
        return Person(self.nkp, self.nik, frozenset(words | days | amounts | months))

    @property
    def _kin(self) -> str:
        return ("Wulandari", "Hutapea", "Pattiasina")[self.number]

    @property
    def _total(self) -> int:
        return 10_000_019 * (self.number + 1)

    @property
    def _paid(self) -> int:
        return 10_101 * (self.number + 3)

    @property
    def _months(self) -> int:
        return 2 + self.number

    @property
    def _month(self) -> date:
        """Returns the last month that was paid for."""
        return date(2024, 4 * self.number + 2 + self.number, 1)

    @property
    def _as_of(self) -> date:
        return date(2025, 4 + self.number, 11 + self.number)

    @property
    def _since(self) -> date:
        return date(2011 + self.number, 5, 21 + self.number)

    def store(self, engine: Engine) -> None:
        nkp = {"nkp": self.nkp}
        person = nkp | {"nik": self.nik, "name": self.name, "birth_date": self.born}
        person |= {"phone": self.on_file, "status": "AKTIF", "status_since": self._since}
        person |= {"emergency_name": self._kin}
        held = nkp | {"as_of": self._as_of, "total": self._total}
        held |= {"contributions": self._total - 777}
        claim = nkp | {"claim_no": f"KLM25010177{self.number}3", "program": "JHT"}
        claim |= {"stage": "SELESAI", "updated_on": self._since, "amount": self._total}
        months = [self._month.replace(month=self._month.month - back) for back in self._past]
        paid = [nkp | {"month": each, "jht": self._paid, "jp": 1} for each in months]
        with engine.begin() as connection:
            connection.execute(insert(participants).values(person))
            connection.execute(insert(balances).values(held))
            connection.execute(insert(claims).values(claim))
            connection.execute(insert(contributions), paid)

    @property
    def _past(self) -> range:
        return range(min(self._months, self._month.month))

    def daftar(self, wrong: str = "") -> str:
        nik = self.nik or "3171000000000000"
        nik = nik if wrong != "nik" else f"{nik[:-1]}9"
        born = self.born if wrong != "day" else self.born + timedelta(days=1)
        name = self.name if wrong != "name" else "ORANG LAIN"
        return f"DAFTAR SALDO#{nik}#{name}#{born:%d-%m-%Y}#{self.nkp}"


@dataclass(frozen=True)
class Text:
    sender: str
    text: str  # "=code" stands for the last code that anybody was sent


@dataclass(frozen=True)
class Officer:
    """Decides about the registration that waits longest, or ends the freeze that stands first."""

    does: str  # look, accept, refuse, thaw
    who: str = ANI


@dataclass(frozen=True)
class Meanwhile:
    """Happens at one instant: each has been decided, and is not stored, when the next one comes."""

    acts: tuple["Text | Officer", ...]


@dataclass(frozen=True)
class Moved:
    """A branch office writes another number on file, or none."""

    nkp: str
    phone: str | None


@dataclass(frozen=True)
class Resent:
    """Resends, by an officer, the reply that is so many before the last."""

    back: int


@dataclass(frozen=True)
class Ledger:
    is_up: bool


@dataclass(frozen=True)
class Passes:
    span: timedelta


@dataclass(frozen=True)
class Sends:
    """Sends what is due."""


Step = Text | Officer | Meanwhile | Moved | Resent | Ledger | Passes | Sends
Event = Callable[[Onlooker], None]


class Slow(SqlLedger):
    """Lets other things happen during the last look-up."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.meanwhile: list[Callable[[], None]] = []

    def contact(self, channel: str) -> Contact | None:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return super().contact(channel)


class Recorder(Simulator):
    """Sends nothing, and keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[OutgoingSms] = []

    def send(self, sms: OutgoingSms) -> str:
        self.sent.append(sms)
        return super().send(sms)


class Conversation:
    """Plays steps to the service, and shows an onlooker what comes of them. Nobody knows the order
    of what happens at one instant, so each order makes an onlooker of its own; it is enough if one
    of them has no objection."""

    def __init__(self, rt: Runtime, away: Slow, clock: Clock, ledger: Sequence[Enrolled]) -> None:
        self._carrier, self._up = Recorder(), Slow(rt.ledger.engine)
        self._rt = replace(
            rt,
            counters=Counters(),
            carriers={"simulator": self._carrier},
            ledger=self._up,
            random=Random("conversation"),
        )
        self._ledger, self._away, self._clock = self._up, away, clock
        self._enrolled = {each.nkp: each for each in ledger}
        people = {each.nkp: each.person for each in ledger}
        on_file = {each.nkp: each.on_file for each in ledger}
        self.onlookers = [Onlooker(people, clock, on_file)]
        self._owed: dict[int, tuple[Text, datetime]] = {}
        self._made: dict[tuple[str, str], datetime] = {}  # when, by phone and text
        self._resent_at: datetime | None = None
        self._looked: set[tuple[int, str]] = set()
        self._agreed: dict[int, str] = {}

    def take(self, step: Step) -> None:
        match step:
            case Text() | Officer():
                self._take_at_once([step])
            case Meanwhile(acts):
                self._take_at_once(acts)
            case Moved(nkp, phone):
                self._move(nkp, phone)
            case Resent(back):
                self._send_again(back)
            case Ledger(is_up):
                self._turn(is_up=is_up)
            case Passes(span):
                self._clock.now += span
                self._settle()
            case Sends():
                self._send()

    def end(self) -> None:
        self._turn(is_up=True)
        self._send()

    def _take_at_once(self, acts: Iterable[Text | Officer]) -> None:
        if any(isinstance(each, Text) for each in acts):
            self._clock.moves(seconds=50)
        events: list[Event] = []
        started = [self._starting(each, events) for each in acts]
        self._ledger.meanwhile = started[1:]
        started[0]()
        while self._ledger.meanwhile:  # what was not asked of the ledger took no time
            self._ledger.meanwhile.pop(0)()
        self._show(events)

    def _starting(self, act: Text | Officer, events: list[Event]) -> Callable[[], None]:
        does = self._say if isinstance(act, Text) else self._decide

        def start() -> None:
            events.extend(does(act))

        return start

    def _show(self, events: Sequence[Event]) -> None:
        """Shows the events in any order."""
        left: list[Onlooker] = []
        surprise = None
        for onlooker in self.onlookers:
            for order in permutations(events):
                seen = onlooker.copy()
                try:
                    for event in order:
                        event(seen)
                except AssertionError as error:
                    surprise = error
                else:
                    left += [] if seen in left else [seen]
        if surprise is not None and not left:
            raise surprise
        self.onlookers = left

    def _say(self, said: Text) -> list[Event]:
        text = said.text.replace("=code", self._last_code())
        sms = IncomingSms("simulator", f"o{next(_references)}", said.sender, "2757", text)
        answer = responder.respond(self._rt, sms)
        assert answer is not None
        if answer.verdict.outcome == "unavailable":
            self._owed[answer.message_id] = replace(said, text=text), self._clock.now
        return [self._heard(said.sender, text, self._clock.now, answer)]

    def _heard(self, sender: str, text: str, asked_at: datetime, answer: Answer) -> Event:
        answers = (answer.reply, *answer.also) if answer.reply else answer.also
        self._made |= {(each.recipient, each.text): self._clock.now for each in answers}
        heard = HeardMessage(
            sender,
            text,
            asked_at,
            answer.verdict.keyword,
            str(answer.verdict.outcome),
            reply=answer.reply.text if answer.reply else None,
            notices=tuple((each.recipient, each.text) for each in answer.also),
        )
        return lambda onlooker: onlooker.hear(heard)

    def _last_code(self) -> str:
        texts = [code.text for each in self.onlookers for code in each.codes[-1:]]
        return texts[-1] if texts else "BCDFGHJ"

    def _move(self, nkp: str, phone: str | None) -> None:
        with self._up.engine.begin() as connection:
            whose = participants.update().where(participants.c.nkp == nkp)
            connection.execute(whose.values(phone=phone))
        self._show([lambda onlooker: onlooker.move(nkp, phone)])

    def _turn(self, *, is_up: bool) -> None:
        self._ledger = self._up if is_up else self._away
        self._rt = replace(self._rt, ledger=self._ledger)
        self._show([lambda onlooker: onlooker.turn(is_up=is_up)])
        self._settle()

    def _settle(self) -> None:
        """Does the clock's work: gives deferred answers and drops late ones."""
        clock.sweep(self._rt)
        for answer in jobs.give_deferred_answers(self._rt):
            said, asked_at = self._owed.pop(answer.message_id)
            self._show([self._heard(said.sender, said.text, asked_at, answer)])

    def _send(self) -> None:
        with self._rt.writing() as tx:
            due = leases.claim(tx, CARRIER, SENDER_ID, AT_ONCE)
        for claim in due:
            self._carrier.sent.clear()
            result = dispatch.send_lease(self._rt, CARRIER, claim)
            for sms in self._carrier.sent:
                self._show([self._arrival(sms)])
            with self._rt.writing() as tx:
                record(tx, [result])

    def _arrival(self, sms: OutgoingSms) -> Event:
        made = self._made.get((sms.recipient, sms.text))
        times = [each for each in (made, self._resent_at) if each is not None]
        is_fresh = any(self._clock.now - each < FRESH for each in times)
        return lambda onlooker: onlooker.judge(sms.recipient, sms.text, is_fresh=is_fresh)

    def _decide(self, act: Officer) -> list[Event]:
        with suppress(CaseworkError, LedgerDown):
            if act.does == "thaw":
                return self._thaw()
            return self._decide_first(act)
        return []

    def _decide_first(self, act: Officer) -> list[Event]:
        with self._rt.reading() as tx:
            row = next(iter(registrations.waiting(tx, 0, 1)), None)
            given = registrations.submitted_form(tx, row) if row else None
            number = Ciphertext.PHONE
            phone = tx.opened(row.phone, number, row.phone_id, row.phone_hash) if row else None
        if row is None or given is None or phone is None:
            return []
        if act.does == "look":
            with self._rt.writing() as tx:
                registrations.record_look(tx, row.id, act.who)
            self._looked.add((row.id, act.who))
        elif act.does == "refuse":
            casework.refuse(self._rt, row.id, act.who, "no", RejectionWording.DIFFERS)
        else:
            return self._accept(row.id, given, phone, act.who)
        return []

    def _accept(
        self, registration_id: int, given: RegistrationForm, phone: str, who: str
    ) -> list[Event]:
        sent = casework.accept(self._rt, registration_id, who, "KTP seen")
        assert (registration_id, who) in self._looked, "an officer accepted without a look"
        first = self._agreed.setdefault(registration_id, who)
        if sent is None:
            return []
        enrolled = self._enrolled[given.nkp]
        is_same = (given.nik, given.birth_date) == (enrolled.nik, enrolled.born)
        is_named = (given.name or "").upper() == enrolled.name.upper()
        assert first != who or (is_same and is_named), "one officer bound what differs"
        self._made |= {(each.recipient, each.text): self._clock.now for each in sent}

        def see(onlooker: Onlooker) -> None:
            onlooker.accept(given.nkp, phone)
            for each in sent:
                onlooker.notice(phone, each.recipient, each.text)

        return [see]

    def _thaw(self) -> list[Event]:
        with self._rt.writing() as tx:
            ended = [freezes.end(tx, each.key) for each in freezes.blocked_participants(tx, 1)]
            thawed = [nkp for nkp in self._enrolled if tx.vault.hash(nkp, "nkp") in ended]
        return [lambda onlooker, nkp=nkp: onlooker.thaw(nkp) for nkp in thawed]

    def _send_again(self, back: int) -> None:
        with self._rt.reading() as tx:
            last = tx.connection.execute(select(func.max(replies.c.id))).scalar_one() or 0
        with suppress(NotResent):
            resend.resend(self._rt, max(last - back, 1), ANI, "lost")
            self._resent_at = self._clock.now


class World:
    """Starts a service anew for each conversation."""

    def __init__(self, rt: Runtime, away: Slow, clock: Clock) -> None:
        self._rt, self._away, self._clock = rt, away, clock
        self._service = database_images.take_image(rt.service)
        self._ledger = database_images.take_image(rt.ledger.engine)

    def begin(self, ledger: Sequence[Enrolled]) -> Conversation:
        database_images.restore_image(self._rt.service, self._service)
        database_images.restore_image(self._rt.ledger.engine, self._ledger)
        for each in ledger:
            each.store(self._rt.ledger.engine)
        self._clock.now = Clock().now
        return Conversation(self._rt, self._away, self._clock, ledger)

    def play(self, ledger: Sequence[Enrolled], steps: Iterable[Step]) -> Conversation:
        conversation = self.begin(ledger)
        for step in steps:
            conversation.take(step)
        conversation.end()
        return conversation


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Builds a world on SQLite in memory."""
    clock, nowhere = Clock(), tmp_path_factory.mktemp("away") / "gone" / "ledger.db"
    environ = {"DATABASE_URL": "sqlite://", "LEDGER_URL": "sqlite://", "SMSGW_SECRET_KEY": KEY}
    built = runtime.build(environment.load(environ), now=clock)
    rt = replace(built, redis=None, redis_url=None)
    migrations.upgrade(rt.service, "service")
    migrations.upgrade(rt.ledger.engine, "ledger")
    rt.vault.refresh()
    away = Slow(engines.engine(f"sqlite:///{nowhere}"))
    yield World(rt, away, clock)
    rt.close()


Taking = Callable[[Enrolled, str, str], tuple[Step, ...]]  # a participant, a phone, another one
MINUTES, HOURS, DAYS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ABOUT = ("SALDO", "IURAN", "IURAN 2024", "STATUS", "DATA", "KLAIM", "JP")


def ask(who: Enrolled, by: str, _: str) -> tuple[Step, ...]:
    return Text(by, f"SALDO {who.nkp}"), Text(by, "YA")


def agree(who: Enrolled, by: str, _: str) -> tuple[Step, ...]:
    return Moved(who.nkp, by), *ask(who, by, _)


def agree_late(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    asked = Moved(who.nkp, by), Text(by, f"SALDO {who.nkp}")
    return *asked, Moved(who.nkp, other), Text(by, "YA")


def agree_again(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    """Agrees again after the number was somebody else's."""
    meanwhile = Moved(who.nkp, other), Text(by, "SALDO")
    return *agree(who, by, other), *meanwhile, *agree(who, by, other)


def lose(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    """Asks again for what was disclosed, once the number is another's."""
    steps = *agree(who, by, other), Text(by, "DATA"), Moved(who.nkp, other)
    return *steps, Sends(), Resent(0), Text(by, "ULANG"), Sends()


def register(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    return Moved(who.nkp, other), Text(by, who.daftar()), Text(by, "KODE =code")


def register_late(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    return (
        Moved(who.nkp, other),
        Text(by, who.daftar()),
        Passes(10 * MINUTES),
        Text(by, "KODE =code"),
    )


def register_after(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    """Changes the number on file between the code and its use."""
    sent = Moved(who.nkp, other), Text(by, who.daftar()), Moved(who.nkp, ELSEWHERE)
    return *sent, Text(by, "KODE =code"), Text(by, "SALDO")


def borrow(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    """Uses another phone's code."""
    return Moved(who.nkp, ELSEWHERE), Text(other, who.daftar()), Text(by, "KODE =code")


def guess(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    wrong = (Text(by, f"KODE BCDFGH{letter}") for letter in "JKL")
    return Moved(who.nkp, other), Text(by, who.daftar()), *wrong, Text(by, "KODE =code")


def register_thrice(who: Enrolled, _: str, __: str) -> tuple[Step, ...]:
    return Moved(who.nkp, ELSEWHERE), *(Text(phone, who.daftar()) for phone in PHONES)


def register_at_once(who: Enrolled, _: str, __: str) -> tuple[Step, ...]:
    return Moved(who.nkp, ELSEWHERE), Meanwhile(tuple(Text(each, who.daftar()) for each in PHONES))


def take_over(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    """Asks at the instant at which the other becomes the phone."""
    bound = *agree(who, other, by), Text(by, who.daftar())
    return *bound, Meanwhile((Text(other, "DATA"), Text(by, "KODE =code")))


def disown(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    sent = Moved(who.nkp, other), Text(by, who.daftar())
    return *sent, Text(other, "BUKAN SAYA"), Text(by, "KODE =code"), Text(by, who.daftar())


def disown_at_once(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    sent = Moved(who.nkp, other), Text(by, who.daftar())
    return *sent, Meanwhile((Text(by, "KODE =code"), Text(other, "BUKAN SAYA"))), Text(by, "SALDO")


def disown_twice(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    heard = Moved(who.nkp, other), Text(other, "BUKAN SAYA")
    return *heard, *disown(who, by, other)[1:]


def reject(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    sent = Moved(who.nkp, other), Text(by, who.daftar())
    return *sent, Text(other, "TOLAK"), Text(by, "KODE =code"), Text(by, who.daftar())


def reject_at_once(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    sent = Moved(who.nkp, other), Text(by, who.daftar())
    return *sent, Meanwhile((Text(by, "KODE =code"), Text(other, "TOLAK")))


def accepted(who: Enrolled, by: str, wrong: str = "nik") -> tuple[Step, ...]:
    seen = Text(by, who.daftar(wrong)), Officer("look", ANI), Officer("accept", ANI)
    return *seen, Officer("look", BUDI), Officer("accept", BUDI)


def be_accepted(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    waits = *accepted(who, by), Text(by, "SALDO"), Passes(13 * HOURS), Text(by, "SALDO")
    return Moved(who.nkp, other), *waits


def be_accepted_alone(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    return Moved(who.nkp, other), *accepted(who, by, "")[:3], Passes(13 * HOURS), Text(by, "SALDO")


def be_accepted_unseen(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    """Accepts by officers who have not looked, or by one alone where something differs."""
    unseen = Moved(who.nkp, other), Text(by, who.daftar("day")), Officer("accept", ANI)
    return *unseen, Officer("look", ANI), Officer("accept", ANI), Officer("accept", ANI)


def be_accepted_unknown(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    """Accepts with no number on file, and one later."""
    waits = *accepted(who, by), Passes(13 * HOURS), Text(by, "SALDO")
    return Moved(who.nkp, None), *waits, Moved(who.nkp, other), Text(by, "SALDO")


def be_disowned(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    waits = Text(other, "BUKAN SAYA"), Passes(13 * HOURS), Text(by, "SALDO")
    return Moved(who.nkp, other), *accepted(who, by), *waits


def be_disowned_at_once(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    seen = Moved(who.nkp, other), Text(by, who.daftar()), Officer("look", ANI)
    meanwhile = Meanwhile((Officer("accept", ANI), Text(other, "BUKAN SAYA")))
    return *seen, meanwhile, Passes(13 * HOURS), Text(by, "SALDO")


def be_silent(who: Enrolled, by: str, _: str) -> tuple[Step, ...]:
    idle = Passes(61 * DAYS), Text(by, "SALDO"), Text(by, "9999"), Text(by, "DATA")
    return *agree(who, by, _), *idle, Text(by, (who.nik or "0000")[-4:]), Text(by, "ULANG")


def be_silent_for_long(who: Enrolled, by: str, _: str) -> tuple[Step, ...]:
    idle = Passes(366 * DAYS), Text(by, "SALDO"), Text(by, (who.nik or "0000")[-4:])
    return *agree(who, by, _), *idle


def wait_for_the_ledger(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    asked = *agree(who, by, other), Ledger(is_up=False), Text(by, "SALDO"), Text(by, "ULANG")
    return *asked, Sends(), Moved(who.nkp, other), Ledger(is_up=True), Sends()


def send_late(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    """Asks while the ledger is unavailable, before the number becomes another's."""
    steps = *agree(who, by, other), Text(by, "DATA"), Ledger(is_up=False), Passes(2 * MINUTES)
    return *steps, Sends(), Moved(who.nkp, other), Ledger(is_up=True), Passes(5 * MINUTES), Sends()


def give_up(who: Enrolled, by: str, other: str) -> tuple[Step, ...]:
    steps = *agree(who, by, other), Text(by, "DATA"), Text(by, "GANTI HP")
    return *steps, Text(by, "ULANG"), Text(by, "DATA"), Sends()


SCENES: tuple[Taking, ...] = (
    ask,
    agree,
    agree_late,
    agree_again,
    lose,
    register,
    register_late,
    register_after,
    borrow,
    guess,
    register_thrice,
    register_at_once,
    take_over,
    disown,
    disown_at_once,
    disown_twice,
    reject,
    reject_at_once,
    be_accepted,
    be_accepted_alone,
    be_accepted_unseen,
    be_accepted_unknown,
    be_disowned,
    be_disowned_at_once,
    be_silent,
    be_silent_for_long,
    wait_for_the_ledger,
    send_late,
    give_up,
)
PLAIN = (*ABOUT, "ULANG", "ULANG", "LANJUT", "BAHASA EN", "A", "B", "YA", "TIDAK", "GANTI HP")
PLAIN += ("BUKAN SAYA", "TOLAK", "KODE =code", "KODE =code", "STOP", "BANTUAN", "0011", "0022")
NAMING = ("SALDO {nkp}", "{nkp}", "DATA {nkp}", "SALDO {nik}", "KLAIM KLM2501017703")
SPANS = (2 * MINUTES, 11 * MINUTES, HOURS, 13 * HOURS, 25 * HOURS, 61 * DAYS, 366 * DAYS)
enrolled = st.tuples(
    st.sampled_from([*PHONES, *PHONES, ELSEWHERE, None]), st.sampled_from([*NIKS, NIKS[0]])
)


@dataclass(frozen=True)
class Play:
    ledger: tuple[Enrolled, ...]
    steps: tuple[Step, ...]


def said(ledger: Sequence[Enrolled]) -> st.SearchStrategy[Text]:
    named = [text.format(nkp=each.nkp, nik=each.nik) for text in NAMING for each in ledger]
    wrong = ("", "", "nik", "day", "name")
    named += [each.daftar(how) for how in wrong for each in ledger]
    texts = st.one_of(*map(st.sampled_from, (PLAIN, ABOUT, named)))
    return st.builds(Text, st.sampled_from(PHONES), texts)


def interludes(ledger: Sequence[Enrolled]) -> st.SearchStrategy[Step]:
    """Yields what may happen between scenes."""
    nkps, numbers = [each.nkp for each in ledger], [*PHONES, ELSEWHERE, None]
    says, does = said(ledger), st.sampled_from(["look", "accept", "refuse", "thaw"])
    decides = st.builds(Officer, does, st.sampled_from(OFFICERS))
    at_once = st.lists(st.one_of(says, says, says, decides), min_size=2, max_size=3).map(tuple)
    return st.one_of(
        says,
        says,
        says,
        says,
        decides,
        decides,
        st.builds(Meanwhile, at_once),
        st.builds(Moved, st.sampled_from(nkps), st.sampled_from(numbers)),
        st.builds(Resent, st.integers(0, 3)),
        st.builds(Ledger, st.booleans()),
        st.builds(Passes, st.sampled_from(SPANS)),
        st.just(Sends()),
    )


def within(scene: Sequence[Step], at: int, happens: Sequence[Step]) -> tuple[Step, ...]:
    """Returns a scene during which something else happens."""
    at %= len(scene) + 1
    return *scene[:at], *happens, *scene[at:]


@st.composite
def plays(draw: st.DrawFn) -> Play:
    held = draw(st.lists(enrolled, min_size=1, max_size=3))
    ledger = tuple(Enrolled(number, *each) for number, each in enumerate(held))
    phones = st.permutations(PHONES)
    happens = st.lists(interludes(ledger), max_size=3)
    steps: tuple[Step, ...] = ()
    for _ in range(draw(st.integers(1, 3))):
        by, other, _third = draw(phones)
        scene = draw(st.sampled_from(SCENES))(draw(st.sampled_from(ledger)), by, other)
        steps += within(scene, draw(st.integers(0, 8)), draw(happens))
    return Play(ledger, (*steps, *draw(happens)))


ALONE = (Enrolled(0, A, NIKS[0]),)
(ONE,) = ALONE


@given(plays())
@example(Play(ALONE, (*agree(ONE, A, B), *agree(ONE, B, A), Text(A, "ULANG"))))
@example(Play(ALONE, (*agree(ONE, A, B), *register(ONE, C, A), Text(A, "ULANG"))))
@depth.examples(150)
def test_no_reply_discloses_another_participant(world: World, play: Play) -> None:
    world.play(play.ledger, play.steps)


@pytest.mark.parametrize("language", ["ID", "EN"])
@pytest.mark.parametrize("asked", ABOUT)
def test_the_onlooker_catches_a_disclosure(world: World, asked: str, language: str) -> None:
    """An onlooker who knows of no binding objects."""
    conversation = world.play(ALONE, (*agree(ONE, A, B), Text(A, f"BAHASA {language}")))
    for onlooker in conversation.onlookers:
        onlooker.bound.clear()
    with pytest.raises(AssertionError, match="was told"):
        conversation.take(Text(A, asked))


def test_the_onlooker_reads_sent_replies(world: World) -> None:
    conversation = world.play(ALONE, agree(ONE, A, B))
    conversation.take(Text(A, "DATA"))
    for onlooker in conversation.onlookers:
        onlooker.bound.clear()
    with pytest.raises(AssertionError, match="was told"):
        conversation.take(Sends())


@pytest.mark.parametrize(
    ("scene", "by"),
    [
        (agree, "consent"),
        (register, "code"),
        (be_silent, "consent"),
        (be_accepted, "officer"),
        (be_accepted_alone, "officer"),
    ],
)
def test_the_onlooker_knows_who_is_bound(world: World, scene: Taking, by: str) -> None:
    """The onlooker is told of a binding, whether the phone had to wait or to prove it."""
    conversation = world.play(ALONE, scene(ONE, A, B))
    for onlooker in conversation.onlookers:
        bound = onlooker.bound[ONE.nkp]
        assert (bound.phone, bound.by) == (A, by)
        assert onlooker.now() - bound.used < 2 * MINUTES


@pytest.mark.parametrize("scene", [register_thrice, register_at_once])
def test_the_onlooker_distinguishes_two_codes(world: World, scene: Taking) -> None:
    for onlooker in world.play(ALONE, scene(ONE, A, B)).onlookers:
        assert len(onlooker.codes) == 2
