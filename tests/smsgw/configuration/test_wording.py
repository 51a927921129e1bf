import re
from datetime import UTC, date
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import CHANGING, WORDINGS
from handlers.values import Choices, MaskedNkp, Moment, Month, Percent, Term, Value, Verbatim
from smsgw.configuration import compiler
from smsgw.configuration.languages import LANGUAGES, OPTIONAL, REQUIRED
from smsgw.configuration.placeholders import PLACEHOLDERS, show
from smsgw.configuration.recognition import absent
from smsgw.configuration.wording import (
    EVERYWHERE,
    ReplyError,
    Wording,
    WordingError,
    check,
    dropped_clauses,
    faults,
    parse,
    render,
)
from smsgw.gsm7 import Encoding, count
from smsgw.messaging.inbox import REFERENCES, reference, sequence

digits = st.text("0123456789", min_size=11, max_size=11)
dates = st.dates(min_value=date(1900, 1, 1))
WORDS = st.one_of(st.none(), st.text(max_size=200))
# By the type that a placeholder is given: anything it could hold.
ANY: dict[type, st.SearchStrategy[Value]] = {
    MaskedNkp: digits.map(MaskedNkp),
    Decimal: st.one_of(st.none(), st.integers(0, 2**63 - 1).map(Decimal)),
    date: st.one_of(st.none(), dates),
    Month: st.one_of(st.none(), dates.map(Month)),
    Choices: st.lists(digits, min_size=2, max_size=30).map(lambda nkps: Choices(tuple(nkps))),
    int: st.one_of(st.none(), st.integers(0, 999)),
    Moment: st.datetimes(timezones=st.just(UTC)).map(Moment),
    Percent: st.one_of(st.none(), st.decimals(0, 100, places=2).map(Percent)),
    str: st.one_of(WORDS, st.text(max_size=200).map(Term)),
}
# Our own words, which nothing cuts.
OURS: dict[str, st.SearchStrategy[Value]] = {
    "answer": st.text("aBc 1", max_size=160).map(Verbatim),
    "call_centre": st.one_of(st.none(), st.just(Verbatim("0800-1234567"))),
    "ref": st.integers(1, 10**12).map(reference),
    "number": st.just(Verbatim("ADU-251031-100000")),
    "first": st.just(Verbatim("STOP")),
    "second": st.just(Verbatim("KLAIM")),
    "jp_cap": st.just(Decimal(11_086_300)),
    "bpu": st.just(Decimal(16_800)),
}


def anything(name: str) -> st.SearchStrategy[Value]:
    usage = {**compiler.load_shipped().usage, "usage": compiler.load_shipped().usage["daftar"]}
    if name in {"saldo", "daftar", "usage"}:
        return st.just(Verbatim(usage[name]))
    if name == "meant":
        return st.sampled_from([Verbatim(usage[each]) for each in CHANGING])
    if name in OURS:
        return OURS[name]
    widest = PLACEHOLDERS[name].widest
    return ANY.get(type(widest), st.just(widest))


@pytest.mark.thorough
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(WORDINGS))
@given(st.data())
@settings(max_examples=15)
def test_no_wording_with_any_data_passes_its_budget(
    name: str, language: str, data: st.DataObject
) -> None:
    published = compiler.load_shipped()
    values = {each: data.draw(anything(each)) for each in {*WORDINGS[name], *EVERYWHERE}}
    text = published.text(name, values, language)
    counted = count(text)
    assert counted.encoding is Encoding.GSM_7
    assert counted.segments <= published.budget(name)
    pieces = published.wording(name, language).pieces
    for each in {name for piece in pieces if not piece.is_clause for name in piece.names}:
        value = values[each]
        if isinstance(value, Decimal | date | MaskedNkp | Month | Verbatim):
            assert show(value).rstrip() in text


def test_every_wording_has_the_same_values_in_every_language() -> None:
    wordings = compiler.load_shipped().wordings
    assert [wordings[language].keys() for language in REQUIRED] == [WORDINGS.keys()] * 2
    assert [len(wordings[language]) for language in OPTIONAL] == [12, 12]
    for name in WORDINGS:
        needed = [texts[name].names for texts in wordings.values() if name in texts]
        assert all(needed[0] ^ each <= EVERYWHERE for each in needed), name


def test_the_optional_wordings_are_of_the_same_replies() -> None:
    wordings = compiler.load_shipped().wordings
    assert wordings["jv"].keys() == wordings["su"].keys()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal(123456789), "Rp123.456.789"),
        (Decimal(0), "Rp0"),
        (date(2025, 9, 30), "30-09-2025"),
        (Month(date(2025, 9, 1)), "09-2025"),
        (MaskedNkp("19012345678"), "*******5678"),
        (Choices(("21000000017", "21000000025")), "A)*******0017 B)*******0025"),
        (Percent(Decimal("0.30")), "0,3"),
        (Percent(Decimal("2")), "2"),
        (7, "7"),
    ],
)
def test_values_are_formatted(value: Value, shown: str) -> None:
    assert show(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Siti “Aminah” 日", 'Siti "Aminah" ?'),
        ("x" * 50, "x" * 20),
        (Term("AKTIF"), "Active"),
        (Term("LAIN"), "LAIN"),
    ],
)
def test_terms_are_translated(value: Value, shown: str) -> None:
    assert render(parse("{status}"), {"status": value}, 1, {"AKTIF": "Active"}) == shown


def test_clauses_are_taken_in_order_while_they_fit() -> None:
    wording = parse("a{nkp}[ " + "b" * 160 + "][ c{month}][ d{status}]")
    values: dict[str, Value] = {"nkp": MaskedNkp("1" * 11), "month": None, "status": "AKTIF"}
    assert render(wording, values, 1) == "a*******1111 dAKTIF"
    assert "b" in render(wording, values, 2)


@pytest.mark.parametrize("nkp", ["1" * 11, "2" * 11])
def test_omitted_clauses_are_found_from_the_text(nkp: str) -> None:
    """Checks both who rendered it and who only has what was sent."""
    wording = parse("{nkp}.[ " + "x" * 150 + " {status}.][ {status}.][ Help {call_centre} ]")
    values: dict[str, Value] = {"nkp": MaskedNkp(nkp), "status": "aktif", "call_centre": None}
    left_out = ["[ " + "x" * 150 + " {status}.]", "[ Help {call_centre} ]"]
    assert dropped_clauses(wording, values, 1) == left_out
    assert absent(wording, render(wording, values, 1)) == left_out
    values["call_centre"] = Verbatim("175")
    assert absent(wording, render(wording, values, 1)) == left_out[:1]
    assert absent(wording, "Something else") is None


def by_regex(wording: Wording, text: str) -> list[str] | None:
    """Returns what `absent` finds, by trying all ways there are."""
    pattern = ""
    for piece in wording.pieces:
        steps = (".*?" if step is None else re.escape(step) for step in piece.steps)
        pattern += f"({''.join(steps)})" + ("?" if piece.is_clause else "")
    found = re.fullmatch(pattern, text, re.DOTALL) or re.fullmatch(pattern, f"{text} ", re.DOTALL)
    if found is None:
        return None
    both = zip(wording.pieces, found.groups(), strict=True)
    return [piece.source for piece, was in both if was is None]


@given(
    st.lists(
        st.sampled_from(["a", "b ", "{x}", "[a{x}]", "[b]", "[{x} ]", "[{x}a{y}]"]), max_size=6
    ),
    st.text("ab ", max_size=8),
)
def test_an_ambiguous_match_is_stable(pieces: list[str], text: str) -> None:
    wording = parse("".join(pieces))
    assert absent(wording, text) == by_regex(wording, text)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("wording", ["[ {a}{b}]" * 9 + ".", "{a}{b}{c}" * 9 + "."])
def test_adjacent_values_do_not_slow_matching(wording: str) -> None:
    """A look-up of many columns is compared with a text of another wording."""
    assert absent(parse(wording), "x " * 300) is None


def test_a_value_is_never_expanded_again() -> None:
    values: dict[str, Value] = {"status": "{nkp} [x]", "nkp": MaskedNkp("1" * 11)}
    assert render(parse("{status} {nkp}"), values, 1) == "(nkp) (x) *******1111"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{x.__class__}", "plain name"),
        ("{x!r}", "plain name"),
        ("{x:>9}", "plain name"),
        ("{0}", "plain name"),
        ("a [b", "bracket is not closed"),
        ("a [b [c]]", "bracket is not closed"),
        ("a {b", "brace"),
        ("harga €5", "plain GSM-7"),
        ("‘kutip’", "plain GSM-7"),
    ],
)
def test_an_invalid_wording_is_refused(text: str, message: str) -> None:
    with pytest.raises(WordingError, match=message):
        parse(text)


def test_the_widest_required_part_must_fit() -> None:
    check(parse("{total}[" + "x" * 200 + "]"), frozenset({"total"}), {}, 1)
    with pytest.raises(WordingError, match="2 segments instead of 1"):
        check(parse("{total}" + "x" * 134), frozenset({"total"}), {}, 1)
    with pytest.raises(WordingError, match=r"\{nik\} is no value"):
        check(parse("{nik}"), frozenset({"total"}), {}, 1)


def test_a_value_that_nobody_declares_is_refused() -> None:
    """Its widest value is not known, so that a reply may not fit."""
    offered = frozenset({"total", "branches"})
    assert faults("{total}[ {call_centre}]", offered, {}, 1) == []
    assert faults("{total} di {branches}", offered, {}, 1) == [
        "{branches} has no widest value; declare it in PLACEHOLDERS of the handler, or in SHARED"
    ]
    assert faults("{branches}", offered, {}, 1, {"branches": Verbatim("x")}) == []


def test_a_reply_that_cannot_be_shown_names_its_wording_or_value() -> None:
    published = compiler.load_shipped()
    with pytest.raises(ReplyError, match=r"name saldo\.balanse$"):
        published.text("saldo.balanse", {}, "id")
    values: dict[str, Any] = {"total": ["1", "2"]}
    with pytest.raises(ReplyError, match=r"\{total\}: no reply can show a list"):
        render(parse("{total}"), values, 1)


def test_references_are_unique_and_repeatable() -> None:
    assert len({reference(number) for number in range(10_000)}) == 10_000
    assert reference(1) == reference(1)
    assert set("".join(map(reference, range(100)))).isdisjoint("AEIOU01Y")


@given(st.integers(0, REFERENCES - 1))
def test_a_reference_is_found_however_it_is_typed(number: int) -> None:
    written = reference(number)
    assert sequence(written) == number
    assert sequence(f" {written[:3].lower()} {written[3:].lower()} ") == number
    assert reference(number + REFERENCES) == written


@given(st.text(max_size=8))
def test_an_invalid_reference_finds_nothing(written: str) -> None:
    found = sequence(written)
    assert found is None or reference(found) == "".join(written.split()).upper()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("poster: SALDO [<NKP>]", "poster: SALDO [<PIN>]"), "<PIN> is no slot"),
        (("aliases: [SAL, SALDOE", "aliases: [NO, SALDOE"), "quotes"),
        (("{total}.[ Status", "{totl}.[ Status"), r"saldo.balance \(id\): \{totl\}"),
        (("no_balance:", "no_balances:"), r"saldo.no_balance \(id\): this wording is missing"),
        (('        en: "JHT balance', '        fr: "JHT balance'), r"saldo.balance \(en\): this"),
        (("\nkeywords:", "\nkeyword:"), "required"),
        (
            ("  mulai:", "  mulia:"),
            r"mulia: no such keyword: it has no line in HANDLERS \(handlers",
        ),
        (("bare: NKP", "bear: NKP"), "bear is not known"),
    ],
)
def test_an_invalid_configuration_is_refused(change: tuple[str, str], message: str) -> None:
    text = resources.files("smsgw.configuration").joinpath("seeds/keywords.yaml").read_text("utf-8")
    assert change[0] in text
    with pytest.raises(compiler.KeywordsError, match=message):
        compiler.load(text.replace(*change, 1))
