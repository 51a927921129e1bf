"""Tests keywords that operators make, switch off, or have valid for a time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import Grammar
from smsgw.configuration import compiler, document, lint
from smsgw.configuration.compiler import Configuration
from smsgw.configuration.document import KeywordsError
from smsgw.configuration.live import LiveConfiguration
from smsgw.runtime import Runtime
from tests.conftest import P1, STRANGER
from tests.support.conversation import say
from tests.support.documents import (
    LOOKUP,
    STATIC,
    TABLE,
    add_custom_keywords,
    edited_document,
    reworded_document,
)


def configured(rt: Runtime, text: str, day: date | None = None) -> Runtime:
    return replace(rt, published=LiveConfiguration.always(compiler.load(text, day)))


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("LIBUR", "Kantor tutup pada hari libur."),
        ("tutup lebaran?", "Lebaran: tutup 20-24 Maret."),
        ("libur idul fitri kapan", "Lebaran: tutup 20-24 Maret."),
        ("LIBUR NATAL", "Natal: tutup 25 Desember."),
        ("mitra jakarta", "Mitra Jakarta: RS Umum. Telp 021-5550001. Bantuan 175"),
        ("MITRA#JAKARTA BARAT", "Mitra Jakarta Barat: RS Barat. Bantuan 175"),
        (
            "mitra di yogyakarta ya pak",
            'Mitra Yogyakarta: RS "Sehat". Telp 0274-555001. Bantuan 175',
        ),
        ("MITRA SURABAYA", "Kota itu belum ada mitra."),
        ("MITRA", "Kota itu belum ada mitra."),
    ],
)
def test_custom_keywords_are_answered(rt: Runtime, text: str, reply: str) -> None:
    made = configured(rt, edited_document(add_custom_keywords))
    answer = say(made, STRANGER, text)
    assert (answer.verdict.outcome, answer.reply.text) == ("answered", reply)


def test_a_whole_configuration_survives_being_written(rt: Runtime) -> None:
    text = edited_document(add_custom_keywords)
    assert document.dumps(document.loads(text)) == text
    assert lint.check(text).faults == []


def test_a_document_that_is_changed_leaves_others_as_they_are() -> None:
    text = edited_document(add_custom_keywords)
    document.loads(text)["keywords"].clear()
    again = document.loads(text)
    assert "libur" in again["keywords"]
    assert document.dumps(again) == text


def test_a_document_is_written_and_checked_as_it_is_now() -> None:
    raw = document.loads(edited_document(add_custom_keywords))
    before, faults = document.dumps(raw), lint.of(raw).faults
    raw["keywords"]["libur"]["poster"] = "LIBUR <PIN>"
    assert document.dumps(raw) == before.replace("LIBUR [<ISI>]", "LIBUR <PIN>")
    lint.of(raw).faults.clear()
    assert (faults, bool(lint.of(raw).faults)) == ([], True)


def test_the_order_of_a_document_is_kept() -> None:
    raw = document.loads("a: {b: 1, c: 2}")
    assert document.dumps(raw) == "a:\n  b: 1\n  c: 2\n"
    raw["a"] = {"c": 2, "b": 1}
    assert document.dumps(raw) == "a:\n  c: 2\n  b: 1\n"


def test_documents_share_a_grammar_if_they_differ_in_replies_only() -> None:
    def grammar(change: Callable[[dict[str, Any]], object]) -> Grammar:
        return compiler.load(edited_document(change)).grammar

    def reorder(raw: dict[str, Any]) -> None:
        raw["concepts"] = dict(reversed(raw["concepts"].items()))

    shipped = grammar(lambda raw: None)
    assert compiler.load(reworded_document("Telepon 175.")).grammar is shipped
    assert grammar(reorder) is not shipped
    assert grammar(lambda raw: raw["fillers"].append("KAKAK")) is not shipped
    assert grammar(lambda raw: raw["keywords"]["kontak"].update(aliases=["HU"])) is not shipped


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "9" * 19, "[{9999999999999999999: a}]"])
def test_a_number_that_cannot_be_written_again_is_refused(number: str) -> None:
    with pytest.raises(KeywordsError, match="18 digits at most"):
        document.loads(f"a: {number}")


def test_an_obsolete_part_is_dropped() -> None:
    later = edited_document(lambda raw: raw.update(emoji={}))
    assert all(each.startswith("emoji:") for each in lint.check(later).faults)
    assert lint.of(document.upgrade(document.loads(later))).faults == []


def test_a_disabled_keyword_is_not_recognised(rt: Runtime) -> None:
    text = edited_document(lambda raw: raw["keywords"]["klaim"].update(enabled=False))
    off = configured(rt, text)
    assert say(off, P1, "KLAIM").verdict.outcome == "unknown"
    assert say(off, P1, "IURAN").verdict.outcome == "answered"


@pytest.mark.parametrize(
    ("day", "is_on"),
    [
        (date(2025, 12, 31), False),
        (date(2026, 1, 1), True),
        (date(2026, 1, 31), True),
        (date(2026, 2, 1), False),
    ],
)
def test_a_keyword_is_valid_for_its_days(day: date, is_on: bool) -> None:
    def change(raw: dict[str, Any]) -> None:
        add_custom_keywords(raw)
        raw["keywords"]["libur"] |= {"from": date(2026, 1, 1), "until": date(2026, 1, 31)}

    assert ("libur" in compiler.load(edited_document(change), day).usage) == is_on


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["keywords"]["stop"].update(enabled=False), "stop: this keyword is always"),
        (lambda raw: raw["keywords"]["saldo"].update({"until": date(2026, 1, 1)}), "always on"),
        (lambda raw: raw["keywords"]["iuran"].update({"from": "besok"}), "from and until are days"),
        (lambda raw: raw["keywords"]["iuran"].update(budget=9), "1 to 4 segments"),
        (lambda raw: raw["keywords"]["iuran"].update(enabled="ya"), "enabled is true or false"),
        (lambda raw: raw["keywords"].update(saldo_=STATIC), "clash" and "LIBUR"),
        (lambda raw: raw["keywords"].update({"9x": STATIC}), "an id is 2 to 20"),
        (lambda raw: raw["keywords"].update(own=STATIC), "own: this keyword is built in"),
        (
            lambda raw: raw["keywords"].update(libur={**STATIC, "poster": "LIBUR <NKP>"}),
            "<NKP> is not for keywords made here",
        ),
        (
            lambda raw: raw["keywords"].update(libur={**STATIC, "topics": {"x": ["X"]}}),
            "libur.x: this wording is missing",
        ),
        (
            lambda raw: raw["keywords"].update(libur={**STATIC, "topics": {"natal": []}}),
            "libur.natal: words that ask for this topic are needed",
        ),
        (lambda raw: raw["keywords"].update(mitra=LOOKUP), "there is no table mitra"),
        (
            lambda raw: raw.update(tables={"mitra": {**TABLE, "rows": []}}),
            "it has 0 rows",
        ),
        (
            lambda raw: raw.update(tables={"mitra": {**TABLE, "columns": ["kota", "Nama!", "x"]}}),
            "Nama! is no column",
        ),
        (
            lambda raw: raw.update(tables={"t2": {**TABLE, "rows": [["a", "b", "c"]] * 2}}),
            "row 2: a stands in row 1 too",
        ),
        (lambda raw: raw.update(tables={"t2": {**TABLE, "rows": [["a"]]}}), "3 texts are needed"),
        (
            lambda raw: raw.update(tables={"t2": {**TABLE, "rows": [["a", "b" * 101, "c"]]}}),
            "100 characters at most",
        ),
        (lambda raw: raw["keywords"]["saldo"].update(poster=["SALDO"]), "saldo.poster: a text"),
        (lambda raw: raw["keywords"]["saldo"].update(wordings=None), "saldo: a mapping"),
        (lambda raw: raw.update(fillers="TOLONG"), "fillers: a list is needed"),
        (lambda raw: raw["fillers"].append(False), "a text is needed; put it in quotes"),
        (lambda raw: raw["secrets"]["pins"].append(5), r"secrets.pins \d+: a text"),
        (lambda raw: raw["services"].append({"name": "x", "words": [1]}), r"words 1: a text"),
        (lambda raw: raw["services"].append({"name": "x", "niks": "2"}), "niks: a number"),
        (lambda raw: raw["services"].append({"nam": "x"}), r"services \d+: name is missing"),
        (lambda raw: raw["services"].append({"nam": "x"}), r"services \d+: nam is not known here$"),
        (lambda raw: raw["choices"]["ON/OFF"].update({True: []}), "put this name in quotes"),
        (
            lambda raw: raw["keywords"]["iuran"].update(colour="red"),
            "iuran: colour is not known here; there are poster",
        ),
        (lambda raw: raw["keywords"]["iuran"].update(asked="x"), "asked: it is slips or words"),
        (lambda raw: raw["keywords"]["iuran"].pop("poster"), "iuran: poster is missing"),
        (lambda raw: raw["keywords"].update(iuran=None), "iuran: a mapping is needed"),
        (lambda raw: raw["keywords"]["iuran"].update(topics={}), "topics is for keywords of the"),
        (lambda raw: raw["keywords"].update(libur={**STATIC, "kind": "x"}), "static or lookup"),
        (lambda raw: raw.pop("fillers"), "^fillers is missing"),
        (lambda raw: raw.update(terms={"id": "x"}), "terms.id: a mapping"),
        (lambda raw: raw["wordings"]["misread"].update(unknown="x"), "unknown: a mapping"),
    ],
)
def test_an_unpublishable_document_says_why(change: Callable[..., object], message: str) -> None:
    def both(raw: dict[str, Any]) -> None:
        if message == "LIBUR":
            raw["keywords"]["libur"] = STATIC
        change(raw)

    with pytest.raises(KeywordsError, match=message):
        compiler.load(edited_document(both))


def test_a_cell_that_is_too_wide_for_its_wording_is_found() -> None:
    """The proof is over the rows that there are."""

    def change(raw: dict[str, Any]) -> None:
        add_custom_keywords(raw)
        raw["tables"]["mitra"] = {**TABLE, "rows": [["Bogor", "R" * 100, ""], ["Depok", "x", ""]]}
        wording = "Mitra {kota}: {nama}. Datanglah dgn membawa KTP dan kartu peserta asli, ya."
        found = {"id": wording, "en": wording}
        raw["keywords"]["mitra"] = {**LOOKUP, "wordings": {**LOOKUP["wordings"], "found": found}}

    with pytest.raises(KeywordsError, match=r"mitra\.found .*2 segments instead of 1"):
        compiler.load(edited_document(change))


def test_an_older_document_is_upgraded() -> None:
    def change(raw: dict[str, Any]) -> None:
        del raw["keywords"]["kontak"]
        del raw["keywords"]["saldo"]["wordings"]["no_balance"]
        del raw["wordings"]["disclosure"]["enough"]
        raw["wordings"]["disclosure"]["gone"] = {"id": "x", "en": "x"}
        raw["keywords"]["saldo"]["wordings"]["balance"]["id"] = "Saldo {nkp}: {total}."

    text = edited_document(change)
    with pytest.raises(KeywordsError):
        compiler.load(text)
    made = compiler.load_published(text, date(2026, 1, 1))
    assert "kontak" in made.usage
    assert made.wordings["id"]["saldo.balance"] != shipped().wordings["id"]["saldo.balance"]


def shipped() -> Configuration:
    return compiler.load_shipped()


def test_a_new_version_is_noticed() -> None:
    held = [(3, edited_document(add_custom_keywords))]
    day = [date(2025, 12, 31)]
    published = LiveConfiguration(
        lambda since: held[-1] if held[-1][0] > since else None, lambda: day[-1]
    )
    published._lasts = 0
    assert "libur" not in published.configuration.usage
    published.refresh()
    assert (published.version, "libur" in published.configuration.usage) == (3, True)
    held.append((4, "keywords: {}"))
    published.refresh()
    assert "libur" in published.configuration.usage  # what cannot be read leaves what answered


def test_validity_changes_at_midnight_without_publishing() -> None:
    def change(raw: dict[str, Any]) -> None:
        add_custom_keywords(raw)
        raw["keywords"]["libur"]["from"] = date(2026, 1, 1)

    text, day = edited_document(change), [date(2025, 12, 31)]
    published = LiveConfiguration(lambda since: None if since else (1, text), lambda: day[-1])
    published._lasts = 0
    published.refresh()
    assert "libur" not in published.configuration.usage
    day.append(date(2026, 1, 1))
    published.refresh()
    assert "libur" in published.configuration.usage
    compiled = published.configuration
    day.append(date(2026, 1, 2))
    published.refresh()
    assert published.configuration is compiled  # on a day like the one before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "limited to 20 levels"),
        ("- " * 5000, "limited to 20 levels"),
        ("a: &x [1]\nb: *x", "refers to another part"),
        ("from: 2026-13-45", "not valid YAML"),
        ("!!python/object:os.system x", "not valid YAML"),
    ],
)
def test_a_malicious_document_is_refused(text: str, message: str) -> None:
    """The first two took the whole process down."""
    with pytest.raises(KeywordsError, match=message):
        document.loads(text)


TYPED = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(TYPED, st.one_of(TYPED, st.lists(TYPED), st.integers(0, 999), st.dates())))
def test_a_written_document_reads_back_the_same(typed: dict[str, Any]) -> None:
    """Drafts are saved without being read back."""
    assert document.loads(document.dumps(typed)) == typed


def test_shared_values_are_written_without_aliases() -> None:
    shared = ["A"]
    assert document.loads(document.dumps({"one": shared, "two": shared})) == {
        "one": ["A"],
        "two": ["A"],
    }
