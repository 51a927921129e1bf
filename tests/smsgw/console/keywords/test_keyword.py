"""What operators type becomes the draft, and the published version answers."""

import re
from contextlib import nullcontext
from datetime import date
from typing import Any

import pytest

from smsgw.configuration import document, edits
from smsgw.configuration.versions import Outdated
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import STRANGER, Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor
from tests.support.conversation import say
from tests.support.documents import add_custom_keywords, edited_document
from tests.support.keyword_drafts import publish, read_draft, save_draft

KONTAK = "/console/keywords/kontak"


def typed(visitor: Visitor, address: str, **fields: str) -> dict[str, str]:
    visitor.get(address)
    return visitor.form(address).values | fields


def test_the_list_shows_the_draft(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.VIEWER)
    visitor.get("/console/keywords/")
    assert "SALDO [<NKP>]" in visitor.text
    assert "This is the published version." in visitor.text

    def change(raw: dict[str, Any]) -> None:
        add_custom_keywords(raw)
        raw["keywords"]["klaim"]["enabled"] = False
        raw["keywords"]["libur"]["from"] = date(2999, 1, 1)

    save_draft(rt, edited_document(change))
    visitor.get("/console/keywords/")
    assert "This is the draft." in visitor.text
    assert "LIBUR [<ISI>] a text new in the draft TUTUP not today from 01-01-2999" in visitor.text
    assert "MITRA [<ISI>] a table new in the draft switched on" in visitor.text
    assert "KLAIM [<NOMOR>] [<NKP>] changed in the draft needs review STATUS KLAIM" in visitor.text
    assert "switched off" in visitor.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AGENT])
def test_viewers_get_no_form(as_: As, role: Role) -> None:
    visitor = as_(role)
    visitor.get(KONTAK)
    assert "Save in the draft" not in visitor.text
    assert "of 160 letters" in visitor.text
    assert re.findall(r"<textarea(?![^>]* readonly)", visitor.page) == []
    assert visitor.post(KONTAK, poster="X").status_code == 403
    assert visitor.post(f"{KONTAK}/preview", poster="X").status_code == 403


def test_an_edit_is_drafted_and_answers_once_published(as_: As, rt: Runtime, clock: Clock) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)
    fields = {
        "poster": "kontak",
        "aliases": "hubungi, call  center;\nNO, CALL CENTER",
        "budget": "2",
        "enabled": "on",
        "until": "2999-12-31",
        "w.ways.id": "Halo,\r\n telepon {call_centre}. ",
    }
    visitor.submit(KONTAK, **fields)
    assert "KONTAK is saved in the draft." in visitor.text
    assert "changed in the draft" in visitor.text
    entry = read_draft(rt)["keywords"]["kontak"]
    english = document.loads(document.dump_shipped())["keywords"]["kontak"]["wordings"]["ways"][
        "en"
    ]
    assert entry == {
        "poster": "KONTAK",
        "aliases": ["HUBUNGI", "CALL CENTER", "NO"],
        "budget": 2,
        "until": date(2999, 12, 31),
        "wordings": {"ways": {"id": "Halo, telepon {call_centre}.", "en": english}},
    }
    visitor.submit(KONTAK, aliases="HUBUNGI, CALL CENTER")
    publish(rt, clock)
    assert say(rt, STRANGER, "HUBUNGI").reply.text == "Halo, telepon 175."


def test_saving_without_a_change_changes_nothing(as_: As, rt: Runtime) -> None:
    before = document.loads(edited_document(add_custom_keywords))
    save_draft(rt, edited_document(add_custom_keywords))
    visitor = as_(Role.EDITOR)
    some = [
        f"/console/{group}/{name}"
        for group in ("keywords", "wordings")
        for name in {*[*before[group]][::4], *[*before[group]][-2:]}  # every kind of field
    ]
    assert len(some) > 8
    for address in some:
        answer = visitor.post(address, **typed(visitor, address))
        assert answer.status_code == 200, address
        assert read_draft(rt) == before, address


def test_the_preview_saves_nothing_and_warns_of_what_costs_more(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    fields = typed(visitor, KONTAK, **{"w.ways.id": "Halo “semua”, telepon {call_centre}^"})
    visitor.post(f"{KONTAK}/preview", **fields)
    assert "“ is not a plain SMS letter" in visitor.text
    assert "^ counts as two letters. Write ' instead." in visitor.text
    assert "UCS-2" in visitor.text
    assert '<mark class="costly">“</mark>' in visitor.page
    fields = typed(visitor, KONTAK, **{"w.ways.id": "Hubungi kantor mana pun. " * 8})
    visitor.post(f"{KONTAK}/preview", **fields)
    assert "2 segments instead of 1" in visitor.text
    assert "Rp700.000 per 1,000" in visitor.text
    assert "It cannot be published yet." in visitor.text
    assert "Hubungi kantor mana pun. Hubungi" in visitor.form(KONTAK).values["w.ways.id"]
    assert read_draft(rt) is None
    visitor.submit(KONTAK)
    assert read_draft(rt) is not None


def test_htmx_gets_only_the_changed_parts(as_: As) -> None:
    visitor = as_(Role.EDITOR)
    fields = typed(visitor, KONTAK, poster="KONTAK <PIN>", **{"w.ways.en": "Call {call_centre"})
    part = visitor.client.post(f"{KONTAK}/preview", data=fields, headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert "&lt;PIN&gt; is no slot" in part.text
    assert 'id="preview-ways-id" hx-swap-oob="true"' in part.text
    assert "a brace is not closed" in part.text


def test_an_unfinished_text_may_wait_in_the_draft(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)
    visitor.submit(KONTAK, **{"w.ways.id": "Telepon {call", "from": "besok"})
    assert "2 errors It cannot be published yet." in visitor.text
    assert "kontak: from and until are days" in visitor.text
    entry = read_draft(rt)["keywords"]["kontak"]
    assert entry["wordings"]["ways"]["id"] == "Telepon {call"
    assert entry["from"] == "besok"


def test_an_invalid_edit_stays_in_the_form(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)
    answer = visitor.submit(KONTAK, **{"w.ways.id": "W" * 500_001})
    assert answer.status_code == 400
    assert "more than 500,000 characters" in visitor.text
    assert '<span lang="en">it has more than' in visitor.page
    assert len(visitor.form(KONTAK).values["w.ways.id"]) == 500_001
    assert read_draft(rt) is None


def test_a_conflicting_edit_shows_both_texts(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)
    theirs = edited_document(
        lambda raw: raw["keywords"]["kontak"]["wordings"]["ways"].update(id="Budi's")
    )
    save_draft(rt, theirs)
    answer = visitor.submit(KONTAK, **{"w.ways.id": "Ani's"})
    assert answer.status_code == 409
    assert "Someone else changed this" in visitor.text
    assert "ways (id) Budi's" in visitor.text
    assert visitor.form(KONTAK).values["w.ways.id"] == "Ani's"
    assert read_draft(rt)["keywords"]["kontak"]["wordings"]["ways"]["id"] == "Budi's"
    assert visitor.submit(KONTAK).status_code == 200
    assert read_draft(rt)["keywords"]["kontak"]["wordings"]["ways"]["id"] == "Ani's"


def test_a_change_elsewhere_is_no_conflict(as_: As, rt: Runtime, clock: Clock) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)
    save_draft(rt, edited_document(lambda raw: raw["keywords"]["jp"].update(aliases=["PENSIUN"])))
    assert visitor.submit(KONTAK, **{"w.ways.id": "Ani's"}).status_code == 200
    drafted = read_draft(rt)["keywords"]
    assert drafted["jp"]["aliases"] == ["PENSIUN"]
    assert drafted["kontak"]["wordings"]["ways"]["id"] == "Ani's"


def test_saving_does_not_undo_a_newer_version(as_: As, rt: Runtime, clock: Clock) -> None:
    """The draft has no edition before and none after, though the keyword is another."""
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)
    save_draft(
        rt, edited_document(lambda raw: raw["keywords"]["kontak"].update(aliases=["HUBUNGI"]))
    )
    publish(rt, clock)
    assert visitor.submit(KONTAK, aliases="CS").status_code == 409
    assert "aliases HUBUNGI" in visitor.text


def test_edits_of_different_fields_are_merged(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)

    def theirs(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["aliases"] = ["HUBUNGI"]
        raw["keywords"]["kontak"]["wordings"]["ways"]["en"] = "Budi's"

    save_draft(rt, edited_document(theirs))
    assert visitor.submit(KONTAK, budget="2", **{"w.ways.id": "Ani's"}).status_code == 200
    drafted = read_draft(rt)["keywords"]["kontak"]
    assert (drafted["aliases"], drafted["budget"]) == (["HUBUNGI"], 2)
    assert drafted["wordings"] == {"ways": {"id": "Ani's", "en": "Budi's"}}


def test_only_what_both_changed_is_a_conflict(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)

    def theirs(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["wordings"]["ways"] = {"id": "Budi's", "en": "Budi's own"}

    save_draft(rt, edited_document(theirs))
    fields = {"w.ways.id": "Ani's", "aliases": "CS"}
    assert visitor.submit(KONTAK, **fields).status_code == 409
    assert "ways (id) Budi's" in visitor.text
    assert "ways (en) Budi's" not in visitor.text
    assert visitor.form(KONTAK).values["w.ways.en"] == "Budi's own"
    assert visitor.submit(KONTAK).status_code == 200
    drafted = read_draft(rt)["keywords"]["kontak"]
    assert drafted["wordings"]["ways"] == {"id": "Ani's", "en": "Budi's own"}
    assert drafted["aliases"] == ["CS"]


def test_a_topic_deleted_by_another_stays_deleted(as_: As, rt: Runtime) -> None:
    save_draft(rt, edited_document(add_custom_keywords))
    visitor = as_(Role.EDITOR)
    visitor.get("/console/keywords/libur")

    def theirs(raw: dict[str, Any]) -> None:
        libur = raw["keywords"]["libur"]
        libur["topics"] = {"idulfitri": ["LEBARAN"]}
        del libur["wordings"]["natal"]

    def change(raw: dict[str, Any]) -> None:
        add_custom_keywords(raw)
        raw["keywords"] = document.loads(document.dumps(raw["keywords"]))
        theirs(raw)

    save_draft(rt, edited_document(change))
    assert visitor.submit("/keywords/libur", **{"w.answer.id": "Ani's"}).status_code == 200
    drafted = read_draft(rt)["keywords"]["libur"]
    assert drafted["topics"] == {"idulfitri": ["LEBARAN"]}
    assert drafted["wordings"].keys() == {"answer", "idulfitri"}
    assert drafted["wordings"]["answer"]["id"] == "Ani's"


def test_a_keyword_that_people_depend_on_cannot_be_switched_off(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get("/console/keywords/stop")
    assert "enabled" not in visitor.form("/console/keywords/stop").values
    assert visitor.post("/console/keywords/stop/delete").status_code == 404


def test_a_text_by_topic_is_made_without_code(as_: As, rt: Runtime, clock: Clock) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get("/console/keywords/a-new-one")
    visitor.submit("/a-new-one", poster="libur [<isi>]", kind="static")
    assert "LIBUR [<ISI>] is in the draft" in visitor.text
    assert "libur.answer (id): this wording is missing" in visitor.text
    address = "/console/keywords/libur"
    answer = {"w.answer.id": "Tutup pada hari libur.", "w.answer.en": "Closed on holidays."}
    topic = {"words.NEW": "lebaran, idul fitri", "w.NEW.id": "Tutup 20-24 Maret."}
    visitor.submit(address, **answer, **topic)
    assert "libur.lebaran (en): this wording is missing" in visitor.text
    visitor.submit(address, **{"w.lebaran.en": "Closed 20-24 March.", "words.NEW": "NATAL"})
    visitor.submit(address, **{"gone.natal": "on"})
    assert "no errors" in visitor.text
    assert read_draft(rt)["keywords"]["libur"]["topics"] == {"lebaran": ["LEBARAN", "IDUL FITRI"]}
    publish(rt, clock)
    assert say(rt, STRANGER, "libur idul fitri?").reply.text == "Tutup 20-24 Maret."
    assert say(rt, STRANGER, "LIBUR").reply.text == "Tutup pada hari libur."


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"poster": "X"}, 400, "a word of 2 to 20 letters"),
        ({"poster": "saldo"}, 409, "saldo already exists."),
        ({"poster": "OWN"}, 409, "own already exists."),
        ({"poster": "MITRA", "kind": "lookup", "table": "nothing"}, 400, "Choose the table"),
    ],
)
def test_an_invalid_new_keyword_says_why(
    as_: As, rt: Runtime, fields: dict[str, str], code: int, message: str
) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get("/console/keywords/a-new-one")
    assert visitor.submit("/a-new-one", **fields).status_code == code
    assert message in visitor.text
    assert visitor.form("/a-new-one").values["poster"] == fields["poster"]
    assert read_draft(rt) is None


def test_a_custom_keyword_can_be_deleted(as_: As, rt: Runtime) -> None:
    save_draft(rt, edited_document(add_custom_keywords))
    visitor = as_(Role.EDITOR)
    visitor.get("/console/keywords/libur")
    visitor.submit("/libur/delete")
    assert "libur is deleted from the draft." in visitor.text
    assert "libur" not in read_draft(rt)["keywords"]


def test_a_draft_of_any_shape_is_shown(as_: As, rt: Runtime) -> None:
    """Whatever was imported: the page is where it is mended."""
    visitor = as_(Role.EDITOR)
    for held in (None, [], "x", {"kontak": []}, {"kontak": {"poster": 5, "wordings": [1]}}):
        save_draft(
            rt, edited_document(lambda raw, held=held: raw.update(keywords=held, wordings=held))
        )
        for address in ("/console/keywords/", "/console/wordings/", "/console/tables/", KONTAK):
            assert visitor.get(address).status_code in {200, 404}, (held, address)


@pytest.mark.parametrize("poster", ["<NKP>", "[<NKP>]", "<NKP> SALDO"])
def test_a_poster_without_a_word_is_a_fault_where_it_was_typed(
    as_: As, rt: Runtime, poster: str
) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(KONTAK)
    visitor.submit(KONTAK, poster=poster)
    assert "1 error" in visitor.text
    assert "a poster begins with a word" in visitor.text
    for address in ("/console/keywords/", "/console/wordings/own", "/console/keywords/saldo"):
        assert visitor.get(address).status_code == 200


def test_a_time_in_place_of_a_day_is_shown(as_: As, rt: Runtime) -> None:
    hour = document.loads("a: 2025-01-01T00:00:00")["a"]
    save_draft(rt, edited_document(lambda raw: raw["keywords"]["kontak"].update({"from": hour})))
    visitor = as_(Role.EDITOR)
    assert visitor.get("/console/keywords/").status_code == 200
    visitor.get(KONTAK)
    assert "kontak: from and until are days" in visitor.text


def test_shared_wordings_are_edited_the_same_way(as_: As, rt: Runtime, clock: Clock) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get("/console/wordings/")
    assert "Unrecognised messages 12 wordings" in visitor.text
    address = "/console/wordings/misread"
    fields = typed(visitor, address, **{"w.unknown.id": "Maaf, “apa”? Ketik {saldo}."})
    visitor.post(f"{address}/preview", **fields)
    assert "“ is not a plain SMS letter" in visitor.text
    visitor.submit(address, **{"w.unknown.id": "Maaf, apa? Ketik {saldo}."})
    assert "is saved in the draft" in visitor.text
    publish(rt, clock)
    assert say(rt, STRANGER, "blablabla xyz").reply.text == "Maaf, apa? Ketik SALDO NKP."


def test_shared_wordings_are_not_overwritten(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get("/console/wordings/own")
    save_draft(
        rt, edited_document(lambda raw: raw["wordings"]["own"]["choose"].update(en="Theirs"))
    )
    assert visitor.submit("/wordings/own", **{"w.choose.en": "Mine"}).status_code == 409
    assert "choose (en) Theirs" in visitor.text
    assert visitor.form("/wordings/own").values["w.choose.en"] == "Mine"


@pytest.mark.parametrize(("times", "is_kept"), [(1, True), (2, False)])
def test_simultaneous_saves_are_retried(rt: Runtime, times: int, is_kept: bool) -> None:
    """Two save different keywords, and one finds that the draft has another edition by now."""
    overtaken = iter(range(times))

    def change(_: object) -> dict[str, Any]:
        if next(overtaken, None) is not None:
            raise Outdated
        return {"poster": "KONTAK"}

    with nullcontext() if is_kept else pytest.raises(Outdated):
        edits.write(rt.writing, "keywords", "kontak", change, "operator:ani")
    assert (read_draft(rt) is not None) == is_kept


@pytest.mark.parametrize(
    ("words", "name"),
    [(["LEBARAN"], "lebaran"), (["Q", "NATAL"], "natal"), ([], "topik_1"), (["答"], "topik_1")],
)
def test_a_topic_gets_a_name_of_its_own(words: list[str], name: str) -> None:
    assert edits._topic_id(words, {"answer": {}}) == name
    assert edits._topic_id(words, {name: {}}) != name
