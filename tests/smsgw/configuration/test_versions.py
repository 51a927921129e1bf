"""A draft becomes a version, whole or not at all; every process answers by it within seconds."""

import os
import pty
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from smsgw import runtime, settings
from smsgw.backoffice import accounts
from smsgw.configuration import document, past_drafts, reviews, versions
from smsgw.configuration.document import KeywordsError
from smsgw.configuration.versions import NotPublished, Outdated
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.security import audit
from tests.conftest import STRANGER, Clock, on_sqlite
from tests.support import commands
from tests.support.conversation import say
from tests.support.documents import (
    ANI,
    BUDI,
    STATIC,
    add_custom_keywords,
    edited_document,
    publish,
    reworded_document,
)
from tests.support.processes import SMSGW
from tests.support.waiting import eventually


def test_a_version_answers_in_every_process_within_seconds(
    rt: Runtime, environ: dict[str, str], clock: Clock
) -> None:
    other = runtime.build(settings.load(environ), now=clock)
    assert "halo dunia" not in say(other, STRANGER, "KONTAK").reply.text
    assert publish(rt, reworded_document("Halo dunia, telepon {call_centre}.")) == 1
    clock.moves(minutes=3)
    phones = (f"+62857{number:08}" for number in count())
    eventually(lambda: "Halo dunia" in say(other, next(phones), "KONTAK").reply.text)
    with rt.reading() as tx:
        newest = select(messages.c.configuration).order_by(messages.c.id.desc())
        assert tx.connection.execute(newest).scalars().first() == 1
    other.close()


def test_every_version_is_kept_and_can_be_restored(rt: Runtime) -> None:
    for number, text in enumerate(("Satu.", "Dua."), 1):
        assert publish(rt, reworded_document(text), f"why {number}") == number
    with rt.writing() as tx:
        assert versions.bring_back(tx, 1, ANI, "two was wrong") == 3
    with rt.reading() as tx:
        listed = [(each.number, each.by, each.reason, each.was) for each in versions.versions(tx)]
        assert versions.version(tx, 3).text == versions.version(tx, 1).text
    assert listed == [
        (3, ANI, "two was wrong", 1),
        (2, BUDI, "why 2", None),
        (1, BUDI, "why 1", None),
    ]
    with rt.writing() as tx:
        assert versions.bring_back(tx, 0, ANI, "as shipped") == 4
        assert versions.current(tx).text == document.dump_shipped()


def test_the_version_in_use_is_not_restored(rt: Runtime) -> None:
    """Versions are compared by text, not by number."""
    publish(rt, reworded_document("Satu."))
    with rt.writing() as tx:
        assert versions.bring_back(tx, 0, ANI, "one was wrong") == 2
    for number in (0, 2):
        with pytest.raises(NotPublished, match="already in use"), rt.writing() as tx:
            versions.bring_back(tx, number, ANI, "pressed twice")
    with rt.reading() as tx:
        assert versions.current(tx).number == 2


def test_saving_over_another_change_is_refused(rt: Runtime) -> None:
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Satu.")), 0, ANI, "kontak")
    for edition in (0, 5):
        with pytest.raises(Outdated), rt.writing() as tx:
            versions.save(tx, document.loads(reworded_document("Dua.")), edition, BUDI, "kontak")
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Dua.")), 1, BUDI, "kontak")
        draft = versions.draft(tx)
    assert (draft.edition, draft.authors, draft.based_on) == (2, (ANI, BUDI), 0)
    with pytest.raises(Outdated), rt.writing() as tx:
        versions.discard(tx, 1, ANI)
    with rt.writing() as tx:
        versions.discard(tx, 2, ANI)
        assert versions.draft(tx) is None


def test_a_form_of_a_discarded_draft_is_refused(rt: Runtime) -> None:
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Satu.")), 0, ANI, "kontak")
        versions.discard(tx, 1, ANI)
        assert versions.draft(tx) is None
        versions.save(tx, document.loads(reworded_document("Dua.")), 0, BUDI, "kontak")
    for act in (
        lambda tx: versions.publish(tx, 1, ANI, "why"),
        lambda tx: versions.save(tx, document.loads(reworded_document("Tiga.")), 1, ANI, "kontak"),
        lambda tx: versions.discard(tx, 1, ANI),
        lambda tx: versions.rebase(tx, 1, ANI),
    ):
        with pytest.raises(Outdated), rt.writing() as tx:
            act(tx)
    with rt.reading() as tx:
        assert versions.draft(tx).authors == (BUDI,)


def test_publish_by_two_needs_a_second_person(rt: Runtime) -> None:
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Satu.")), 0, ANI, "kontak")
    with pytest.raises(NotPublished, match="another publisher"), rt.writing() as tx:
        versions.publish(tx, 1, ANI, "mine", is_same_person=accounts.is_same_person)
    with rt.writing() as tx:
        assert (
            versions.publish(tx, 1, BUDI, "looked at it", is_same_person=accounts.is_same_person)
            == 1
        )


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        (lambda: reworded_document("W" * 200), "why", "2 segments instead of 1"),
        (
            lambda: edited_document(lambda raw: raw["keywords"].pop("saldo")),
            "why",
            "saldo: this keyword has",
        ),
        (lambda: reworded_document("Satu."), " ", "give a short reason"),
    ],
)
def test_an_invalid_draft_is_not_published(
    rt: Runtime, text: Any, reason: str, message: str
) -> None:
    with rt.writing() as tx:
        versions.save(tx, document.loads(text()), 0, ANI, "kontak")
    with pytest.raises(NotPublished, match=message), rt.writing() as tx:
        versions.publish(tx, 1, BUDI, reason)
    with rt.reading() as tx:
        assert versions.versions(tx) == []
        assert versions.draft(tx) is not None


def test_an_outdated_draft_is_not_published(rt: Runtime) -> None:
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Dua.")), 0, ANI, "kontak")
        versions.publish(tx, 1, BUDI, "why")
        versions.save(tx, document.loads(reworded_document("Satu.")), 0, ANI, "kontak")
        edition = versions.draft(tx).edition
        versions.bring_back(tx, 0, BUDI, "meanwhile")
    with pytest.raises(NotPublished, match="another version"), rt.writing() as tx:
        versions.publish(tx, edition, BUDI, "why")
    with rt.writing() as tx:
        versions.rebase(tx, edition, ANI)
        assert versions.publish(tx, edition + 1, BUDI, "why") == 3


def test_a_draft_merges_a_newer_version(rt: Runtime) -> None:
    """Both changes are in it; in a conflict the draft's text stays, and the place is listed."""

    def ours(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["wordings"]["ways"]["id"] = "Kami."
        raw["keywords"]["saldo"]["aliases"].append("DUIT")
        raw["fillers"].remove("TLG")

    def theirs(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["wordings"]["ways"] |= {"id": "Mereka.", "en": "They."}
        raw["keywords"]["saldo"]["aliases"].append("UANG")
        raw["keywords"]["libur"] = {**STATIC}

    with rt.writing() as tx:
        versions.save(tx, document.loads(edited_document(theirs)), 0, BUDI, "all")
        versions.publish(tx, 1, BUDI, "theirs")
        versions.bring_back(tx, 0, BUDI, "not yet")
        versions.save(tx, document.loads(edited_document(ours)), 0, ANI, "all")
        versions.bring_back(tx, 1, BUDI, "now")
        edition = versions.draft(tx).edition
        assert versions.rebase(tx, edition, ANI) == ["keywords.kontak.wordings.ways.id"]
        raw = document.loads(versions.draft(tx).text)
        assert (
            versions.publish(tx, edition + 1, BUDI, "both", is_same_person=accounts.is_same_person)
            == 4
        )
    assert raw["keywords"]["kontak"]["wordings"]["ways"] == {"id": "Kami.", "en": "They."}
    assert raw["keywords"]["saldo"]["aliases"][-2:] == ["UANG", "DUIT"]
    assert "libur" in raw["keywords"]
    assert "TLG" not in raw["fillers"]


def test_a_merge_takes_no_review_over_to_another_text(rt: Runtime) -> None:
    """Somebody confirms a wording while another text of it is published."""
    with rt.writing() as tx:
        versions.save(tx, document.loads(edited_document(reword_javanese)), 0, BUDI, "saldo")
        versions.publish(tx, 1, BUDI, "theirs")
        versions.bring_back(tx, 0, BUDI, "not yet")
        raw, edition = versions.editable(tx)
        confirmed = reviews.confirm(reviews.confirm(raw, "saldo.balance.jv"), "saldo.balance.su")
        versions.save(tx, confirmed, edition, ANI, "reviewed")
        versions.bring_back(tx, 1, BUDI, "now")
        versions.rebase(tx, versions.draft(tx).edition, ANI)
        assert reviews.listed(versions.draft(tx).raw) == ["saldo.balance.su"]


def reword_javanese(raw: dict[str, Any]) -> None:
    raw["keywords"]["saldo"]["wordings"]["balance"]["jv"] = "Saldo {nkp} {as_of}: {total}"


def test_an_invalid_document_is_not_saved_as_draft(rt: Runtime) -> None:
    for text in ("a: [", "just a text", "x" * 600_000):
        with pytest.raises(KeywordsError), rt.writing() as tx:
            versions.save(tx, document.loads(text), 0, ANI, "import")


def test_draft_changes_are_in_the_audit_log(rt: Runtime) -> None:
    publish(rt, reworded_document("Satu."))
    with rt.writing() as tx:
        versions.bring_back(tx, 0, ANI, "why")
    with rt.reading() as tx:
        acts = tx.connection.execute(select(audit.c.actor, audit.c.act, audit.c.detail)).all()
    assert acts == [
        (ANI, "drafted", "kontak"),
        (BUDI, "published", "version 1"),
        (ANI, "brought back", "version 0, as 2"),
    ]


@on_sqlite
def test_the_commands_import_and_export(
    rt: Runtime, environ: dict[str, str], tmp_path: Path
) -> None:
    def called(*arguments: str | Path, **more: str) -> tuple[int, str]:
        done = commands.called(environ | more, "keywords", *arguments)
        return done.returncode, done.stdout + done.stderr

    file, back = tmp_path / "new.yaml", tmp_path / "back.yaml"
    file.write_text(edited_document(add_custom_keywords))
    code, printed = called("import", file)
    assert (code, printed.startswith("version 1 is published\n")) == (0, True)
    assert "warning: these wordings in jv need a review" in printed
    assert called("export", back)[0] == 0
    assert back.read_text() == document.dumps(document.loads(file.read_text()))
    assert "there is no draft" in called("export", "--draft", back)[1]
    code, printed = called("import", file, SMSGW_PUBLISH_BY_TWO="1")
    assert (code, "this is the draft now" in printed) == (0, True)
    assert called("export", "--draft", back)[0] == 0
    code, printed = called("import", file)
    assert (code, "publish or discard that first" in printed) == (1, True)
    file.write_text(reworded_document("W" * 200))
    code, printed = called("import", file)
    assert (code, "2 segments instead of 1" in printed) == (1, True)


@on_sqlite
@pytest.mark.thorough
def test_an_import_asks_before_dropping_a_value(
    rt: Runtime, environ: dict[str, str], tmp_path: Path
) -> None:
    """It asks at a terminal; elsewhere nobody can answer, so it warns."""
    lost = "warning: kontak.ways (id) no longer always tells {call_centre}"
    file = tmp_path / "new.yaml"
    file.write_text(reworded_document("Hubungi kami."))

    def published(answer: str | None, *options: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        os.write(ours, (answer or "").encode())
        done = subprocess.run(
            [SMSGW, "keywords", "import", *options, file],
            env=environ,
            stdin=subprocess.DEVNULL if answer is None else theirs,
            capture_output=True,
            text=True,
        )
        os.close(ours)
        os.close(theirs)
        return done.returncode, done.stdout + done.stderr

    code, text = published("n\n")
    assert (code, lost in text, "Do you mean this?" in text) == (1, True, True)
    code, text = published("y\n")
    assert (code, "version 1 is published" in text) == (0, True)
    with rt.writing() as tx:
        versions.bring_back(tx, 0, ANI, "why")
    code, text = published(None)
    assert (code, lost in text, "version 3 is published" in text) == (0, True, True)
    with rt.writing() as tx:
        versions.bring_back(tx, 0, ANI, "why")
    code, text = published("", "--yes")
    assert (code, text.splitlines()[0], lost in text) == (0, "version 5 is published", False)


def test_a_replaced_draft_can_be_restored(rt: Runtime) -> None:
    """Its authors are kept: whoever drafted it may not publish it either."""
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Satu.")), 0, ANI, "kontak")
    with rt.writing() as tx:
        for edition, planet in enumerate(("world", "mars"), 1):
            raw = {"hello": planet}
            versions.save(tx, raw, edition, BUDI, "import of wrong.yaml", is_whole=True)
    with rt.reading() as tx:
        newest, first = past_drafts.newest(tx)
    assert (first.text, first.authors, first.by) == (reworded_document("Satu."), (ANI,), BUDI)
    assert newest.why == "import of wrong.yaml"
    with rt.writing() as tx, pytest.raises(Outdated):
        versions.restore(tx, first.id, 2, BUDI)
    with rt.writing() as tx:
        assert not versions.restore(tx, 99, 3, BUDI)
        assert versions.restore(tx, first.id, 3, BUDI)
        draft = versions.draft(tx)
        assert (draft.text, draft.authors, draft.edition) == (
            reworded_document("Satu."),
            (ANI, BUDI),
            4,
        )
        assert "mars" in past_drafts.newest(tx)[0].text
        versions.discard(tx, 4, ANI)
        assert versions.restore(tx, past_drafts.newest(tx)[0].id, 0, ANI)
        assert versions.draft(tx).text == reworded_document("Satu.")


def test_doubtful_changes_need_confirmation(rt: Runtime) -> None:
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Telepon kami.")), 0, ANI, "kontak")
        with pytest.raises(NotPublished, match="confirm that you mean it"):
            versions.publish(tx, 1, BUDI, "why", is_sure=False)
        assert versions.publish(tx, 1, BUDI, "why") == 1
        assert versions.bring_back(tx, 0, BUDI, "why", is_sure=False) == 2
        with pytest.raises(NotPublished, match="confirm that you mean it"):
            versions.bring_back(tx, 1, BUDI, "why", is_sure=False)
