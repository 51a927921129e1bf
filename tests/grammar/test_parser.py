import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grammar import (
    MAX_CHARACTERS,
    Command,
    Grammar,
    Keyword,
    Misread,
    PosterError,
    Reason,
    Words,
    normalise,
)
from tests.support.waiting import LONGEST

WORDS = Words(
    fillers=frozenset(
        ["TOLONG", "CEK", "SAYA", "TERIMA", "KASIH", "MAKASIH", "KIRIM", "KE", "YA", "BERAPA"]
    ),
    labels={
        "NKP": ("NKP", "KPJ", "NO_PESERTA"),
        "NIK": ("NIK",),
        "TGL_LAHIR": ("TGL_LAHIR",),
        "KK": ("KK",),
    },
)
DAFTAR = "DAFTAR SALDO#<NIK>[#<NAMA>]#<TGL_LAHIR>#<NKP>[#<EMAIL>]"
KEYWORDS = [
    Keyword("saldo", "SALDO [<NKP>]", ("SALDOE", "CEK SALDO", "SALDO JHT"), bare="NKP"),
    Keyword("daftar", DAFTAR, ("REG",)),
    Keyword("ya", "YA", alone=True),
    Keyword("stop", "STOP", ("UNREG", "UNREG SALDO", "BATAL"), alone=True),
]
GRAMMAR = Grammar(KEYWORDS, WORDS)
NKP, NIK, BORN = "19012345678", "3171011708900000", date(1990, 8, 17)


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ("tolong cek saldo", True),
        ("Tolong  CEK SALDO", True),  # the same, as it is read
        ("terima kasih", True),
        (" ".join(["saldo"] * 30), False),
        (f"saldo {NKP}", False),
        ("saldo budi", False),
        ("tolong cek saldo siti rahmah", False),
        (f"daftar saldo#{NIK}#budi#17-08-1990#{NKP}", False),
        ("", True),
    ],
)
def test_only_texts_of_configured_words_are_kept_in_memory(text: str, is_kept: bool) -> None:
    grammar = Grammar(KEYWORDS, WORDS)
    first, again = grammar.parse(text), grammar.parse(text)
    assert first == again == GRAMMAR.parse(text)
    assert (first is again) == is_kept


some_text = st.one_of(
    st.text(max_size=300),
    st.text(st.sampled_from("SALDO DAFTAR#19()<>-./:é\n\u200b０٣😀\ud800\x00@"), max_size=300),
)


@pytest.mark.parametrize(
    "text",
    [
        f"SALDO {NKP}",
        f"saldo{NKP}",
        f"SALDO(spasi){NKP}",
        f"saldo spasi {NKP}",
        f"SALDO <{NKP}>",
        f"[{NKP}]",
        NKP,
        f"SALDO#{NKP}#",
        f"SALDO KPJ: {NKP}",
        f"Tolong cek saldo saya {NKP} terima kasih",
        "SALDO 190 1234 5678",
        "SALDO 190.1234-5678",
        "SALDO 19O12345678",
        "SALDO １９０１２３４５６７８",
        "SALDO ١٩٠١٢٣٤٥٦٧٨",
        f"SALDO\u200b\xa0\n{NKP}",
        f"SALDO “{NKP}” – Budi, dikirim dari Nokia",
        f"SALDO {NKP} kirim ke 2757",
        f"saldo saya brp ya? nkp {NKP}",
        f"SLDO {NKP}",
        f"S A L D O {NKP}",
        f"SADLO#{NKP}",
        f"saldonya brp {NKP}",
        f"{NKP} SALDO",
    ],
)
def test_balance_requests_are_recognised_in_many_forms(text: str) -> None:
    parsed = GRAMMAR.parse(text)
    assert isinstance(parsed, Command)
    assert (parsed.keyword, parsed.fields) == ("saldo", {"nkp": NKP})


@pytest.mark.parametrize(
    "written",
    [
        "17-08-1990",
        "17/8/90",
        "17.08.1990",
        "17 08 1990",
        "17081990",
        "170890",
        "1990-08-17",
        "17 AGUSTUS 1990",
        "17 agt 90",
        "17-Ags-1990",
        "17 Aug 1990",
    ],
)
@pytest.mark.parametrize("separator", ["#", " ", ",", "*", "\n", " # "])
def test_birth_dates_are_read_day_first(written: str, separator: str) -> None:
    parsed = GRAMMAR.parse(separator.join(["DAFTAR SALDO", NIK, "BUDI SANTOSO", written, NKP]))
    assert isinstance(parsed, Command), parsed
    assert parsed.fields == {
        "nik": NIK,
        "name": "BUDI SANTOSO",
        "birth_date": BORN,
        "nkp": NKP,
    }


@pytest.mark.parametrize("keyword", ["DAFTAR", "DAFTRA", "DAFAR", "REG"])
@pytest.mark.parametrize("separator", ["#", ".", ",", "*", " "])
def test_a_registration_is_recognised_with_any_separator(keyword: str, separator: str) -> None:
    fields = [f"{keyword} SALDO", NIK, "BUDI", "17-08-1990", NKP]
    parsed = GRAMMAR.parse(separator.join(fields))
    assert isinstance(parsed, Command), parsed
    assert (parsed.keyword, parsed.fields["nkp"], parsed.fields["birth_date"]) == (
        "daftar",
        NKP,
        BORN,
    )


@given(
    st.permutations(
        [
            st.sampled_from([NIK, f"NIK:{NIK}", "3171-0117-0890-0000"]),
            st.sampled_from(["17-08-1990", "TGL_LAHIR: 17 AGUSTUS 1990"]),
            st.sampled_from([NKP, f"NO_PESERTA={NKP}", f"<{NKP}>"]),
            st.just("budi@mail.id"),
        ]
    ).flatmap(lambda fields: st.tuples(*fields)),
    st.sampled_from(["#", " # ", ",", "*", "#\n"]),
)
@settings(max_examples=100)
def test_fields_are_found_by_shape_not_by_place(fields: tuple[str, ...], separator: str) -> None:
    parsed = GRAMMAR.parse("DAFTAR" + separator + separator.join(fields) + separator)
    assert isinstance(parsed, Command), parsed
    expected = {"nik": NIK, "birth_date": BORN, "nkp": NKP, "email": "budi@mail.id"}
    assert parsed.fields == expected


@pytest.mark.parametrize(
    ("text", "reason", "slot", "read", "needed"),
    [
        ("SALDO 1901234567", Reason.WRONG_LENGTH, "NKP", "10", "11"),
        ("SALDO 190 123 4567", Reason.WRONG_LENGTH, "NKP", "10", "11"),
        ("1901234567", Reason.WRONG_LENGTH, "NKP", "10", "11"),
        ("SALDO 081234567890", Reason.PHONE_NUMBER, "NKP", "12", "11"),
        ("SALDO +62 812-3456-7890", Reason.PHONE_NUMBER, "NKP", "13", "11"),
        (f"DAFTAR KK {NIK} 17-08-1990 {NKP}", Reason.FAMILY_CARD, "NIK", None, None),
        ("DAFTAR", Reason.MISSING, "NIK", None, None),
        ("DAFTAR SALDO#NIK#NAMA#TGL_LAHIR#NO_PESERTA", Reason.MISSING, "NIK", None, None),
        (f"DAFTAR SALDO#{NIK}#17-08-1990", Reason.MISSING, "NKP", None, None),
        (f"DAFTAR#{NIK[:15]}#17-08-1990#{NKP}", Reason.WRONG_LENGTH, "NIK", "15", "16"),
        (f"DAFTAR#{NIK}#31-02-1990#{NKP}", Reason.IMPOSSIBLE_DATE, "TGL_LAHIR", "31-02-1990", None),
        # Printed in newspapers; the NIK's day is 80 and its month 97, and the NKP is a digit short.
        (
            "DAFTAR SALDO#3523418097870002#ADI SUNARYO#01-09-1987#2345678901",
            Reason.WRONG_LENGTH,
            "NKP",
            "10",
            "11",
        ),
    ],
)
def test_the_wrong_field_is_named(
    text: str, reason: Reason, slot: str, read: str | None, needed: str | None
) -> None:
    parsed = GRAMMAR.parse(text)
    assert isinstance(parsed, Misread)
    assert (parsed.reason, parsed.slot, parsed.read, parsed.needed) == (reason, slot, read, needed)


@pytest.mark.parametrize("text", ["", "?", "halo", "sy sudah stop kerja", "12", "2757"])
def test_unrelated_text_is_unknown(text: str) -> None:
    parsed = GRAMMAR.parse(text)
    assert isinstance(parsed, Misread)
    assert (parsed.reason, parsed.keyword) == (Reason.UNKNOWN, None)


@pytest.mark.parametrize(
    ("text", "keyword", "word"),
    [
        ("stop.", "stop", "STOP"),
        ("UNREG SALDO", "stop", "UNREG SALDO"),
        ("ya", "ya", "YA"),
        ("YA, terima kasih", "ya", "YA TERIMA KASIH"),
        ("SALDO JHT", "saldo", "SALDO JHT"),
    ],
)
def test_the_longest_alias_wins(text: str, keyword: str, word: str) -> None:
    parsed = GRAMMAR.parse(text)
    assert isinstance(parsed, Command)
    assert (parsed.keyword, parsed.word) == (keyword, word)


def test_a_single_letter_is_kept_for_an_open_choice() -> None:
    assert GRAMMAR.parse("SALDO B").rest == "B"
    assert GRAMMAR.parse("b").rest == "B"


@given(some_text)
@settings(max_examples=300)
def test_no_text_raises_and_the_normal_form_says_the_same(text: str) -> None:
    parsed = GRAMMAR.parse(text)
    assert isinstance(parsed, Command | Misread)
    assert GRAMMAR.parse(normalise(text)) == parsed
    assert normalise(normalise(text)) == normalise(text)


@given(
    st.lists(st.sampled_from([*"aeOIlsxÉßıⅷ٣", "spasi", "SPASI", "\u0301", "\u200b"]), max_size=12)
)
def test_a_word_alone_has_the_normal_form_that_it_has_among_others(pieces: list[str]) -> None:
    word = "".join(pieces)
    assert normalise(word) == normalise(f" {word}")


def test_text_beyond_1600_characters_is_not_read() -> None:
    assert isinstance(GRAMMAR.parse("#" * (MAX_CHARACTERS - 5) + "SALDO"), Command)
    assert isinstance(GRAMMAR.parse("#" * (MAX_CHARACTERS - 3) + "SALDO"), Misread)


def test_usage_shows_the_required_slots_of_the_poster() -> None:
    assert GRAMMAR.usage("saldo") == "SALDO NKP"
    assert GRAMMAR.usage("daftar") == "DAFTAR SALDO#NIK#TGL LAHIR#NKP"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ([Keyword("x", "X [<NKP>")], "character"),
        ([Keyword("x", "<NKP>")], "begins with a word"),
        ([Keyword("x", "X <PIN>")], "<PIN> is no slot"),
        ([Keyword("x", "X <NKP>#<NKP>")], "twice"),
        ([Keyword("x", "X"), Keyword("y", "Y", ("X",))], "'X' belongs to x and to y"),
        ([Keyword("x", "X"), Keyword("y", "Y", ("X",), alone=True)], "'X' belongs to x and to y"),
        ([Keyword("x", "X", ("ALPHA BETA GAMMA DELTA EPSILON",))], "one to 4 words"),
    ],
)
def test_an_invalid_poster_is_refused(keywords: list[Keyword], message: str) -> None:
    with pytest.raises(PosterError, match=message):
        Grammar(keywords, WORDS)


@pytest.fixture
def hasty_switches() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_threads_may_share_a_grammar_from_its_first_message(hasty_switches: None) -> None:
    """pyparsing finds out what a parse action takes by trying, in a state that threads share."""
    threads = 8
    together = Barrier(threads)

    def first(text: str) -> Command | Misread:
        together.wait(LONGEST)
        return grammar.parse(text)

    text = f"DAFTAR SALDO#{NIK}#BUDI#17-08-1990#{NKP}"
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(40):
            grammar = Grammar(KEYWORDS, WORDS)
            read = list(pool.map(first, [text] * threads))
            assert read == [GRAMMAR.parse(text)] * threads
