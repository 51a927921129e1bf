"""Topics are added, changed, moved and deleted in the draft."""

from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.smsgw.console.conftest import As
from tests.support.drafts import current_draft

PAGE = "/console/topics/"
LOST_PHONE = {
    "name": "Lost Phone",
    "means": "kontak",
    "needs": "lost, phone_contact",
    "hit": "wa nya hilang",
    "miss": "wa nya mana",
}


def test_a_topic_is_added_and_says_what_is_wrong(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert visitor.submit(PAGE, **(LOST_PHONE | {"name": "9"})).status_code == 400
    visitor.submit(PAGE, **(LOST_PHONE | {"needs": "nope"}))
    assert "topics.lost_phone: there is no concept NOPE" in visitor.text
    visitor.submit("/topics/lost_phone", needs="lost, phone_contact")
    assert current_draft(rt).raw["topics"]["lost_phone"] == {
        "means": "KONTAK",
        "needs": ["LOST", "PHONE_CONTACT"],
        "hit": "wa nya hilang",
        "miss": "wa nya mana",
    }


def test_a_topic_moves_before_another(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert f'formaction="{PAGE}no_answer/move"' in visitor.page
    visitor.post(f"{PAGE}no_answer/move", to="up")
    assert list(current_draft(rt).raw["topics"])[:2] == ["no_answer", "unanswered"]
    visitor.post(f"{PAGE}no_answer/move", to="down")
    visitor.post(f"{PAGE}unanswered/move", to="up")  # it is the first
    assert list(current_draft(rt).raw["topics"])[:2] == ["unanswered", "no_answer"]


def test_a_topic_is_deleted(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(f"{PAGE}complaint")
    visitor.submit("/complaint/delete")
    assert "complaint" not in current_draft(rt).raw["topics"]
    assert visitor.get(f"{PAGE}complaint").status_code == 404


def test_nobody_overwrites_what_another_saved(as_: As) -> None:
    one, other = as_(Role.EDITOR), as_(Role.ADMIN)
    one.get(f"{PAGE}complaint")
    other.get(f"{PAGE}complaint")
    one.submit("/topics/complaint", hit="petugas bpjs galak")
    assert other.submit("/topics/complaint", hit="petugas bpjs judes").status_code == 409
    assert other.form("/topics/complaint").values["hit"] == "petugas bpjs judes"


def test_a_viewer_only_looks(as_: As) -> None:
    visitor = as_(Role.VIEWER)
    visitor.get(PAGE)
    assert "New topic" not in visitor.text
    visitor.get(f"{PAGE}complaint")
    assert "Save in the draft" not in visitor.text
