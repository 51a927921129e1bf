"""Every version stays, with who, when, why and what; and comes back by one press."""

from smsgw.configuration import document, versions
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.smsgw.console.conftest import As
from tests.support.documents import ANI, reworded_document
from tests.support.drafts import HELLO, OTHER, current_version, publish, save_draft


def test_versions_are_listed_newest_first(as_: As, rt: Runtime) -> None:
    publish(rt, reworded_document(HELLO))
    with rt.writing() as tx:
        versions.bring_back(tx, 0, ANI, "it was wrong")
    visitor = as_(Role.VIEWER)
    visitor.get("/console/versions/")
    text = visitor.text
    assert text.index("Version 2") < text.index("Version 1") < text.index("Version 0")
    assert "Version 2 in use" in text
    assert "it was wrong restores 0" in text


def test_a_version_shows_what_it_changed(as_: As, rt: Runtime) -> None:
    publish(rt, reworded_document(HELLO))
    publish(rt, reworded_document(OTHER))
    visitor = as_(Role.VIEWER)
    visitor.get("/console/versions/2")
    assert f"removed: − id: {HELLO}" in visitor.text
    assert f"added: + id: {OTHER}" in visitor.text
    assert "Restore this version" not in visitor.text
    assert visitor.get("/console/versions/0").status_code == 200
    assert visitor.get("/console/versions/1/keywords.yaml").text == reworded_document(HELLO)


def test_a_version_is_restored_with_a_reason(as_: As, rt: Runtime) -> None:
    publish(rt, reworded_document(HELLO))
    publish(rt, reworded_document(OTHER))
    save_draft(rt, reworded_document("Tiga."))
    visitor = as_(Role.PUBLISHER)
    visitor.get("/console/versions/1")
    assert "The draft stays" in visitor.text
    assert visitor.submit("/versions/1/back", reason=" ").status_code == 409
    assert "give a short reason" in visitor.text
    visitor.submit("/versions/1/back", reason="the other one confuses people")
    assert "Version 3 is published, with the content of version 1." in visitor.text
    assert (current_version(rt).text, current_version(rt).was) == (reworded_document(HELLO), 1)
    visitor.get("/console/versions/0")
    visitor.submit("/versions/0/back", reason="from the start")
    assert current_version(rt).text == document.dump_shipped()
    visitor.get("/console/versions/0")
    assert visitor.submit("/versions/0/back", reason="pressed twice").status_code == 409
    assert "this version is already in use" in visitor.text


def test_the_version_in_use_is_not_restored(as_: As, rt: Runtime) -> None:
    publish(rt, reworded_document(HELLO))
    visitor = as_(Role.PUBLISHER)
    visitor.get("/console/versions/1")
    assert "/versions/1/back" not in visitor.page


def test_unknown_versions_are_not_found(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.PUBLISHER)
    for number in (7, 10**30):
        assert visitor.get(f"/console/versions/{number}").status_code == 404
        assert visitor.get(f"/console/versions/{number}/keywords.yaml").status_code == 404
    visitor.get("/console/versions/0")
    assert visitor.post("/console/versions/7/back", reason="why").status_code == 404
    assert visitor.get("/console/draft/keywords-draft.yaml").status_code == 404


def test_many_versions_come_a_page_at_a_time(as_: As, rt: Runtime) -> None:
    publish(rt, reworded_document(HELLO))
    with rt.writing() as tx:
        for number in range(51):
            versions.bring_back(tx, number % 2, ANI, "again")
    visitor = as_(Role.VIEWER)
    visitor.get("/console/versions/")
    assert "Version 52 in use" in visitor.text
    assert "/console/versions/?before=3" in visitor.page
    visitor.get("/console/versions/?before=3")
    assert "Version 52" not in visitor.text
    assert "Version 2 " in visitor.text
    assert "Version 0" in visitor.text
    assert visitor.get(f"/console/versions/?before={10**30}").status_code == 200
