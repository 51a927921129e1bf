"""Phrases that operators accept: the draft understands them, and a transcript shows it."""

from dataclasses import dataclass
from datetime import datetime

from grammar import Grammar
from smsgw.backoffice import unrecognised
from smsgw.backoffice.unrecognised import Alias, Change
from smsgw.configuration import background, background_file, versions
from smsgw.ledger import demo
from smsgw.runtime import Runtime
from smsgw.transcripts import library, reader
from smsgw.transcripts.faults import TranscriptError
from smsgw.transcripts.format import dumps
from smsgw.transcripts.library import SavedTranscript

MOST_TRANSCRIPTS = 200  # the newest

REFERENCE_NOW = datetime.fromisoformat(
    "2025-10-31T10:00:00+07:00"
)  # when the reference ledger was written


@dataclass(frozen=True, slots=True)
class Effect:
    """Says what a change would do: how `phrase` is read by it, which transcripts are read
    differently, and how many of the operators' private messages."""

    phrase: str
    keyword: str
    topic: str | None
    transcripts: tuple[str, ...]  # names
    private: int
    all_private: int  # 0 if there is no file of them
    taken: int  # private messages that are taken for ours then


def preview(rt: Runtime, change: Change, phrase: str) -> Effect:
    """Says what accepting a proposal would do, and changes nothing. Raises NotAccepted."""
    with rt.reading() as tx:
        raw, _ = versions.editable(tx)
        saved = library.newest(tx, limit=MOST_TRANSCRIPTS)
        private = background_file.messages(tx)
    phrase = change.words if isinstance(change, Alias) else phrase
    changed, keyword = unrecognised.accept(raw, change, phrase)
    was, becomes = unrecognised.reader(raw), unrecognised.reader(changed)
    before, after = (background.judge(each.document, private) for each in (was, becomes))
    return Effect(
        phrase,
        keyword,
        becomes.grammar.topic_of(phrase),
        tuple(each.name for each in saved if _differs(each, was.grammar, becomes.grammar)),
        background.changed(before, after),
        len(private),
        len(after.taken),
    )


def _differs(saved: SavedTranscript, was: Grammar, becomes: Grammar) -> bool:
    """Tells whether one of a transcript's messages is read differently."""
    try:
        read = reader.parse(saved.text, saved.name).transcript
    except TranscriptError:
        return False
    texts = (step.text for each in read.conversations for step in each.steps if step.text)
    return any(was.parse(text) != becomes.parse(text) for text in texts)


def accept(rt: Runtime, change: Change, phrase: str, author: str) -> None:
    """Puts a proposal into the draft, and saves a transcript that shows it: for an alias one with
    the alias alone, for a filler or a concept's word one with `phrase`. Raises NotAccepted,
    Outdated."""
    with rt.reading() as tx:
        raw, edition = versions.editable(tx)
    phrase = change.words if isinstance(change, Alias) else phrase
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
