"""A wording may be in Javanese and Sundanese; where it is not, the reply is in Indonesian."""

from typing import Any

import pytest

from handlers.values import Term
from smsgw.configuration import compiler, document, lint, preview
from smsgw.configuration.languages import OPTIONAL
from tests.support.documents import edited_document


def with_kontak(texts: dict[str, str], **parts: Any) -> str:
    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["wordings"]["ways"] |= texts
        raw.update(parts)

    return edited_document(change)


@pytest.mark.parametrize("language", OPTIONAL)
def test_a_reply_without_a_wording_is_in_indonesian(language: str) -> None:
    published = compiler.load(with_kontak({language: "Halo {call_centre}"}))
    values = {"call_centre": "175", "hours": "Sen-Jum"}
    assert published.text("kontak.ways", values, language) == "Halo 175"
    indonesian = published.text("mulai.resumed", {}, "id")
    assert published.text("mulai.resumed", {}, language) == indonesian


def test_a_language_that_is_gone_is_answered_in_indonesian() -> None:
    published = compiler.load_shipped()
    assert published.text("mulai.resumed", {}, "fr") == published.text("mulai.resumed", {}, "id")


@pytest.mark.parametrize(
    ("language", "status"), [("jv", "Aktip"), ("su", "AKTIF"), ("en", "Active")]
)
def test_a_word_of_the_ledger_without_a_translation_is_told_as_it_is(
    language: str, status: str
) -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["status"]["wordings"]["member"]["su"] = "Status: {status}"
        raw["terms"]["jv"] = {"AKTIF": "Aktip"}

    published = compiler.load(edited_document(change))
    assert status in published.text("status.member", {"status": Term("AKTIF")}, language)


def test_a_reply_in_indonesian_has_no_javanese_word_in_it() -> None:
    terms = {"jv": {"PENETAPAN": "KATETEPAN"}}
    published = compiler.load(with_kontak({}, terms=terms))
    values = {"program": "JHT", "claim": "1", "stage": Term("PENETAPAN")}
    assert "PENETAPAN" in published.text("klaim.refused", values, "jv")


@pytest.mark.parametrize("language", OPTIONAL)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Halo {nkp}", "{nkp} is no value of this reply"),
        ("W" * 161, "161 characters, 2 segments instead of 1"),
        ("Halo {call_centre", "a brace is not closed"),
        ("Halo “kabeh”", "only plain GSM-7 characters may be used"),
    ],
)
def test_an_optional_wording_is_checked_as_the_others(
    language: str, text: str, message: str
) -> None:
    faults = lint.check(with_kontak({language: text})).faults
    assert faults
    assert all(each.startswith(f"kontak.ways ({language}): ") for each in faults)
    assert message in faults[0]


@pytest.mark.parametrize("text", ["", "   "])
def test_an_optional_wording_may_be_empty_and_another_may_not(text: str) -> None:
    found = lint.check(with_kontak({"jv": text, "su": text}))
    assert found.faults == []
    assert compiler.load(with_kontak({"jv": text})).language_of("kontak.ways", "jv") == "id"
    for language in ("id", "en"):
        faults = lint.check(with_kontak({language: text})).faults
        assert faults == [f"kontak.ways ({language}): this wording is missing"]


def test_a_value_that_only_the_indonesian_wording_tells_is_worth_a_look() -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["saldo"]["wordings"]["balance"]["jv"] = "Saldo NKP {nkp}[: {total}]"

    warned = "saldo.balance (jv): it does not always tell {as_of}, {total}, as id does"
    assert warned in lint.check(edited_document(change)).warnings


def test_a_preview_shows_each_language_and_what_is_too_long() -> None:
    raw = document.loads(with_kontak({"jv": "W" * 161}))
    shown = preview.of(raw, "kontak", 350).wordings["ways"]
    assert [each.ordinary is not None for each in shown.values()] == [True, True, True, False]
    assert shown["jv"].is_dear
    assert shown["su"].fault is None


def test_a_published_document_gains_no_wording_by_an_upgrade() -> None:
    """Operators who publish no Javanese get none with a new version of the program."""

    def change(raw: dict[str, Any]) -> None:
        del raw["keywords"]["saldo"]["wordings"]["balance"]["jv"]

    upgraded = document.upgrade(document.loads(edited_document(change)))
    assert "jv" not in upgraded["keywords"]["saldo"]["wordings"]["balance"]
