"""Tables come and go as CSV, whole or not at all, and are looked up when they are published."""

from io import BytesIO
from typing import Any

import pytest

from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import STRANGER, Clock
from tests.smsgw.console.conftest import As
from tests.support.conversation import say
from tests.support.documents import add_custom_keywords, edited_document
from tests.support.keyword_drafts import publish, read_draft, save_draft

CSV = "Kota;Nama;No. Telp\nJakarta;RS Umum;021-5550001\nBogor;RS “Sehat”;\n"
TABLES = "/console/tables/"


def file(text: str | bytes) -> tuple[BytesIO, str]:
    return BytesIO(text if isinstance(text, bytes) else text.encode("utf-8-sig")), "mitra.csv"


def test_an_uploaded_table_is_looked_up(as_: As, rt: Runtime, clock: Clock) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(TABLES)
    visitor.submit(TABLES, name="Mitra RS", file=file(CSV))
    assert "mitra_rs is saved in the draft." in visitor.text
    assert "Row {kota} {nama} {no_telp} 1 Jakarta RS Umum 021-5550001 2 Bogor" in visitor.text
    visitor.get("/console/keywords/a-new-one")
    visitor.submit("/a-new-one", poster="MITRA", kind="lookup", table="mitra_rs")
    assert "MITRA [<ISI>] is in the draft" in visitor.text
    assert "Jakarta: RS Umum 021-5550001" in visitor.text
    none = {"w.not_found.id": "Belum ada mitra.", "w.not_found.en": "No partner yet."}
    visitor.submit("/console/keywords/mitra", **none)
    assert "no errors" in visitor.text
    publish(rt, clock)
    assert say(rt, STRANGER, "mitra bogor").reply.text == 'Bogor: RS "Sehat"'
    assert say(rt, STRANGER, "MITRA SOLO").reply.text == "Belum ada mitra."
    visitor.get(TABLES)
    assert "mitra_rs kota nama no_telp 2 mitra" in visitor.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"Kota,Nama\nSal\xe9,x\n", "Row 1: this is not UTF-8; save it as CSV UTF-8."),
        ("Kota,Nama\nBogor,x\nSolo\n", "Row 2: the number of cells differs from the heading."),
        ('Kota,Nama\n"Bogor,x\n', "Row 1: a quotation mark is not closed"),
        ("Kota,Nama\nBogor,x\nBOGOR,y\n", "row 2: BOGOR stands in row 1 too"),
        (f"Kota,Nama\nBogor,{'x' * 101}\n", "row 1: a cell has 100 characters at most"),
        ("Kota,Nama\n?!,x\n", "row 1: its first column is what people type"),
        ("Kota\nBogor\n", "2 to 10 columns of different names are needed"),
        ("Kota,12\nBogor,x\n", "12 is no column"),
        ("Kota,Nama\n", "it has 0 rows; 1 to 1000 are possible"),
        ("Kota,Nama\n" + "".join(f"k{n},x\n" for n in range(1001)), "it has 1001 rows"),
        ("", "it has 0 rows"),
    ],
)
def test_an_invalid_table_names_the_place_and_is_not_lost(
    as_: As, rt: Runtime, text: str | bytes, message: str
) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(TABLES)
    answer = visitor.submit(TABLES, name="mitra", file=file(text))
    assert answer.status_code == 400
    assert message in visitor.text
    assert read_draft(rt) is None
    if isinstance(text, str):
        assert visitor.form(TABLES).values["text"].strip() == text.strip()
    assert visitor.form(TABLES).values["name"] == "mitra"


def test_a_table_is_pasted_replaced_and_not_saved_over(as_: As, rt: Runtime) -> None:
    save_draft(rt, edited_document(add_custom_keywords))
    visitor = as_(Role.EDITOR)
    visitor.get("/console/tables/mitra")
    pasted = "kota\tnama\ttelp\nSolo\tRS Solo\t\n"
    assert visitor.submit("/tables/mitra", text="kota\nSolo").status_code == 400
    visitor.submit("/tables/mitra", text=pasted)
    assert read_draft(rt)["tables"]["mitra"]["rows"] == [["Solo", "RS Solo", ""]]
    save_draft(rt, edited_document(add_custom_keywords))
    assert visitor.submit("/tables/mitra", text=pasted).status_code == 409
    assert "Someone else changed this" in visitor.text
    assert visitor.submit("/tables/mitra").status_code == 200
    assert read_draft(rt)["tables"]["mitra"]["rows"] == [["Solo", "RS Solo", ""]]


def test_a_new_table_replaces_no_other(as_: As, rt: Runtime) -> None:
    save_draft(rt, edited_document(add_custom_keywords))
    visitor = as_(Role.EDITOR)
    visitor.get(TABLES)
    assert visitor.submit(TABLES, name="mitra", text=CSV).status_code == 409
    assert "mitra already exists." in visitor.text
    assert len(read_draft(rt)["tables"]["mitra"]["rows"]) == 3


@pytest.mark.parametrize("name", ["1", "9 kota", "?"])
def test_a_table_has_a_name_that_a_keyword_can_use(as_: As, rt: Runtime, name: str) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(TABLES)
    assert visitor.submit(TABLES, name=name, text=CSV).status_code == 400
    assert "The name must have 2 to 20 letters" in visitor.text
    assert visitor.form(TABLES).values["text"].strip() == CSV.strip()


def test_a_file_wins_over_pasted_text(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(TABLES)
    visitor.submit(TABLES, name="mitra", file=file(CSV), text="a,b\nc,d\n")
    assert "The file was used. The text beside it was ignored." in visitor.text
    assert read_draft(rt)["tables"]["mitra"]["columns"] == ["kota", "nama", "no_telp"]


def test_a_download_can_be_uploaded_again_and_holds_no_formula(as_: As, rt: Runtime) -> None:
    rows = [["Bogor", "=cmd|calc"], ["Solo, Sala", "+62251"], ["-", '@"x"']]

    def change(raw: dict[str, Any]) -> None:
        raw["tables"] = {"kota": {"columns": ["kota", "nama"], "rows": rows[:2]}}

    save_draft(rt, edited_document(change))
    visitor = as_(Role.EDITOR)
    answer = visitor.get("/console/tables/kota/csv")
    assert answer.mimetype == "text/csv"
    assert "kota.csv" in answer.headers["Content-Disposition"]
    lines = answer.data.decode("utf-8-sig").splitlines()
    assert lines == ["kota,nama", "Bogor,'=cmd|calc", '"Solo, Sala",\'+62251']
    visitor.get("/console/tables/kota")
    visitor.submit("/tables/kota", file=file(answer.data))
    assert read_draft(rt)["tables"]["kota"]["rows"] == rows[:2]


def test_a_used_table_cannot_be_deleted(as_: As, rt: Runtime) -> None:
    save_draft(rt, edited_document(add_custom_keywords))
    visitor = as_(Role.EDITOR)
    visitor.get("/console/tables/mitra")
    assert "Delete this table" not in visitor.text
    was = visitor.form("/tables/mitra").values["was"]
    assert visitor.post("/console/tables/mitra/delete", was=was).status_code == 409
    visitor.get("/console/keywords/mitra")
    visitor.submit("/mitra/delete")
    visitor.get("/console/tables/mitra")
    visitor.submit("/tables/mitra/delete")
    assert "mitra is deleted from the draft." in visitor.text
    assert read_draft(rt)["tables"] == {}


def test_viewers_cannot_upload(as_: As, rt: Runtime) -> None:
    save_draft(rt, edited_document(add_custom_keywords))
    visitor = as_(Role.AGENT)
    visitor.get("/console/tables/mitra")
    assert "RS Umum" in visitor.text
    assert "Replace it" not in visitor.text
    assert visitor.get("/console/tables/mitra/csv").status_code == 200
    assert visitor.post("/console/tables/mitra", text=CSV).status_code == 403
    assert visitor.post(TABLES, name="x2", text=CSV).status_code == 403


def test_a_large_table_is_shown_in_part(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(TABLES)
    visitor.submit(TABLES, name="besar", text="a,b\n" + "".join(f"k{n},x\n" for n in range(1000)))
    assert "The first 100 of 1000 rows. The download has all rows." in visitor.text
    assert len(visitor.page) < 150_000
