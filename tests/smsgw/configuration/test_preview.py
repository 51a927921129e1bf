"""A preview shows what would be sent, and what it costs."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from handlers.values import Verbatim
from smsgw import gsm7
from smsgw.configuration import compiler, document, lint, placeholders, preview, wording
from smsgw.configuration.document import RawDocument, loads
from smsgw.configuration.languages import LANGUAGES, REQUIRED
from smsgw.configuration.preview import DOUBLE, WIDE, CostRun, Preview, WordingPreview
from smsgw.gsm7 import Encoding
from tests.support.documents import add_custom_keywords, edited, edited_document

RUPIAH = 350


def worded(text: str, **entry: Any) -> Preview:
    """Changes KONTAK's only wording in Indonesian."""

    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["wordings"]["ways"]["id"] = text
        raw["keywords"]["kontak"] |= entry

    return preview.of(edited(change), "kontak", RUPIAH)


def shown(text: str, **entry: Any) -> WordingPreview:
    return worded(text, **entry).wordings["ways"]["id"]


def test_a_sample_is_no_wider_than_the_widest_value() -> None:
    for name, each in placeholders.PLACEHOLDERS.items():
        shown, widest = (preview._as_shown(value) for value in (each.sample, each.widest))
        assert len(shown) <= len(widest), name
        assert gsm7.is_gsm7(shown), name


@pytest.mark.thorough
def test_every_shipped_wording_is_previewed_without_errors() -> None:
    raw = loads(document.dump_shipped())
    sections = {name.partition(".")[0] for name in compiler.WORDINGS}
    assert sections >= {"saldo", "disclosure", "misread"}
    for section in sections:
        previewed = preview.of(raw, section, RUPIAH)
        assert (previewed.own, previewed.others) == ((), ())
        assert previewed.wordings
        for languages in previewed.wordings.values():
            assert languages.keys() == set(LANGUAGES)
            for language, each in languages.items():
                if language not in REQUIRED and each == WordingPreview():
                    continue  # there is no text in it
                assert each.fault is None
                assert each.ordinary
                assert each.widest
                assert not each.ordinary.is_over
                assert not each.widest.is_over
                assert each.ordinary.rupiah == 350_000


def test_a_reply_is_shown_as_it_is_sent() -> None:
    previewed = preview.of(loads(document.dump_shipped()), "saldo", RUPIAH)
    balance = previewed.wordings["balance"]["id"]
    assert previewed.usage == "SALDO NKP"
    assert balance.ordinary.text == (
        "Saldo JHT NKP *******4321 per 31-01-2026: Rp48.750.000. Status AKTIF. "
        "Iuran terakhir 01-2026. Setoran Rp36.000.000, hasil Rp12.750.000. "
        "Bantuan 175. Ref 7KM2QX"
    )
    assert balance.ordinary.dropped == ("[ Juga: ketik {also}.]",)
    assert "[ Setoran {contributions}, hasil {returns}.]" in balance.widest.dropped
    assert previewed.values["balance"]["total"] == "Rp48.750.000"
    assert previewed.values["balance"].keys() >= wording.EVERYWHERE
    assert "Active" in previewed.wordings["balance"]["en"].ordinary.text


def test_a_second_segment_is_reported() -> None:
    long = shown("Hubungi kami di kantor mana pun. " * 5)
    assert (long.ordinary.count.segments, long.ordinary.is_over) == (2, True)
    assert long.ordinary.rupiah == 700_000
    assert "2 segments instead of 1" in long.fault
    budgeted = shown("Hubungi kami di kantor mana pun. " * 5, budget=2)
    assert (budgeted.fault, budgeted.ordinary.is_over) == (None, False)
    assert budgeted.ordinary.room == 306


@pytest.mark.parametrize(
    ("text", "costly", "encoding", "units"),
    [
        ("Setuju^ ~", [CostRun("^", DOUBLE), CostRun("~", DOUBLE)], Encoding.GSM_7, 11),
        ("“Ya” “", [CostRun("“", WIDE), CostRun("”", WIDE)], Encoding.UCS_2, 6),
        ("Rp5.000 atau 2 €", [CostRun("€", DOUBLE)], Encoding.GSM_7, 17),
    ],
)
def test_each_letter_that_costs_money_is_marked(
    text: str, costly: list[CostRun], encoding: Encoding, units: int
) -> None:
    previewed = shown(text)
    assert list(previewed.costly) == costly
    assert "plain GSM-7" in previewed.fault
    assert (previewed.ordinary.count.encoding, previewed.ordinary.count.units) == (encoding, units)
    assert previewed.ordinary.text == text
    assert {run.text: run.costs for run in previewed.ordinary.runs if run.costs} == {
        run.text: run.costs for run in costly
    }


def test_one_non_gsm7_letter_halves_the_room() -> None:
    plain, wide = shown("Kami bantu. " * 10), shown("Kami bantu. " * 9 + "Kami bantu…")
    assert (plain.ordinary.count.segments, wide.ordinary.count.segments) == (1, 2)
    assert wide.costly[0].instead == "..."


def test_an_invalid_wording_does_not_hide_the_others() -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["saldo"]["wordings"]["balance"]["id"] = "Saldo {nkp"
        raw["keywords"]["iuran"]["wordings"]["last"]["en"] = "[a [b]]"

    previewed = preview.of(edited(change), "saldo", RUPIAH)
    assert previewed.wordings["balance"]["id"] == WordingPreview("a brace is not closed")
    assert previewed.wordings["balance"]["en"].ordinary
    assert previewed.own == ("saldo.balance (id): a brace is not closed",)
    assert len(previewed.others) == 1


def test_all_errors_of_a_wording_are_reported() -> None:
    previewed = worded("Telepon “{telephone}” {fax} [x")
    assert previewed.wordings["ways"]["id"].fault == "; ".join(
        each.partition(": ")[2] for each in previewed.own
    )
    said = "\n".join(previewed.own)
    assert "plain GSM-7" in said
    assert "{fax} is no value" in said
    assert "{telephone} is no value" in said
    assert "bracket" in said


def test_an_unknown_value_is_reported_and_shown_empty() -> None:
    previewed = shown("Telepon {telephone}.")
    assert previewed.fault == "{telephone} is no value of this reply"
    assert previewed.ordinary.text == "Telepon -."


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_wording_is_refused(text: str) -> None:
    assert shown(text) == WordingPreview()
    assert worded(text).own == ("kontak.ways (id): this wording is missing",)


def test_a_poster_that_cannot_be_read_is_this_keywords_fault() -> None:
    previewed = worded("Telepon {call_centre}.", poster="KONTAK [<NKP")
    assert previewed.usage is None
    assert previewed.own == ("kontak: 'KONTAK [<NKP': cannot be read at character 8",)
    assert previewed.wordings["ways"]["id"].ordinary.text == "Telepon 175."


@pytest.mark.parametrize(
    "theirs",
    [
        {"poster": "<NKP>"},
        {"aliases": "SAL"},
        {"wordings": None},
        {"from": "besok"},
        {"aliases": ["KONTAK"]},
    ],
)
def test_a_broken_keyword_elsewhere_hides_nothing_here(theirs: dict[str, Any]) -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["klaim"] |= theirs
        raw["keywords"]["kontak"]["wordings"]["ways"]["id"] = "Telepon {telephone}."

    previewed = preview.of(edited(change), "kontak", RUPIAH)
    assert previewed.wordings["ways"]["id"].ordinary.text == "Telepon -."
    assert previewed.values["ways"]
    assert "kontak.ways (id): {telephone} is no value of this reply" in previewed.own
    there = preview.of(edited(change), "klaim", RUPIAH)
    assert there.own


def test_a_clash_is_shown_on_both_pages() -> None:
    raw = loads(edited_document(lambda raw: raw["keywords"]["saldo"].update(aliases=["STOP"])))
    for name in ("saldo", "stop"):
        assert "'STOP' belongs to saldo and to stop" in preview.of(raw, name, RUPIAH).own


def test_a_keyword_with_a_fault_still_shows_what_it_answers() -> None:
    previewed = worded("Telepon {call_centre}.", until="besok")
    assert previewed.own == ("kontak: from and until are days, such as 2026-01-31",)
    assert previewed.wordings["ways"]["id"].ordinary.text == "Telepon 175."


def test_an_invalid_configuration_shows_only_errors() -> None:
    previewed = preview.of({"keywords": {}}, "kontak", RUPIAH)
    assert "kontak: this keyword has no entry" in previewed.own
    assert previewed.others


def test_a_tables_own_values_are_shown() -> None:
    previewed = preview.of(edited(add_custom_keywords), "mitra", RUPIAH)
    assert previewed.wordings["found"]["id"].ordinary.text == (
        "Mitra Jakarta: RS Umum. Telp 021-5550001. Bantuan 175"
    )
    assert previewed.values["found"].keys() == {"kota", "nama", "telp"} | wording.EVERYWHERE


def test_the_preview_is_fast_enough_for_typing() -> None:
    """The draft is read once: it takes little more than the linter alone."""
    previewed = quickest(lambda raw: preview.of(raw, "info", RUPIAH), "Telepon")
    assert previewed < 2 * quickest(lint.of, "Hubungi")


def quickest(done: Callable[[RawDocument], object], typed: str) -> float:
    """Returns the shortest of five times, in seconds of this process's own; as what is typed
    changes each time, nothing is kept from the time before."""
    took = []
    for number in range(5):
        raw = edited(add_custom_keywords)
        raw["keywords"]["kontak"]["wordings"]["ways"]["id"] = f"{typed} {number}."
        begun = time.process_time()
        done(raw)
        took.append(time.process_time() - begun)
    return min(took)


def test_what_is_published_is_rendered_with_usual_values_and_those_of_its_page() -> None:
    own = {"ask": Verbatim("KLAIM")}
    found = preview.of_published(compiler.load_shipped(), "notification", RUPIAH, own)
    assert "ketik KLAIM" in found["changed"]["id"].text
    assert "is now Rp48.750.000" in found["balance"]["en"].text
    assert found["balance"]["en"].rupiah == 1000 * RUPIAH
    assert set(found["balance"]) == {"id", "en"}
