"""The page of unrecognised messages proposes aliases and fillers, and adds them to the draft."""

import re

import pytest

from smsgw.backoffice import unrecognised
from smsgw.backoffice.accounts import MAY, Permission
from smsgw.configuration import background_file, versions
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from smsgw.transcripts import library
from tests.smsgw.console.conftest import As
from tests.support.documents import reworded_document
from tests.support.drafts import current_draft, save_draft
from tests.support.unrecognised import DUIT, Wrote
from tests.support.unrecognised import wrote as wrote

PAGE = "/console/not-understood/"


def transcripts(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        return [each.name for each in library.newest(tx)]


@pytest.mark.parametrize("role", Role)
def test_every_role_sees_shapes_but_only_editors_add_them(
    as_: As, wrote: Wrote, role: Role
) -> None:
    wrote(*DUIT)
    visitor = as_(role)
    visitor.get(PAGE)
    assert "DUIT GUE" in visitor.text
    assert "4 messages from 4 phones" in visitor.text
    assert "perhaps DUIT GUE means saldo" in visitor.text
    assert "ULANDARI" not in visitor.page.upper()
    assert ("Add to the draft" in visitor.text) == (Permission.DRAFT in MAY[role])


def test_a_proposal_is_added_to_the_draft(as_: As, rt: Runtime, wrote: Wrote) -> None:
    wrote(*DUIT[:4])
    visitor = as_(Role.EDITOR)
    visitor.get(f"{PAGE}?days=30")
    visitor.submit(PAGE)
    assert "DUIT GUE is in the draft now, with a transcript that shows it." in visitor.text
    assert "4 messages of" not in visitor.text
    assert '<option value="30" selected>' in visitor.page
    assert "- DUIT GUE" in current_draft(rt).text
    assert current_draft(rt).authors == ("operator:editor",)
    assert transcripts(rt) == ["DUIT GUE: saldo"]


def test_another_keyword_and_other_words_are_chosen(as_: As, rt: Runtime, wrote: Wrote) -> None:
    wrote(*["payung robek kumaha"] * 3)
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    visitor.submit(PAGE, keyword="kontak", words="payung robek")
    assert transcripts(rt) == ["PAYUNG ROBEK: kontak"]
    assert "3 messages of" not in visitor.text


def test_a_filler_is_added_to_the_draft(as_: As, rt: Runtime, wrote: Wrote) -> None:
    wrote(*["lanjut bosque"] * 3)
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert "without BOSQUE it is read as lanjut" in visitor.text
    visitor.submit(PAGE)
    assert "- BOSQUE" in current_draft(rt).text
    assert transcripts(rt) == ["BOSQUE: lanjut"]


def test_a_word_joins_a_concept(as_: As, rt: Runtime, wrote: Wrote) -> None:
    """What changes is shown first, with the same form."""
    wrote(*["bpjs gw dipundhuti piye"] * 3)
    with rt.writing() as tx:
        background_file.save(tx, "payung robek\ndipundhuti bpjs iso ta\n", "operator:editor")
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert "DIPUNDHUTI may belong to WITHDRAW · then it is about how_to_withdraw" in visitor.text
    visitor.submit(PAGE, see="yes")
    assert "BPJS GW DIPUNDHUTI PIYE is read as info then." in visitor.text
    assert "No transcript is read differently." in visitor.text
    assert "1 of 2 private messages are read differently; 1 are taken" in visitor.text
    assert current_draft(rt) is None
    visitor.submit(PAGE)
    assert "DIPUNDHUTI is in the draft now, with a transcript that shows it." in visitor.text
    assert "DIPUNDHUTI" in current_draft(rt).raw["concepts"]["WITHDRAW"]
    assert transcripts(rt) == ["DIPUNDHUTI: info"]
    assert "3 messages of" not in visitor.text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"keyword": "lapor", "words": "iuran"}, "IURAN"),
        ({"keyword": "", "words": "duit gue"}, "Nothing was changed"),
        ({"keyword": "saldo", "words": "duit 12345678901"}, "1 to 4 words"),
    ],
)
def test_a_refused_phrase_says_why_and_stays_in_the_form(
    as_: As, rt: Runtime, wrote: Wrote, typed: dict[str, str], message: str
) -> None:
    wrote(*DUIT)
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert visitor.submit(PAGE, **typed).status_code == 409
    assert message in visitor.text
    assert visitor.form(PAGE).values["words"] == typed["words"]
    assert visitor.form(PAGE).values["keyword"] == typed["keyword"]
    assert current_draft(rt) is None
    assert transcripts(rt) == []


def test_a_draft_with_errors_is_reported_first(as_: As, rt: Runtime, wrote: Wrote) -> None:
    wrote(*DUIT)
    save_draft(rt, reworded_document("W" * 200))
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert "The draft has errors" in visitor.text
    assert "DUIT GUE" in visitor.text
    assert "Add to the draft" not in visitor.text


def test_the_page_stays_light_with_many_shapes(as_: As, wrote: Wrote) -> None:
    letters = "BCDFGHJKLMNPQRSTVWXZ"
    for letter in letters:
        wrote(*[f"zzz{letter * 3} qqq{letter * 3}"] * 3)
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert len(re.findall('class="card shape"', visitor.page)) == unrecognised.SHOWN
    assert len(visitor.page) < 100_000


def test_an_empty_list_says_so(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.VIEWER)
    assert visitor.get(PAGE).status_code == 200
    assert visitor.get(f"{PAGE}?days=x").status_code == 200
    with rt.reading() as tx:
        assert versions.draft(tx) is None
