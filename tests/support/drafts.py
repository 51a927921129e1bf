"""Makes drafts and versions of the configuration."""

from smsgw.configuration import document, versions
from smsgw.configuration.versions import Draft, Version
from smsgw.runtime import Runtime
from tests.support.documents import ANI

HELLO, OTHER = "Halo dunia, telepon {call_centre}.", "Hubungi {call_centre}."


def save_draft(rt: Runtime, text: str, author: str = ANI) -> None:
    with rt.writing() as tx:
        versions.save(tx, document.loads(text), versions.editable(tx)[1], author, "kontak")


def publish(rt: Runtime, text: str) -> int:
    save_draft(rt, text)
    with rt.writing() as tx:
        edition = versions.editable(tx)[1]
        return versions.publish(tx, edition, ANI, "in a test")


def current_draft(rt: Runtime) -> Draft | None:
    with rt.reading() as tx:
        return versions.draft(tx)


def current_version(rt: Runtime) -> Version:
    with rt.reading() as tx:
        return versions.current(tx)
