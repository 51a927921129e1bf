"""Lists of words, of concepts and of answers, are edited in the draft."""

from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.smsgw.console.conftest import As
from tests.support.drafts import current_draft

PAGE = "/console/words/"
LOST = f"{PAGE}concepts/LOST"


def test_a_search_finds_a_list_by_its_words(as_: As) -> None:
    visitor = as_(Role.VIEWER)
    visitor.get(f"{PAGE}?q=leungit")
    assert "LOST" in visitor.text
    assert "WITHDRAW" not in visitor.text
    assert "New concept" not in visitor.text


def test_a_word_is_added_to_a_concept_and_taken_out(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(LOST)
    assert "card_lost" in visitor.text
    words = visitor.form("/concepts/LOST").values["words"]
    visitor.submit("/concepts/LOST", words=f"{words}, tertelan atm")
    assert "LOST is saved in the draft." in visitor.text
    assert "No errors here." in visitor.text
    assert current_draft(rt).raw["concepts"]["LOST"][-1] == "TERTELAN ATM"
    visitor.submit("/concepts/LOST", words=words)
    assert "TERTELAN ATM" not in current_draft(rt).raw["concepts"]["LOST"]


def test_what_is_wrong_is_said_at_once(as_: As) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(LOST)
    visitor.submit("/concepts/LOST", words="SATU DUA TIGA EMPAT LIMA")
    assert "concepts.LOST: 'SATU DUA TIGA EMPAT LIMA'" in visitor.text
    assert "topics.card_lost: it does not answer its example" in visitor.text


def test_an_answer_is_edited_in_the_same_way(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(f"{PAGE}answers/unsure")
    words = visitor.form("/answers/unsure").values["words"]
    visitor.submit("/answers/unsure", words=f"{words}, TOLONG")
    assert "fillers: TOLONG is an answer too (unsure)" in visitor.text
    assert current_draft(rt).raw["answers"]["unsure"][-1] == "TOLONG"


def test_a_concept_is_added_and_deleted(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert visitor.submit(PAGE, name="9", words="X").status_code == 400
    assert visitor.submit(PAGE, name="lost", words="X").status_code == 409
    visitor.submit(PAGE, name="parking", words="parkir, parkiran")
    assert "concepts.PARKING: no topic uses it" in visitor.text
    assert current_draft(rt).raw["concepts"]["PARKING"] == ["PARKIR", "PARKIRAN"]
    visitor.submit("/PARKING/delete")
    assert "PARKING" not in current_draft(rt).raw["concepts"]


def test_a_list_of_answers_stays(as_: As) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(f"{PAGE}answers/unsure")
    assert visitor.post(f"{PAGE}answers/unsure/delete", was="").status_code == 404


def test_a_concept_in_use_stays(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(LOST)
    assert "Delete this concept" not in visitor.text
    assert visitor.post(f"{LOST}/delete", was="").status_code == 409
    assert current_draft(rt) is None


def test_nobody_overwrites_what_another_saved(as_: As) -> None:
    one, other = as_(Role.EDITOR), as_(Role.ADMIN)
    one.get(LOST)
    other.get(LOST)
    one.submit("/concepts/LOST", words="HILANG, SATU")
    assert other.submit("/concepts/LOST", words="HILANG, DUA").status_code == 409
    assert other.form("/concepts/LOST").values["words"] == "HILANG, DUA"


def test_other_parts_of_the_draft_are_no_lists(as_: As) -> None:
    visitor = as_(Role.EDITOR)
    for address in ("keywords/saldo", "answers/letters", "concepts/NOPE"):
        assert visitor.get(PAGE + address).status_code == 404
