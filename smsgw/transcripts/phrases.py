"""Phrases that operators accept: the draft understands them, and a transcript shows it."""

from datetime import datetime

from smsgw.backoffice import unrecognised
from smsgw.backoffice.unrecognised import Alias, Filler
from smsgw.configuration import versions
from smsgw.ledger import demo
from smsgw.runtime import Runtime
from smsgw.transcripts import library
from smsgw.transcripts.format import dumps

REFERENCE_NOW = datetime.fromisoformat(
    "2025-10-31T10:00:00+07:00"
)  # when the reference ledger was written


def accept(rt: Runtime, change: Alias | Filler, phrase: str, author: str) -> None:
    """Puts a proposal into the draft, and saves a transcript that shows it: for a filler one with
    `phrase`, for an alias one with the alias alone. Raises NotAccepted, Outdated."""
    with rt.reading() as tx:
        raw, edition = versions.editable(tx)
    phrase = phrase if isinstance(change, Filler) else change.words
    changed, keyword = unrecognised.accept(raw, change, phrase)
    with rt.writing() as tx:
        versions.save(tx, changed, edition, author, f"{change.words} ({keyword})")
        library.save(tx, f"{change.words}: {keyword}", shown_by(phrase, keyword), author)


def shown_by(phrase: str, keyword: str) -> str:
    """Writes a transcript in which a fictitious person sends the phrase."""
    somebody = demo.people()[0]
    step = {"from": somebody["phone"], "text": phrase, "expect": {"keyword": keyword}}
    return dumps(
        {
            "title": f"{phrase} is read as {keyword}",
            "now": REFERENCE_NOW.isoformat(),
            "registered": {somebody["phone"]: [somebody["nkp"]]},
            "conversations": [{"name": phrase, "steps": [step]}],
        }
    )
