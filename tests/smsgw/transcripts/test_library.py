"""Transcripts that operators keep are found again as they were, until somebody deletes them."""

import pytest
from sqlalchemy import select

from smsgw.operations import key_rotation
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import transcripts
from smsgw.storage.tables.security import audit
from smsgw.transcripts import library
from smsgw.transcripts.library import NotSaved

ANI, BUDI = "operator:ani", "operator:budi"
TEXT = "now: 2025-10-31T10:00:00+07:00\nconversations: []\n"


def test_a_saved_transcript_is_found_until_it_is_deleted(rt: Runtime) -> None:
    with rt.writing() as tx:
        first = library.save(tx, "  asking   twice ", TEXT, ANI)
        second = library.save(tx, "another", "b", BUDI)
    with rt.reading() as tx:
        assert [(each.id, each.name, each.by) for each in library.newest(tx)] == [
            (second, "another", BUDI),
            (first, "asking twice", ANI),
        ]
        assert [each.id for each in library.newest(tx, before=second)] == [first]
        transcript = library.one(tx, first)
        assert transcript.text == TEXT
        assert transcript.at == tx.now
    with rt.writing() as tx:
        library.remove(tx, first, BUDI)
        library.remove(tx, first, BUDI)
        assert library.one(tx, first) is None
        acts = tx.connection.execute(select(audit.c.actor, audit.c.act, audit.c.detail)).all()
    assert acts == [
        (ANI, "transcript kept", f"transcript {first}"),
        (BUDI, "transcript kept", f"transcript {second}"),
        (BUDI, "transcript deleted", f"transcript {first}"),
    ]


@pytest.mark.parametrize(
    ("name", "text"), [(" ", TEXT), ("n" * 81, TEXT), ("a\0b", TEXT), ("n", "x" * 100_001)]
)
def test_a_transcript_without_a_name_or_too_long_is_not_saved(
    rt: Runtime, name: str, text: str
) -> None:
    with pytest.raises(NotSaved), rt.writing() as tx:
        library.save(tx, name, text, ANI)
    with rt.reading() as tx:
        assert library.newest(tx) == []


def test_saved_transcripts_are_encrypted_and_rotated(rt: Runtime) -> None:
    with rt.writing() as tx:
        number = library.save(tx, "asked twice", TEXT, ANI)
        before = tx.connection.execute(select(transcripts.c.name, transcripts.c.text)).one()
    assert (b"asked twice" in before.name, b"conversations" in before.text) == (False, False)
    key_rotation.rotate(rt, ANI, tell=lambda _: None, wait=lambda _: None)
    with rt.reading() as tx:
        after = tx.connection.execute(select(transcripts.c.name, transcripts.c.text)).one()
        assert (after.name != before.name, after.text != before.text) == (True, True)
        transcript = library.one(tx, number)
        assert (transcript.name, transcript.text) == ("asked twice", TEXT)
