"""Operators write replies in Javanese and Sundanese, and confirm those of others."""

from typing import Any

import pytest
from sqlalchemy import select

from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from smsgw.storage.tables.security import audit
from tests.conftest import STRANGER, Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor
from tests.support.conversation import say
from tests.support.documents import add_custom_keywords, edited_document
from tests.support.keyword_drafts import publish, read_draft, save_draft

KONTAK, LIBUR = "/console/keywords/kontak", "/console/keywords/libur"
DISCLOSURE = "/console/wordings/disclosure"
WAITS = "Needs review by a speaker."


def write(visitor: Visitor, address: str = KONTAK, **fields: str) -> None:
    visitor.get(address)
    assert visitor.submit(address, **fields).status_code == 200


def confirm(visitor: Visitor, address: str, wording: str) -> int:
    """Confirms as the page's button does, and returns the status code."""
    assert visitor.button("wording", wording)["form"] == "review"
    return visitor.submit(f"{address}/confirm", wording=wording).status_code


def test_a_reply_is_written_confirmed_and_sent_in_javanese(
    as_: As, rt: Runtime, clock: Clock
) -> None:
    visitor = as_(Role.EDITOR)
    write(visitor, **{"w.ways.jv": "Telpun {call_centre}."})
    assert visitor.text.count(WAITS) == 1
    assert confirm(visitor, KONTAK, "ways.jv") == 200
    assert "kontak.ways.jv is confirmed in the draft." in visitor.text
    assert WAITS not in visitor.text
    draft = read_draft(rt)
    assert draft["reviewed"] == ["kontak.ways.jv"]
    assert draft["keywords"]["kontak"]["wordings"]["ways"]["jv"] == "Telpun {call_centre}."
    with rt.reading() as tx:
        acts = tx.connection.execute(select(audit.c.act, audit.c.detail)).all()
    assert ("drafted", "kontak.ways.jv reviewed") in acts
    publish(rt, clock)
    say(rt, STRANGER, "BAHASA JAWA")
    assert say(rt, STRANGER, "KONTAK").reply.text == "Telpun 175."


def test_an_edited_wording_waits_for_a_review_again(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    write(visitor, **{"w.ways.jv": "Telpun {call_centre}."})
    confirm(visitor, KONTAK, "ways.jv")
    write(visitor, **{"w.ways.en": "Call us on {call_centre}."})
    assert WAITS not in visitor.text
    write(visitor, **{"w.ways.jv": "Telpun {call_centre} mawon."})
    assert WAITS in visitor.text
    assert "reviewed" not in read_draft(rt)


def test_shared_wordings_are_confirmed_one_by_one(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(DISCLOSURE)
    before = visitor.text.count(WAITS)
    assert before >= 4
    assert confirm(visitor, DISCLOSURE, "ask.su") == 200
    assert visitor.text.count(WAITS) == before - 1
    assert confirm(visitor, DISCLOSURE, "ask.jv") == 200
    assert read_draft(rt)["reviewed"] == ["disclosure.ask.su", "disclosure.ask.jv"]


@pytest.mark.parametrize(("address", "wording"), [(KONTAK, "ways.jv"), (DISCLOSURE, "ask.jv")])
def test_a_text_that_changed_meanwhile_is_not_confirmed(
    as_: As, rt: Runtime, address: str, wording: str
) -> None:
    name = wording.partition(".")[0]
    visitor = as_(Role.EDITOR)
    write(visitor, address, **{f"w.{name}.jv": "Siji"})
    old = visitor.form(f"{address}/confirm").values
    write(visitor, address, **{f"w.{name}.jv": "Loro"})
    answer = visitor.post(f"{address}/confirm", **(old | {"wording": wording}))
    assert answer.status_code == 409
    assert "Nothing was confirmed" in visitor.text
    assert WAITS in visitor.text
    assert "reviewed" not in read_draft(rt)


@pytest.mark.parametrize("wording", ["ways.en", "ways.su", "way.jv", "x"])
def test_only_a_wording_that_is_there_is_confirmed(as_: As, rt: Runtime, wording: str) -> None:
    visitor = as_(Role.EDITOR)
    write(visitor, **{"w.ways.jv": "Telpun {call_centre}."})
    assert visitor.submit(f"{KONTAK}/confirm", wording=wording).status_code == 409
    assert "reviewed" not in read_draft(rt)


def test_who_may_only_look_sees_that_a_review_is_needed(as_: As) -> None:
    visitor = as_(Role.VIEWER)
    visitor.get(DISCLOSURE)
    assert WAITS in visitor.text
    assert 'form="review"' not in visitor.page
    for address in (KONTAK, DISCLOSURE):
        assert visitor.post(f"{address}/confirm", wording="ask.jv", was="").status_code == 403
    visitor.get("/console/keywords/")
    assert visitor.text.count("needs review") == 9
    visitor.get("/console/wordings/")
    assert visitor.text.count("needs review") == 2


def test_an_empty_optional_text_is_not_stored(as_: As, rt: Runtime) -> None:
    save_draft(rt, edited_document(add_custom_keywords))
    visitor = as_(Role.EDITOR)
    fields = {"words.NEW": "GALUNGAN", "w.NEW.id": "Galungan: tutup.", "w.NEW.jv": "Tutup."}
    write(visitor, LIBUR, **(fields | {"w.NEW.en": "Galungan: closed."}))
    texts = {"id": "Galungan: tutup.", "en": "Galungan: closed.", "jv": "Tutup."}
    assert read_draft(rt)["keywords"]["libur"]["wordings"]["galungan"] == texts
    write(visitor, LIBUR, **{"w.galungan.jv": ""})
    del texts["jv"]
    assert read_draft(rt)["keywords"]["libur"]["wordings"]["galungan"] == texts


def test_a_new_keyword_needs_no_optional_wording(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get("/console/keywords/a-new-one")
    visitor.submit("/console/keywords/a-new-one", poster="PAJAK", kind="static")
    assert read_draft(rt)["keywords"]["pajak"]["wordings"] == {"answer": {"id": "", "en": ""}}


def test_a_preview_counts_the_letters_of_an_optional_wording(as_: As) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)
    fields = visitor.form(KONTAK).values | {"w.ways.su": "Telepon kantor. " * 11}
    visitor.post(f"{KONTAK}/preview", **fields)
    assert "kontak.ways (su): without its clauses it may take 175 characters" in visitor.text
    assert "2 segments instead of 1" in visitor.text
    assert visitor.text.count("Longest values") == 3  # none is shown for Javanese, without a text


def test_the_draft_warns_before_it_is_published(as_: As, rt: Runtime) -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["wordings"]["ways"]["su"] = "Telepon {call_centre}."

    save_draft(rt, edited_document(change))
    visitor = as_(Role.PUBLISHER)
    visitor.get("/console/draft/")
    assert "these wordings in su need a review by somebody who speaks it" in visitor.text
    visitor.submit("/draft/publish", reason="a test")
    assert "Version 1 is published" in visitor.text
