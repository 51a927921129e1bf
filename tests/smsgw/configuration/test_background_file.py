"""Checks that the operators' private messages are stored encrypted, and asked about before a
version is published."""

from pathlib import Path

import pytest
from sqlalchemy import select

from smsgw.configuration import background_file, versions
from smsgw.configuration.background import NotPrivateMessages
from smsgw.configuration.versions import NotPublished, PublishRefusal
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import background_messages
from smsgw.storage.tables.security import audit
from tests.support import commands
from tests.support.documents import ANI, BUDI, reworded_document
from tests.support.drafts import save_draft

HARMLESS = "Bu aku pulang agak malem ya, ga usah ditunggu makannya\n" * 60


def save(rt: Runtime, text: str, author: str = ANI) -> None:
    with rt.writing() as tx:
        background_file.save(tx, text, author)


def publish(rt: Runtime, *, is_sure: bool) -> int:
    with rt.writing() as tx:
        edition = versions.editable(tx)[1]
        return versions.publish(tx, edition, ANI, "a test", is_sure=is_sure)


def test_a_file_replaces_the_one_before(rt: Runtime) -> None:
    save(rt, "halo\n")
    save(rt, "# two\nsatu\ndua\n", BUDI)
    with rt.reading() as tx:
        found = background_file.current(tx)
        rows = tx.connection.execute(select(background_messages)).all()
        acts = tx.connection.execute(select(audit.c.actor, audit.c.act, audit.c.detail)).all()
    assert found is not None
    assert ([each.text for each in found.messages], found.by) == (["satu", "dua"], BUDI)
    assert len(rows) == 1
    assert b"satu" not in rows[0].text
    assert acts[-1] == (BUDI, "private messages saved", "2 messages")


def test_a_refused_file_leaves_the_one_before(rt: Runtime) -> None:
    save(rt, "halo\n")
    with pytest.raises(NotPrivateMessages):
        save(rt, "# nothing\n")
    with rt.reading() as tx:
        assert [each.text for each in background_file.messages(tx)] == ["halo"]


def test_a_deleted_file_is_gone(rt: Runtime) -> None:
    save(rt, "halo\n")
    with rt.writing() as tx:
        assert background_file.remove(tx, ANI)
        assert not background_file.remove(tx, ANI)
    with rt.reading() as tx:
        assert background_file.messages(tx) == ()


def test_publishing_asks_where_private_messages_are_taken_for_ours(rt: Runtime) -> None:
    save_draft(rt, reworded_document("Hubungi {call_centre}."))
    save(rt, f"{HARMLESS}SALDO\nSALDO\n")
    with pytest.raises(NotPublished, match=PublishRefusal.UNSURE):
        publish(rt, is_sure=False)
    save(rt, f"{HARMLESS}STOP\n")  # one that would act
    with pytest.raises(NotPublished, match=PublishRefusal.UNSURE):
        publish(rt, is_sure=False)
    assert publish(rt, is_sure=True) == 1


def test_publishing_asks_nothing_where_few_are_taken(rt: Runtime) -> None:
    save_draft(rt, reworded_document("Hubungi {call_centre}."))
    save(rt, f"{HARMLESS}SALDO\n")
    assert publish(rt, is_sure=False) == 1


def test_the_command_stores_a_file_and_deletes_it(
    rt: Runtime, environ: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "private.txt"
    file.write_text("# two\nsatu\ndua\n", "utf-8")
    command = ("keywords", "background")
    assert "2 private messages are stored" in commands.forked(environ, *command, file).stdout
    with rt.reading() as tx:
        assert len(background_file.messages(tx)) == 2
    assert "are deleted" in commands.forked(environ, *command, "--delete").stdout
    assert "there are none" in commands.forked(environ, *command, "--delete").stdout
    done = commands.forked(environ, *command)
    assert (done.returncode, "name a FILE" in done.stderr) == (2, True)
