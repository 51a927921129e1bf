"""Whatever is said, nothing is changed by chance: only a keyword with nothing else said, or YA to a
question that named it.

What counts as nothing else is read here from the keywords' YAML alone, and in another way than the
service reads it.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, dropwhile
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from smsgw import responder, runtime
from smsgw import settings as environment
from smsgw.carriers.carrier import IncomingSms
from smsgw.configuration.document import shipped_text
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.messaging.answer import Answer
from smsgw.runtime import Runtime
from smsgw.storage import migrations
from smsgw.storage.counters import Counters
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.notifications import subscriptions
from smsgw.storage.tables.phones import (
    bindings,
    codes,
    freezes,
    past_bindings,
    phones,
    registrations,
    rejections,
    wrong_codes,
)
from tests.conftest import KEY, P1, P1_NKP, P2, P2_NKP, STRANGER, Clock
from tests.support import database_images, depth
from tests.support.registration import DAFTAR

TWO_CARDS = "+6281311112222"
_references = count()

SEEDS = yaml.load(shipped_text(), yaml.CSafeLoader)
KEYWORDS: dict[str, dict] = SEEDS["keywords"]
FREE = frozenset(SEEDS["fillers"]) | frozenset(SEEDS["courtesy"])
DOUBTS, ADDRESSED = frozenset(SEEDS["doubts"]), frozenset(SEEDS["addressed"])
ANSWERS = SEEDS["answers"]
LONGEST_FREE_NUMBER = 5  # digits: 2757, a year
SHORT_NUMBER = (4, 5)  # digits

# What each keyword is there to change.
CHANGES = {
    "daftar": {"codes"},
    "kode": {"codes", "bindings"},
    "tolak": {"codes"},
    "bukan_saya": {"codes", "bindings"},
    "ganti_hp": {"bindings"},
    "lapor": {"cases"},
    "hapus_data": {"cases"},
    "data_saya": {"cases"},
    "notif": {"news"},
    "stop": {"stopped"},
    "mulai": {"stopped"},
    "bahasa": {"language"},
}
FREE_TEXT = {"lapor", "daftar"}  # a slot of theirs takes any words
SHORTEST_SLIP = 4  # letters of a word in which a slip may be read
A_CODE = re.compile(r"[B-DF-HJ-NP-TV-Z]{5,9}")


def words_of(text: str) -> list[str]:
    """Returns words, numbers and question marks, in their order."""
    plain = unicodedata.normalize("NFKD", text).upper()
    plain = "".join(each for each in plain if unicodedata.category(each) not in {"Cf", "Cs", "Mn"})
    return re.findall(r"[^\W\d_]+|\d+|\?", re.sub(r"['’`´]", "", plain))


def without_nya(word: str) -> str:
    return word.removesuffix("NYA") or word


def printed(entry: Mapping[str, str]) -> list[list[str]]:
    """Yields each way to write a keyword; one with slots by the first word of its poster."""
    poster = entry["poster"].split()[0] if "<" in entry["poster"] else entry["poster"]
    return [words_of(each) for each in (poster, *entry.get("aliases", ()))]


def chosen_from(entry: Mapping[str, str]) -> set[str]:
    """Returns the words that a keyword's slots choose from."""
    slots = re.findall(r"<(.+?)>", entry["poster"])
    lists = [listed for slot in slots for listed in SEEDS["choices"].get(slot, {}).values()]
    return {word for listed in lists for each in listed for word in words_of(str(each))}


WAYS = {name: printed(entry) for name, entry in KEYWORDS.items()}
OWN = {name: chosen_from(entry) for name, entry in KEYWORDS.items()}
PHRASES = [words_of(each) for each in KEYWORDS["stop"]["phrases"]]
OPT_OUTS = [words_of(each) for each in KEYWORDS["stop"]["opt_outs"]]
# What STOP may name: all that may be ended, and keywords that change nothing by a word.
SUBSCRIPTIONS = {word for each in KEYWORDS["stop"]["subscriptions"] for word in words_of(each)}
SUBSCRIPTIONS |= {
    word
    for name, entry in KEYWORDS.items()
    if not entry.get("alone") and entry.get("asked") != "words"
    for way in WAYS[name]
    for word in way
}
LONGEST_SIGNATURE = 8  # words


def unsigned(text: str) -> str:
    """Removes what a phone writes under a text."""
    text = " ".join(text.upper().split())
    begins = [text.find(f" {each} ") for each in (*SEEDS["signatures"], "--")]
    begin = min((each for each in begins if each > 0), default=len(text))
    return text if len(text[begin:].split()) > LONGEST_SIGNATURE else text[:begin]


def ends_something(words: list[str]) -> bool:
    """Tells whether the text is STOP with what is to end, and nothing else."""
    front = list(dropwhile(lambda each: is_free(each) or each in ADDRESSED, words))
    for way in OPT_OUTS:
        rest = front[len(way) :]
        if front[: len(way)] == way and not is_question(words):
            own = SUBSCRIPTIONS.union(*OPT_OUTS)
            return all(is_free(each) or each in own for each in rest)
    return False


def is_free(word: str) -> bool:
    return word in FREE or (word.isdecimal() and len(word) <= LONGEST_FREE_NUMBER)


def places(words: list[str], way: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Returns what stands before and after it, wherever it stands."""
    for start in range(len(words) - len(way) + 1):
        found = words[start : start + len(way)]
        if found == way or [without_nya(each) for each in found] == way:
            yield words[:start], words[start + len(way) :]


def is_slip(written: str, meant: str) -> bool:
    """Tells whether a letter was left out, added, changed, or two exchanged."""
    if min(len(written), len(meant)) < SHORTEST_SLIP - 1:
        return False
    short, long = sorted((written, meant), key=len)
    shorter = {long[:at] + long[at + 1 :] for at in range(len(long))}
    swapped = {long[:at] + long[at : at + 2][::-1] + long[at + 2 :] for at in range(len(long))}
    is_changed = sum(one != other for one, other in zip(short, long, strict=False)) == 1
    return short in shorter | swapped or (len(short) == len(long) and is_changed)


def is_said(name: str, words: list[str]) -> bool:
    """Tells whether the text is that keyword, its slots and what carries nothing. Whoever writes
    all of a registration may slip in its keyword."""
    numbers = {len(each) for each in words if each.isdecimal()}
    ways = {way[0] for way in WAYS["daftar"]}
    if name == "daftar" and {11, 16} <= numbers:
        return any(is_slip(each, way) for each in words for way in ways) or not ways.isdisjoint(
            words
        )
    for way in WAYS[name]:
        for before, after in places(words, way):
            if name in FREE_TEXT:
                return True
            if name == "kode" and any(A_CODE.fullmatch(each) for each in after + before):
                return True
            rest = before + after
            is_alone = KEYWORDS[name].get("alone")  # STOP? is no other thing than STOP
            free = OWN[name].union({"?"}, *WAYS[name]) if is_alone else OWN[name]
            is_asking = not is_alone and is_question(rest)
            if not is_asking and all(is_free(each) or each in free for each in rest):
                return True
    return False


def is_question(words: list[str]) -> bool:
    return "?" in words or not DOUBTS.isdisjoint(words)


def is_yes(words: list[str]) -> bool:
    """Tells whether YA is at the front, perhaps with a typo, with nothing else said and nothing
    asked."""
    numbers = [each for each in words if each.isdecimal()]
    words = [each for each in words if not each.isdecimal()]
    front, ways = list(dropwhile(ADDRESSED.__contains__, words)), WAYS["ya"]
    slipped = [front[:1] for way in ways if front and is_slip(front[0], " ".join(way))]
    leads = [way for way in [*ways, *slipped] if front[: len(way)] == way or words == way]
    own = ADDRESSED.union(*ways, *slipped)
    is_all = all(word in own or is_free(word) for word in words)
    is_all = is_all and all(len(each) in SHORT_NUMBER for each in numbers)
    return bool(leads) and is_all and not is_question(words)


def undrawn(word: str) -> str:
    """Removes letters that were drawn out: YAAA and YAA are YA."""
    plain = re.sub(r"([^\W\d_])\1\1+", r"\1", word)
    is_doubled = len(plain) > 2 and plain.isalpha() and plain[-1] == plain[-2]
    return plain[:-1] if is_doubled else plain


YES_PHRASES = [*WAYS["ya"], *(words_of(each) for each in ANSWERS["yes"])]
OTHER_PHRASES = [
    *WAYS["tidak"],
    *(words_of(each) for name in ("no", "unsure") for each in ANSWERS[name]),
]
ANSWERING = {word for phrase in (*YES_PHRASES, *OTHER_PHRASES) for word in phrase}
WITH_YES = frozenset(ANSWERS["with_yes"])
PARTICLES = frozenset(SEEDS["fillers"])
SEPARATOR = "SPASI"  # as posters spell a space


def is_agreed(words: list[str]) -> bool:
    """Tells whether it is a yes in whichever words: it leads, or is said again, and nothing beside
    it asks, refuses or takes anything back."""
    numbers = [each for each in words if each.isdecimal()]
    said = (each if each in ANSWERING else undrawn(each) for each in words if not each.isdecimal())
    plain = [each for each in said if each != SEPARATOR]
    front = list(dropwhile(ADDRESSED.__contains__, plain))
    if is_question(plain) or any(list(places(plain, each)) for each in OTHER_PHRASES):
        return False
    if len(numbers) > 1 or any(len(each) not in SHORT_NUMBER for each in numbers):
        return False
    own = WITH_YES.union(FREE, ADDRESSED, *YES_PHRASES)
    leads = any(each in (front[: len(each)], plain[: len(each)]) for each in YES_PHRASES)
    is_clear = any(
        list(places(plain, each)) and not PARTICLES.issuperset(each) for each in YES_PHRASES
    )
    is_all = own.issuperset(plain)
    is_first = front == plain or plain in YES_PHRASES
    return is_all and ((leads and is_first) or is_clear)


@dataclass(frozen=True)
class State:
    """Describes a phone that is about to write, and what YA says yes to there."""

    speaker: str
    before: tuple[tuple[str, str] | timedelta, ...] = ()  # who said what; how long nobody did
    yes: frozenset[str] = frozenset()
    completes: frozenset[str] = frozenset()  # what a number that was asked for changes


def asked(text: str, keyword: str) -> State:
    return State(P1, (*BOUND, (P1, text)), yes=frozenset(CHANGES[keyword]))


BOUND = ((P1, f"SALDO {P1_NKP}"), (P1, "YA"))
BOUND_TWICE = tuple(
    (TWO_CARDS, said) for nkp in ("21000000017", "21000000025") for said in (f"SALDO {nkp}", "YA")
)
STATES = {
    "never wrote": State(STRANGER),
    "bound": State(P1, BOUND),
    "bound, all otherwise": State(
        P1, (*BOUND, (P1, "NOTIF ON"), (P1, "BAHASA EN"), (P1, "STOP"), (P1, "LAPOR tutup"))
    ),
    "asked to agree": State(P2, ((P2, f"SALDO {P2_NKP}"),), yes=frozenset({"bindings"})),
    "asked which card": State(TWO_CARDS, (*BOUND_TWICE, (TWO_CARDS, "SALDO"))),
    "asked for the NIK": State(P1, (*BOUND, timedelta(days=61), (P1, "SALDO"))),
    "asked for what lacks": State(
        STRANGER, ((STRANGER, DAFTAR[:-12]),), completes=frozenset(CHANGES["daftar"])
    ),
    "waits for a code": State(STRANGER, ((STRANGER, DAFTAR),)),
    "was sent a code": State(P2, ((STRANGER, DAFTAR),)),
    "was told of a code's phone": State(P2, ((STRANGER, DAFTAR), (STRANGER, "KODE =code"))),
    "bound by a code": State(STRANGER, ((STRANGER, DAFTAR), (STRANGER, "KODE =code"))),
    "asked GANTI HP?": asked("GANTI HO", "ganti_hp"),
    "asked BUKAN SAYA?": asked("BUKAN SAYO", "bukan_saya"),
    "asked HAPUS DATA?": asked("hapus data yg lama", "hapus_data"),
    "asked STOP?": asked("STPO", "stop"),
    "asked BAHASA?": asked("BAHSA EN", "bahasa"),
    "asked NOTIF?": asked("NOTFI ON", "notif"),
    "asked LAPOR?": asked("LAPRO kantor tutup", "lapor"),
}


@dataclass(frozen=True)
class Begun:
    """Holds a state as it is before the text."""

    state: State
    service: bytes
    at: datetime
    holds: dict[str, list]
    codes: tuple[str, ...]


class World:
    def __init__(self, rt: Runtime, clock: Clock) -> None:
        self.rt, self.clock = rt, clock
        self._empty = database_images.take_image(rt.service)
        self._begun: dict[str, Begun] = {}

    def begin(self, name: str) -> Begun:
        """Puts a phone into that state; its earlier messages count for no limit."""
        if name not in self._begun:
            self._begun[name] = self._made(STATES[name])
        begun = self._begun[name]
        database_images.restore_image(self.rt.service, begun.service)
        self.clock.now = begun.at
        self._fresh()
        return begun

    def say(self, sender: str, text: str) -> Answer:
        self.clock.moves(seconds=20)
        sms = IncomingSms("simulator", f"c{next(_references)}", sender, "2757", text)
        answer = responder.respond(self.rt, sms)
        assert answer is not None
        return answer

    def _fresh(self) -> None:
        self.rt = replace(self.rt, counters=Counters(), random=Random("chance"))

    def _made(self, state: State) -> Begun:
        database_images.restore_image(self.rt.service, self._empty)
        self.clock.now = Clock().now
        self._fresh()
        sent: list[str] = []
        for step in state.before:
            if isinstance(step, timedelta):
                self.clock.now += step
                continue
            sender, text = step
            answer = self.say(sender, text.replace("=code", sent[-1] if sent else ""))
            texts = [each.text for each in answer.also]
            sent += [found for text in texts for found in re.findall(r"KODE ([B-Z]{7})\b", text)]
        image = database_images.take_image(self.rt.service)
        return Begun(state, image, self.clock.now, protected_rows(self.rt), tuple(sent))


def protected_rows(rt: Runtime) -> dict[str, list]:
    """Returns all that may not be changed by chance."""
    with rt.reading() as tx:

        def rows(*columns: object) -> list:
            return sorted(map(repr, tx.connection.execute(select(*columns)).all()))

        of_phones = tx.connection.execute(select(phones)).all()
        bound = (bindings.c.id, bindings.c.phone_id, bindings.c.nkp_hash, bindings.c.made_by)
        bound += (bindings.c.consent, bindings.c.on_file_hash, bindings.c.ended_at)
        sent = (codes.c.id, codes.c.phone_id, codes.c.nkp_hash, codes.c.wrong_tries)
        return {
            "bindings": [*rows(*bound), *rows(past_bindings)],
            "codes": [
                *rows(*sent, codes.c.ended_at),
                *(len(rows(table)) for table in (rejections, wrong_codes)),
                *rows(freezes.c.nkp_hash, freezes.c.until),
                *rows(registrations.c.id, registrations.c.phone_id, registrations.c.state),
            ],
            "cases": rows(cases.c.number, cases.c.kind, cases.c.phone_id, cases.c.closed_at),
            "language": sorted(row.id for row in of_phones if row.language != "id"),
            "stopped": sorted(row.id for row in of_phones if row.stopped_at is not None),
            "news": rows(subscriptions.c.phone_id, subscriptions.c.kind, subscriptions.c.ended_at),
        }


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    clock = Clock()
    environ = {"DATABASE_URL": "sqlite://", "LEDGER_URL": "sqlite://", "SMSGW_SECRET_KEY": KEY}
    rt = runtime.build(environment.load(environ), now=clock)
    migrations.upgrade(rt.service, "service")
    migrations.upgrade(rt.ledger.engine, "ledger")
    load(rt.ledger.engine, reference_folder())
    rt.vault.refresh()
    yield World(rt, clock)
    rt.close()


SENTENCES = [
    "hp baru sy ga bisa download jmo",
    "ubah nomor rekening gimana",
    "salah orang yg dipanggil pas antri tadi",
    "jangan hapus data saya ya",
    "kenapa data saya salah",
    "notif saldo kok mati",
    "kok saya ya",
    "berapa ya?",
    "makasih ya",
    "stop saldo ya pak",
    "iuran saya stop",
    "ya kirim ke 2757",
    "Sent from my iPhone",
    "Dikirim dari HP Samsung saya",
    "-- Budi",
]
TRANSCRIPTS = [
    each.read_text("utf-8") for each in Path(__file__).parents[1].glob("transcripts/*.yaml")
]
SPOKEN = sorted({said for text in TRANSCRIPTS for said in re.findall(r'text: "?([^",\n]+)', text)})
VOCABULARY = sorted({word for said in SPOKEN for word in said.split()})
ALIASES = sorted({" ".join(way) for ways in WAYS.values() for way in ways})
ACTING = sorted({" ".join(way) for name in CHANGES for way in WAYS[name]})
LISTED = sorted(
    {str(word) for words in (*OWN.values(), DOUBTS, ADDRESSED) for word in words}
    | {" ".join(phrase) for phrase in PHRASES}
)
NUMBERS = ["2757", "2025", P1_NKP, P2_NKP, "3171011708900000", "17-08-1990", "10-10-1992", "0000"]
MARKS = ["?", "!", ".", "..", ",", "#", "-", ":)", "BCDFGHJ", "=code", "A", "B"]


@st.composite
def slips(draw: st.DrawFn) -> str:
    """Yields the word with a letter left out, doubled, changed, or two exchanged."""
    word = draw(st.sampled_from(ACTING))
    at = draw(st.integers(0, len(word) - 1))
    other = draw(st.sampled_from("AEIOUNRST"))
    ways = [
        word[:at] + word[at + 1 :],
        word[: at + 1] + word[at:],
        word[:at] + other + word[at + 1 :],
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    ]
    return draw(st.sampled_from(ways))


def spoken(*lists: object) -> list[str]:
    """Returns the words of several lists of the configuration."""
    return sorted({str(word).lower() for listed in lists for word in listed})


TOPICS = SEEDS["topics"].values()
EXAMPLES = [topic[name] for topic in TOPICS for name in ("hit", "miss")]
CONCEPTS = spoken(*SEEDS["concepts"].values(), SEEDS["function_words"])
SAID_YES = spoken(ANSWERS["yes"], KEYWORDS["ya"]["aliases"], ["ya", "yaaa", "iyaa"])
SAID_NO = spoken(ANSWERS["no"], KEYWORDS["tidak"]["aliases"], ANSWERS["unsure"], ["tidak"])
BESIDE = spoken(
    *(ANSWERS[name] for name in ("with_yes", "with_no", "with_choice")),
    *ANSWERS["letters"].values(),
    ANSWERS["signs"],
    FREE,
    ADDRESSED,
    SEEDS["with_courtesy"],
)
TAKES_BACK = ["tapi nanti", "gak ya", "dulu deh", "besok", "kalau bisa", "tapi", "nanti", "asal"]
TAKES_BACK += ["belum", "jangan", "?", "mikir dulu", "gak jadi", "batal", "bukan", "lupa", "apa"]

heads = st.one_of(
    st.sampled_from(ACTING), st.sampled_from(ACTING), slips(), st.sampled_from(ALIASES)
)
fillers = st.sampled_from(sorted(FREE))
single = st.one_of(
    fillers,
    fillers,
    fillers,
    heads,
    *map(st.sampled_from, (VOCABULARY, LISTED, NUMBERS, MARKS, CONCEPTS, SAID_YES, SAID_NO)),
)
few = st.lists(single, max_size=3).map(" ".join)
sentences = st.sampled_from([*SENTENCES, *SPOKEN, *EXAMPLES])
answer = st.one_of(*map(st.sampled_from, (SAID_YES, SAID_YES, SAID_NO)))
beside = st.one_of(*map(st.sampled_from, (BESIDE, BESIDE, SAID_YES, TAKES_BACK, NUMBERS)))
answers = st.tuples(
    st.lists(beside, max_size=2).map(" ".join),
    answer,
    st.lists(st.one_of(beside, answer, single), max_size=3).map(" ".join),
).map(" ".join)
texts = st.one_of(
    sentences,
    st.tuples(few, heads, few).map(" ".join),
    st.tuples(st.lists(fillers, max_size=2).map(" ".join), heads, few).map(" ".join),
    st.tuples(few, sentences, few).map(" ".join),
    st.lists(single, min_size=1, max_size=6).map(" ".join),
    st.text(max_size=60),
)
cased = st.tuples(texts, st.sampled_from([str, str.lower, str.upper])).map(lambda it: it[1](it[0]))


def may_change(state: State, text: str) -> set[str]:
    said = words_of(unsigned(text))
    plain = [name for name in CHANGES if is_said(name, said)]
    allowed = {part for name in plain for part in CHANGES[name]}
    if ends_something(said) or any(list(places(words_of(text), each)) for each in PHRASES):
        allowed |= CHANGES["stop"]
    if is_yes(said) or is_agreed(said):
        allowed |= state.yes
    if sum(map(str.isdecimal, text)) >= len(P1_NKP):
        allowed |= state.completes
    return allowed


def check_that_only_what_was_said_is_changed(world: World, name: str, text: str) -> None:
    begun = world.begin(name)
    text = text.replace("=code", (*begun.codes, "BCDFGHJ")[0])
    world.say(begun.state.speaker, text)
    after = protected_rows(world.rt)
    changed = {part for part in after if after[part] != begun.holds[part]}
    assert changed <= may_change(begun.state, text), (name, text)
    if "stopped" in changed and len(after["stopped"]) > len(begun.holds["stopped"]):
        assert changed == {"stopped"}
        world.say(begun.state.speaker, "MULAI")
        assert protected_rows(world.rt) == begun.holds


@given(st.sampled_from(sorted(STATES)), cased)
@depth.examples(1200)
def test_random_messages_change_nothing(world: World, name: str, text: str) -> None:
    check_that_only_what_was_said_is_changed(world, name, text)


@given(st.sampled_from(sorted(name for name, state in STATES.items() if state.yes)), answers)
@depth.examples(600)
def test_random_answers_agree_to_nothing(world: World, name: str, text: str) -> None:
    check_that_only_what_was_said_is_changed(world, name, text)


PLAIN = [
    ("never wrote", DAFTAR, "codes"),
    ("waits for a code", "kode =code pak", "codes bindings"),
    ("was sent a code", "tolak", "codes"),
    ("was told of a code's phone", "bukan saya pak", "codes bindings"),
    ("bound", "ganti hp ya", "bindings"),
    ("bound", "lapor kantor tutup", "cases"),
    ("bound", "tolong hapus data", "cases"),
    ("bound", "minta data saya", "cases"),
    ("bound", "notif on 2757", "news"),
    ("bound", "stop", "stopped"),
    ("bound", "unreg saldo 2757", "stopped"),
    ("bound", "STOP ALL\n-- \nBudi", "stopped"),
    ("asked to agree", "Ya 2757\n\nSent from my iPhone", "bindings"),
    ("bound", "pak jangan sms lagi ke sini, salah nomor", "stopped"),
    ("bound, all otherwise", "mulai", "stopped"),
    ("bound, all otherwise", "bahasa id", "language"),
    ("asked to agree", "pak ya setuju", "bindings"),
    ("asked for what lacks", P2_NKP, "codes"),
    ("asked GANTI HP?", "ya", "bindings"),
    ("asked HAPUS DATA?", "ya", "cases"),
    ("asked BUKAN SAYA?", "ya", "bindings"),
    ("asked STOP?", "ya", "stopped"),
    ("asked BAHASA?", "ya", "language"),
    ("asked NOTIF?", "ya", "news"),
    ("asked LAPOR?", "ya", "cases"),
    ("asked to agree", "muhun pak, daftarkan", "bindings"),
    ("asked STOP?", "leres", "stopped"),
]


@pytest.mark.parametrize(("name", "text", "changes"), PLAIN)
def test_a_clear_command_changes_only_what_it_names(
    world: World, name: str, text: str, changes: str
) -> None:
    """This shows that the test above can fail."""
    begun = world.begin(name)
    text = text.replace("=code", (*begun.codes, "")[0])
    world.say(begun.state.speaker, text)
    after = protected_rows(world.rt)
    changed = {part for part in after if after[part] != begun.holds[part]}
    assert changed == set(changes.split())
    assert changed <= may_change(begun.state, text)
