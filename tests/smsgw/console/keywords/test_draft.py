"""The draft's page shows what it changes and what is wrong with it, and loses nothing typed."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from smsgw.app import create_app
from smsgw.configuration import document, past_drafts, versions
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor, logged_in
from tests.support.documents import ANI, edited_document, reworded_document
from tests.support.drafts import HELLO, OTHER, current_draft, current_version, publish, save_draft

PAGE, TEXT = "/console/draft/", "/console/draft/text"


def test_a_draft_shows_what_it_changes_and_is_published_with_a_reason(as_: As, rt: Runtime) -> None:
    save_draft(rt, reworded_document(HELLO))
    visitor = as_(Role.PUBLISHER)
    visitor.get(PAGE)
    assert "keywords › kontak › wordings › ways" in visitor.text
    assert "added: + id: Halo dunia, telepon {call_centre}." in visitor.text
    assert "removed: − id: 'Telepon {call_centre}" in visitor.text
    assert "can be published" in visitor.text
    visitor.submit("/draft/publish", reason="people greet each other")
    assert "Version 1 is published" in visitor.text
    assert "people greet each other" in visitor.text
    assert (current_version(rt).number, current_version(rt).by) == (1, "operator:publisher")
    visitor.get(PAGE)
    assert "There is no draft" in visitor.text


@pytest.mark.parametrize("reason", ["", "  "])
def test_nothing_is_published_without_a_reason(as_: As, rt: Runtime, reason: str) -> None:
    save_draft(rt, reworded_document(HELLO))
    visitor = as_(Role.PUBLISHER)
    visitor.get(PAGE)
    assert visitor.submit("/draft/publish", reason=reason).status_code == 409
    assert "give a short reason" in visitor.text
    assert current_version(rt).number == 0


def test_an_author_is_told_that_a_second_person_must_publish(rt: Runtime) -> None:
    by_two = replace(rt, settings=rt.settings.model_copy(update={"publish_by_two": True}))
    app = create_app(by_two)
    one, other = (logged_in(app, by_two, Role.PUBLISHER, name) for name in ("ani", "budi"))
    save_draft(rt, reworded_document(HELLO))
    one.get(PAGE)
    assert "another publisher must publish it" in one.text
    assert "/draft/publish" not in one.page
    assert one.post("/console/draft/publish", edition=1, reason="mine").status_code == 409
    assert "another publisher must publish it" in one.text
    other.get(PAGE)
    assert other.submit("/draft/publish", reason="looked at it").status_code == 200
    assert current_version(rt).by == "operator:budi"


def test_errors_are_listed_and_prevent_publishing(as_: As, rt: Runtime) -> None:
    save_draft(rt, reworded_document("W" * 200))
    visitor = as_(Role.PUBLISHER)
    visitor.get(PAGE)
    assert "2 errors" in visitor.text
    assert "2 segments instead of 1" in visitor.text
    assert "/draft/publish" not in visitor.page
    visitor.post("/console/draft/publish", edition=1, reason="all the same")
    assert current_version(rt).number == 0
    assert current_draft(rt) is not None


def test_a_newer_version_is_shown_and_merged(as_: As, rt: Runtime) -> None:
    def aliased(raw: dict[str, Any]) -> None:
        raw["keywords"]["saldo"]["aliases"].append("DUIT")

    publish(rt, reworded_document(OTHER))
    save_draft(rt, document.dumps(document.loads(edited_document(aliased))))
    with rt.writing() as tx:
        versions.bring_back(tx, 0, ANI, "back to the start")
    visitor = as_(Role.PUBLISHER)
    visitor.get(PAGE)
    assert "Another version has been published" in visitor.text
    assert "back to the start" in visitor.text
    assert "/draft/publish" not in visitor.page
    visitor.submit("/draft/rebase")
    assert "The newly published version is merged into the draft." in visitor.text
    assert visitor.submit("/draft/publish", reason="both").status_code == 200
    assert "DUIT" in current_version(rt).text


def test_conflicts_are_listed(as_: As, rt: Runtime) -> None:
    publish(rt, reworded_document(HELLO))
    save_draft(rt, reworded_document(OTHER))
    with rt.writing() as tx:
        versions.bring_back(tx, 0, ANI, "meanwhile")
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    visitor.submit("/draft/rebase")
    assert "Conflicts, kept as in your draft" in visitor.text
    assert "keywords.kontak.wordings.ways.id" in visitor.text
    assert OTHER in current_draft(rt).text


def test_a_draft_is_discarded(as_: As, rt: Runtime) -> None:
    save_draft(rt, reworded_document(HELLO))
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    visitor.submit("/draft/discard")
    assert "The draft is discarded." in visitor.text
    assert current_draft(rt) is None


@pytest.mark.parametrize("action", ["/draft/discard", "/draft/publish", "/draft/rebase"])
def test_a_changed_draft_is_not_overwritten(as_: As, rt: Runtime, action: str) -> None:
    publish(rt, reworded_document(HELLO))
    save_draft(rt, reworded_document("Satu."))
    if action.endswith("rebase"):
        with rt.writing() as tx:
            versions.bring_back(tx, 0, ANI, "meanwhile")
    visitor = as_(Role.PUBLISHER)
    visitor.get(PAGE)
    save_draft(rt, reworded_document("Dua."))
    assert visitor.submit(action, reason="why").status_code == 409
    assert "someone changed the draft" in visitor.text
    assert "Dua" in visitor.text
    assert "Dua." in current_draft(rt).text


def test_the_whole_text_is_edited(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(TEXT)
    assert visitor.form("/draft/text").values["text"] == document.dump_shipped()
    visitor.submit("/draft/text", text=reworded_document(HELLO).replace("\n", "\r\n"))
    assert "The draft is saved." in visitor.text
    assert current_draft(rt).text == reworded_document(HELLO)


@pytest.mark.parametrize("text", ["a: [", "just a text", "[" * 5000, "x" * 500_001])
def test_an_invalid_text_stays_in_the_form(as_: As, rt: Runtime, text: str) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(TEXT)
    assert visitor.submit("/draft/text", text=text).status_code == 400
    assert visitor.form("/draft/text").values["text"] == text
    assert 'role="alert"' in visitor.page
    assert current_draft(rt) is None


def test_a_conflicting_text_is_shown_and_may_be_saved_again(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(TEXT)
    save_draft(rt, reworded_document(OTHER))
    assert visitor.submit("/draft/text", text=reworded_document(HELLO)).status_code == 409
    assert "ani changed the draft" in visitor.text
    assert f"added: + id: {OTHER}" in visitor.text
    assert visitor.form("/draft/text").values["text"] == reworded_document(HELLO)
    assert OTHER in current_draft(rt).text
    assert visitor.submit("/draft/text").status_code == 200
    assert HELLO in current_draft(rt).text


def test_a_draft_published_during_an_edit_is_not_overwritten(as_: As, rt: Runtime) -> None:
    save_draft(rt, reworded_document(OTHER))
    visitor = as_(Role.EDITOR)
    visitor.get(TEXT)
    with rt.writing() as tx:
        versions.publish(tx, 1, ANI, "meanwhile")
    assert visitor.submit("/draft/text", text=reworded_document(HELLO)).status_code == 409
    assert "published or discarded. Nothing was saved" in visitor.text
    assert visitor.submit("/draft/text").status_code == 200
    assert HELLO in current_draft(rt).text


def file(content: bytes, name: str = "mine.yaml") -> tuple[BytesIO, str]:
    return BytesIO(content), name


def test_an_import_replaces_the_draft(as_: As, rt: Runtime) -> None:
    save_draft(rt, reworded_document(OTHER))
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    visitor.submit("/draft/import", file=file(b"\xef\xbb\xbf" + reworded_document(HELLO).encode()))
    assert "The draft is saved." in visitor.text
    assert current_draft(rt).text == reworded_document(HELLO)


def test_an_import_with_errors_counts_them(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    for change, expected in (
        (lambda raw: raw["keywords"].pop("saldo"), "1 error"),
        (lambda raw: (raw["keywords"].pop("saldo"), raw["keywords"].pop("ya")), "2 errors"),
    ):
        visitor.get(PAGE)
        visitor.submit("/draft/import", file=file(edited_document(change).encode()))
        assert f"The draft is saved. It has {expected} and cannot be published yet." in visitor.text


def test_a_single_changed_line_is_counted_as_one(as_: As, rt: Runtime) -> None:
    save_draft(rt, edited_document(lambda raw: raw["fillers"].append("HALOHALO")))
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert "1 line added, 0 removed" in visitor.text


def test_a_refused_import_says_why(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    for content, expected in (
        (file(b"a: ["), "not valid YAML"),
        (file(b"\xff\xfe\x00"), "not UTF-8"),
        (file(b"", ""), "Choose a file first."),
    ):
        visitor.get(PAGE)
        assert visitor.submit("/draft/import", file=content).status_code == 400
        assert expected in visitor.text
    assert current_draft(rt) is None


def test_an_import_over_a_changed_draft_stays_in_the_form(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    save_draft(rt, reworded_document(OTHER))
    answer = visitor.submit("/draft/import", file=file(reworded_document(HELLO).encode()))
    assert answer.status_code == 409
    assert visitor.form("/draft/text").values["text"] == reworded_document(HELLO)
    assert OTHER in current_draft(rt).text


def test_draft_and_published_version_are_exported(as_: As, rt: Runtime) -> None:
    save_draft(rt, reworded_document(HELLO))
    visitor = as_(Role.VIEWER)
    draft = visitor.get("/console/draft/keywords-draft.yaml")
    assert draft.text == reworded_document(HELLO)
    assert draft.headers["Content-Disposition"] == 'attachment; filename="keywords-draft.yaml"'
    shipped = visitor.get("/console/versions/0/keywords.yaml")
    assert shipped.text == document.dump_shipped()


def test_viewers_get_no_buttons(as_: As, rt: Runtime) -> None:
    save_draft(rt, reworded_document(HELLO))
    visitor = as_(Role.VIEWER)
    visitor.get(PAGE)
    assert "Halo dunia" in visitor.text
    for action in ("publish", "discard", "import", "text"):
        assert f"/console/draft/{action}" not in visitor.page


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw["keywords"]["saldo"].update(poster={"a": 1}),
        lambda raw: raw["keywords"]["saldo"].update(wordings=[]),
        lambda raw: raw.update(fillers=None, labels={"NKP": [False]}),
        lambda raw: raw.update(keywords={}),
        lambda raw: raw.update(services=[{"name": "x", "words": [1]}]),
    ],
)
def test_any_draft_can_be_shown(
    as_: As, rt: Runtime, change: Callable[[dict[str, Any]], object]
) -> None:
    save_draft(rt, edited_document(change))
    visitor = as_(Role.EDITOR)
    assert visitor.get(PAGE).status_code == 200
    assert "Fix these errors before you publish" in visitor.text


def test_names_in_a_draft_are_escaped(app: Flask, rt: Runtime) -> None:
    save_draft(rt, reworded_document("<script>alert(1)</script>"))
    visitor = logged_in(app, rt, Role.EDITOR)
    visitor.get(PAGE)
    assert "<script>alert" not in visitor.page
    assert "<script>alert(1)</script>" in Visitor.text.fget(visitor)


def balance(text: str) -> str:
    """Returns the draft with another wording of the balance."""

    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["saldo"]["wordings"]["balance"]["id"] = text

    return edited_document(change)


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("Saldo Anda Rp0. Hubungi {call_centre}", "{total}"),
        ("Saldo JHT NKP {nkp} per {as_of}: Rp0.", "{total}"),
        ("Saldo JHT NKP {nkp} per {as_of}[: {total}].", "{total}"),
        ("Saldo JHT NKP {nkp}: {total}.", "{as_of}"),
        ("Saldo JHT NKP {nkp} per {total}: {total}.", "{as_of}"),
    ],
)
def test_dropping_a_value_needs_confirmation(as_: As, rt: Runtime, text: str, lost: str) -> None:
    """That holds also if the value is in an optional part."""
    save_draft(rt, balance(text))
    visitor = as_(Role.PUBLISHER)
    visitor.get(PAGE)
    assert "saldo.balance , Indonesian: it no longer always contains" in visitor.text
    assert lost in visitor.text.partition("Do you mean this?")[2]
    assert "sure" not in visitor.form("/draft/publish").values  # nobody ticked it beforehand
    assert visitor.submit("/draft/publish", reason="shorter").status_code == 409
    assert "confirm that you mean it" in visitor.text
    assert current_version(rt).number == 0
    assert visitor.form("/draft/publish").values["reason"] == "shorter"
    assert visitor.submit("/draft/publish", reason="shorter", sure="yes").status_code == 200
    assert current_version(rt).number == 1


def test_restoring_a_version_that_drops_a_value_needs_confirmation(as_: As, rt: Runtime) -> None:
    publish(rt, balance("Saldo Anda Rp0. Hubungi {call_centre}"))
    publish(rt, document.dump_shipped())
    visitor = as_(Role.PUBLISHER)
    visitor.get("/console/versions/1")
    assert "{total}" in visitor.text.partition("Do you mean this?")[2]
    assert visitor.submit("/versions/1/back", reason="why not").status_code == 409
    assert visitor.submit("/versions/1/back", reason="why not", sure="yes").status_code == 200


def test_keeping_all_values_needs_no_confirmation(as_: As, rt: Runtime) -> None:
    save_draft(rt, balance("Per {as_of} saldo JHT NKP {nkp} ada {total}."))
    visitor = as_(Role.PUBLISHER)
    visitor.get(PAGE)
    assert "Do you mean this?" not in visitor.text
    assert visitor.submit("/draft/publish", reason="shorter").status_code == 200


def test_words_that_now_change_something_need_confirmation(as_: As, rt: Runtime) -> None:
    """SEPATU HILANG would be another way to unlink a phone."""

    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["ganti_hp"]["aliases"].append("SEPATU HILANG")
        raw["keywords"]["saldo"]["aliases"].append("DUIT GUE")

    save_draft(rt, edited_document(change))
    visitor = as_(Role.PUBLISHER)
    visitor.get(PAGE)
    assert "SEPATU HILANG is now another way to write ganti_hp" in visitor.text
    assert "DUIT GUE is now" not in visitor.text
    assert visitor.submit("/draft/publish", reason="people ask").status_code == 409
    assert visitor.submit("/draft/publish", reason="people ask", sure="yes").status_code == 200


def imported(visitor: Visitor, text: str) -> None:
    visitor.get(PAGE)
    form = visitor.form("/draft/import")
    visitor.post(form.action, **form.values | {"file": (BytesIO(text.encode()), "wrong.yaml")})


def test_an_import_keeps_the_draft_before_it(as_: As, rt: Runtime) -> None:
    """Somebody imports the wrong file twice."""
    save_draft(rt, reworded_document(HELLO))
    visitor = as_(Role.EDITOR)
    for text in ("hello: world", "keywords: {}"):
        imported(visitor, text)
        assert "cannot be published yet" in visitor.text
    assert "Earlier drafts" in visitor.text
    assert visitor.text.count("Restore this draft") == 2
    first = min(each for each in visitor.links() if "/past/" in each)
    assert visitor.client.get(first).text == reworded_document(HELLO)
    visitor.submit(first.removesuffix(".yaml"))
    assert "The earlier draft is restored" in visitor.text
    assert current_draft(rt).text == reworded_document(HELLO)
    assert current_draft(rt).authors == (ANI, "operator:editor")
    assert visitor.text.count("Restore this draft") == 3  # what stood there is kept too


@pytest.mark.parametrize("how", ["as text", "discarded"])
def test_a_replaced_draft_is_kept(as_: As, rt: Runtime, how: str) -> None:
    save_draft(rt, reworded_document(HELLO))
    visitor = as_(Role.EDITOR)
    if how == "discarded":
        visitor.get(PAGE)
        visitor.submit("/draft/discard")
        assert current_draft(rt) is None
    else:
        visitor.get(TEXT)
        visitor.submit(TEXT, text=reworded_document(OTHER))
    assert "Earlier drafts" in visitor.text
    visitor.submit("/past/1")
    assert current_draft(rt).text == reworded_document(HELLO)


def test_a_past_draft_is_restored_only_over_the_draft_shown(as_: As, rt: Runtime) -> None:
    save_draft(rt, reworded_document(HELLO))
    visitor = as_(Role.EDITOR)
    imported(visitor, reworded_document(OTHER))
    save_draft(rt, reworded_document("Tiga."))
    assert visitor.submit("/past/1").status_code == 409
    assert current_draft(rt).text == reworded_document("Tiga.")
    assert (
        visitor.post("/console/draft/past/9", edition=current_draft(rt).edition).status_code == 404
    )
    assert as_(Role.VIEWER).client.post("/console/draft/past/1").status_code == 400


def test_the_newest_past_drafts_are_kept(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    for number in range(23):
        with rt.writing() as tx:
            text, edition = reworded_document(f"Nomor {number}."), versions.editable(tx)[1]
            versions.save(tx, document.loads(text), edition, ANI, "all", is_whole=True)
    visitor.get(PAGE)
    assert visitor.text.count("Restore this draft") == 20
    with rt.reading() as tx:
        assert "Nomor 21." in past_drafts.newest(tx)[0].text
