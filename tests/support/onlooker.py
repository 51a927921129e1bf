"""Judges who may be told what, by an account of its own: what phones said and were told, which
numbers are on file, what officers decided. It knows the rules, and nothing that the service writes
down.

Where it cannot know (a reply that was not sent may have changed something) it allows.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

A_CODE = re.compile(r"KODE ([B-DF-HJ-NP-TV-Z]{7})\b")
A_DAY = timedelta(days=1)
CONSENT_LASTS, CODE_LASTS = A_DAY, timedelta(minutes=10)
CODES_A_DAY, TRIES = 2, 3
OFFICER_WAITS = timedelta(hours=12)
UNUSED, LAPSES = timedelta(days=60), timedelta(days=365)
REACHES_BACK = timedelta(days=30)  # BUKAN SAYA, and how long TOLAK counts
TOLAK_LASTS, MOST_REJECTIONS = A_DAY, 3
# How replies begin, in both languages.
ASKED = re.compile(r"HP ini akan didaftarkan|This phone will be registered")
AGREED = re.compile(r"HP ini terdaftar utk NKP|This phone is registered for NKP")
NOT_YET = re.compile(r"Demi keamanan|To be safe")
FITS = re.compile(r"Kode cocok|The code fits")
FITS_NOT = re.compile(r"Kode tidak cocok|The code does not fit")
UNLINKED = re.compile(
    r"Baik\. HP ini kami lepas|HP ini kami lepas\.|(Fine\. )?This phone is unlinked"
)
DISOWNED = re.compile(r"dari data peserta|from participant data")
REJECTED = re.compile(r"(Baik\. )?Kode itu kami batalkan|(Fine\. )?That code is void")


@dataclass(frozen=True)
class Person:
    nkp: str
    nik: str | None
    facts: frozenset[str]  # as replies write them; nobody else's

    @property
    def end(self) -> str:
        return self.nkp[-4:]


@dataclass(frozen=True)
class HeardMessage:
    """Holds a message and its answer. `asked_at` is when it came, which may be long before."""

    sender: str
    text: str
    asked_at: datetime
    keyword: str | None
    outcome: str
    reply: str | None
    notices: tuple[tuple[str, str], ...]  # to whom, what


@dataclass(frozen=True)
class Bound:
    phone: str
    on_file: str | None
    by: str  # consent, code, officer
    at: datetime
    used: datetime


@dataclass(frozen=True)
class Code:
    text: str
    asker: str
    nkp: str
    sent_to: str
    at: datetime
    tries: int = 0
    is_spent: bool = False

    def is_good(self, now: datetime) -> bool:
        return not self.is_spent and self.tries < TRIES and now - self.at < CODE_LASTS


@dataclass
class Onlooker:
    people: Mapping[str, Person]
    now: Callable[[], datetime]
    on_file: dict[str, str | None]
    is_away: bool = False  # the ledger
    bound: dict[str, Bound] = field(default_factory=dict)
    codes: list[Code] = field(default_factory=list)
    asked: dict[tuple[str, str], datetime] = field(default_factory=dict)  # (phone, NKP)
    ever: frozenset[tuple[str, str]] = frozenset()  # (phone, NKP) that were bound once
    frozen: dict[str, datetime | None] = field(
        default_factory=dict
    )  # until; None: an officer's word
    rejected: list[tuple[str, datetime]] = field(default_factory=list)
    said: frozenset[tuple[str, str]] = frozenset()  # (phone, text)

    def copy(self) -> "Onlooker":
        return Onlooker(
            self.people,
            self.now,
            dict(self.on_file),
            is_away=self.is_away,
            bound=dict(self.bound),
            codes=list(self.codes),
            asked=dict(self.asked),
            frozen=dict(self.frozen),
            rejected=list(self.rejected),
            ever=self.ever,
            said=self.said,
        )

    def hear(self, heard: HeardMessage) -> None:
        """Raises AssertionError where the answer may not have been given."""
        self.said |= {(heard.sender, heard.text.upper())}
        reply = heard.reply or ""
        person = self._shown(reply)
        if heard.keyword != "ulang":
            self._take(heard, reply, person)
        if heard.reply is not None:
            self.judge(heard.sender, reply, proof=heard.text)
            self._use(heard, reply)
        for recipient, text in heard.notices:
            self.notice(heard.sender, recipient, text)

    def _take(self, heard: HeardMessage, reply: str, person: Person | None) -> None:
        is_silent = heard.outcome == "silent"
        if heard.outcome == "confirm" and ASKED.match(reply) and person:
            self._ask(heard, person)
        if AGREED.match(reply) and not NOT_YET.search(reply) and heard.keyword == "ya" and person:
            self._agree(heard, person)
        if FITS.match(reply) and person:
            self._fit(heard, person)
        if FITS_NOT.match(reply):
            self._count_try(heard.sender)
        if UNLINKED.match(reply) or (is_silent and heard.keyword in {"ganti_hp", "bukan_saya"}):
            self._unlink(heard.sender)
        if DISOWNED.search(reply) or (is_silent and heard.keyword == "bukan_saya"):
            self._disown(heard.sender)
        is_unheard = is_silent and heard.keyword == "tolak" and not self._may_be_asked(heard)
        if REJECTED.match(reply) or is_unheard:
            self._reject(heard.sender)

    def move(self, nkp: str, phone: str | None) -> None:
        self.on_file[nkp] = phone

    def turn(self, *, is_up: bool) -> None:
        self.is_away = not is_up

    def accept(self, nkp: str, phone: str) -> None:
        """Notes that an officer accepted the phone."""
        assert not self.is_frozen(nkp), "an officer bound whom BUKAN SAYA or TOLAK was said of"
        self._bind(nkp, phone, self.on_file[nkp], "officer")

    def thaw(self, nkp: str) -> None:
        self.frozen.pop(nkp, None)

    def judge(self, phone: str, text: str, *, proof: str = "", is_fresh: bool = False) -> None:
        """Raises AssertionError where a phone may not be told this now. `is_fresh`: it was made
        and judged within the last minute, and may leave although the ledger is away."""
        for person in self._told_of(text):
            assert is_fresh or not self.is_away, f"{phone} was told unasked: {text}"
            is_allowed = self._may_be_told(person, phone, proof)
            assert is_allowed, f"{phone} was told: {text}"

    def is_frozen(self, nkp: str) -> bool:
        until = self.frozen.get(nkp, self.now())
        return until is None or until > self.now()

    def _told_of(self, text: str) -> Iterator[Person]:
        for person in self.people.values():
            if any(fact in text for fact in person.facts):
                yield person

    def _shown(self, text: str) -> Person | None:
        """Returns whose NKP's end it shows first."""
        found = re.search(r"\*{7}(\d{4})", text)
        return next((each for each in self.people.values() if found and each.end == found[1]), None)

    def _may_be_told(self, person: Person, phone: str, proof: str) -> bool:
        bound = self.bound.get(person.nkp)
        if bound is None or bound.phone != phone:
            return False
        allowed = (bound.on_file,) if bound.on_file is not None else (None, phone)
        if not self.is_away and self.on_file[person.nkp] not in allowed:
            return False
        if bound.by == "officer" and self.now() < bound.at + OFFICER_WAITS:
            return False
        unused = self.now() - bound.used
        if unused < UNUSED:
            return True
        is_proven = person.nik is not None and re.sub(r"\D", "", proof) == person.nik[-4:]
        return unused < LAPSES and is_proven

    def _use(self, heard: HeardMessage, reply: str) -> None:
        """Whoever was told of a participant uses the binding."""
        whom = [] if heard.keyword == "daftar" else [*self._told_of(reply)]
        shown = self._shown(reply)
        if heard.outcome == "answered" and shown and heard.keyword != "daftar":
            whom.append(shown)
        for person in whom:
            bound = self.bound.get(person.nkp)
            if bound is not None and bound.phone == heard.sender:
                self.bound[person.nkp] = replace(bound, used=self.now())

    def _bind(self, nkp: str, phone: str, on_file: str | None, by: str) -> None:
        self.bound[nkp] = Bound(phone, on_file, by, self.now(), self.now())
        self.ever |= {(phone, nkp)}
        self._spend(phone, nkp)

    def _ask(self, heard: HeardMessage, person: Person) -> None:
        """A question that is open may be put once more whatever was said."""
        which = heard.sender, person.nkp
        if which not in self.ever or heard.keyword == "daftar":
            self.asked[which] = self.now()
        asked_at = self.asked.get(which)
        is_open = asked_at is not None and heard.asked_at - asked_at < CONSENT_LASTS
        assert is_open, "YA alone binds who was bound once"

    def _may_be_asked(self, heard: HeardMessage) -> bool:
        """Tells whether TOLAK may be the answer to a question about consent."""
        of_phone = [at for (phone, _), at in self.asked.items() if phone == heard.sender]
        return any(heard.asked_at - at < CONSENT_LASTS for at in of_phone)

    def _agree(self, heard: HeardMessage, person: Person) -> None:
        """Agrees only for the number on file, whose YA holds for a day."""
        assert not self.is_away, "bound without asking the ledger"
        asked_at = self.asked.get((heard.sender, person.nkp))
        assert asked_at is not None, "bound without having been asked"
        assert heard.asked_at - asked_at < CONSENT_LASTS, "YA came too late"
        assert self.on_file[person.nkp] == heard.sender, "another number is on file"
        del self.asked[heard.sender, person.nkp]
        self._bind(person.nkp, heard.sender, heard.sender, "consent")

    def _fit(self, heard: HeardMessage, person: Person) -> None:
        good = [
            code
            for code in self.codes
            if (code.asker, code.nkp) == (heard.sender, person.nkp)
            and code.is_good(self.now())
            and any(by == heard.sender and code.text in text for by, text in self.said)
        ]
        assert good, "bound by no code that is good"
        assert not self.is_frozen(person.nkp), "a code bound whom BUKAN SAYA was said of"
        self._bind(person.nkp, heard.sender, good[-1].sent_to, "code")

    def _count_try(self, phone: str) -> None:
        self.codes = [
            replace(each, tries=each.tries + (each.asker == phone)) for each in self.codes
        ]

    def _spend(self, phone: str, nkp: str) -> None:
        self._end_codes(lambda code: (code.asker, code.nkp) == (phone, nkp))

    def _unlink(self, phone: str) -> None:
        self.bound = {nkp: by for nkp, by in self.bound.items() if by.phone != phone}

    def _disown(self, phone: str) -> None:
        """Codes that were sent here, and bindings by officers that were told here, reach 30 days
        back."""
        since = self.now() - REACHES_BACK
        void = [each for each in self.codes if each.sent_to == phone and each.at > since]
        ended = {(each.asker, each.nkp) for each in void}
        by_officers = {
            (bound.phone, nkp)
            for nkp, bound in self.bound.items()
            if (bound.by, bound.on_file) == ("officer", phone) and bound.at > since
        }
        for _, nkp in ended | by_officers:
            self.frozen[nkp] = None
        self.bound = {
            nkp: by for nkp, by in self.bound.items() if (by.phone, nkp) not in ended | by_officers
        }
        self._end_codes(lambda code: code.sent_to == phone)

    def _reject(self, phone: str) -> None:
        good = {
            each.nkp for each in self.codes if each.sent_to == phone and each.is_good(self.now())
        }
        for nkp in good:
            self.rejected.append((nkp, self.now()))
            since = self.now() - REACHES_BACK
            count = sum(whom == nkp and at > since for whom, at in self.rejected)
            is_for_officer = count >= MOST_REJECTIONS or self.frozen.get(nkp, 0) is None
            self.frozen[nkp] = None if is_for_officer else self.now() + TOLAK_LASTS
        self._end_codes(lambda code: code.sent_to == phone and code.nkp in good)

    def _end_codes(self, which: Callable[[Code], bool]) -> None:
        self.codes = [replace(each, is_spent=each.is_spent or which(each)) for each in self.codes]

    def notice(self, asker: str, recipient: str, text: str) -> None:
        """A code goes to the number on file, other news to whoever loses or owns the number."""
        person = self._shown(text)
        assert person, text
        assert not list(self._told_of(text)), f"{recipient} was told: {text}"
        code = A_CODE.search(text)
        if code is not None:
            self._code(asker, person.nkp, recipient, code[1])

    def _code(self, asker: str, nkp: str, recipient: str, text: str) -> None:
        assert recipient == self.on_file[nkp], "a code went to a number that is not on file"
        assert not self.is_frozen(nkp), "a code for whom BUKAN SAYA or TOLAK was said of"
        today = [each for each in self.codes if each.nkp == nkp and self.now() - each.at < A_DAY]
        assert len(today) < CODES_A_DAY, "more codes than two a day"
        self._spend(asker, nkp)
        self.codes.append(Code(text, asker, nkp, recipient, self.now()))
