"""Makes and publishes drafts of keywords for the console's tests."""

from typing import Any

from smsgw.configuration import document, versions
from smsgw.runtime import Runtime
from tests.conftest import Clock

BUDI = "operator:budi"


def read_draft(rt: Runtime) -> Any:
    with rt.reading() as tx:
        draft = versions.draft(tx)
    return document.loads(draft.text) if draft else None


def save_draft(rt: Runtime, text: str, author: str = BUDI) -> None:
    with rt.writing() as tx:
        draft = versions.draft(tx)
        versions.save(tx, document.loads(text), draft.edition if draft else 0, author, "a test")


def publish(rt: Runtime, clock: Clock) -> None:
    with rt.writing() as tx:
        edition = versions.draft(tx).edition
        versions.publish(tx, edition, BUDI, "a test")
    clock.moves(minutes=3)
    rt.published._until = 0
