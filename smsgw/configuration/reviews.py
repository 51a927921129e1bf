"""Tells which wordings in an optional language wait for the review of somebody who speaks it.

Whoever writes such a wording may be the only one here who can read it. So each counts as
unreviewed until an operator confirms it: `reviewed` of the document then lists it, as
saldo.balance.jv. Whoever edits it in a form takes it off that list again.
"""

from collections.abc import Mapping, Sequence

from smsgw.configuration.document import Document, RawDocument
from smsgw.configuration.languages import OPTIONAL

REVIEWED = "reviewed"


def texts(raw: RawDocument) -> dict[str, str]:
    """Returns what is to be reviewed of a draft, such as saldo.balance.jv, with its text."""
    keywords, shared = (_mapping(raw.get(group)) for group in ("keywords", "wordings"))
    own = {name: _mapping(entry).get("wordings") for name, entry in keywords.items()}
    return _marks({**own, **shared})


def texts_of(read: Document) -> dict[str, str]:
    """Returns what is to be reviewed of a document, as `texts` does."""
    return _marks({**{name: entry.wordings for name, entry in read.entries.items()}, **read.shared})


def waiting(raw: RawDocument, section: str) -> list[str]:
    """Returns what nobody has confirmed of a section of a draft."""
    confirmed = listed(raw)
    own = (mark for mark in texts(raw) if mark.startswith(f"{section}."))
    return [mark for mark in own if mark not in confirmed]


def listed(raw: RawDocument) -> list[str]:
    """Returns what is confirmed in a draft, which may hold anything."""
    found = raw.get(REVIEWED)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def confirm(raw: RawDocument, mark: str) -> RawDocument:
    return _listing(raw, list(dict.fromkeys((*listed(raw), mark))))


def forget_edited(made_from: Sequence[RawDocument], edited: RawDocument) -> RawDocument:
    """Takes off the list what was not confirmed with the text that it has now. `made_from` is what
    the document was before, or what it was merged from."""
    now, old = texts(edited), listed(edited)
    confirmed = {
        (mark, text)
        for each in made_from
        for mark, text in texts(each).items()
        if mark in listed(each)
    }
    kept = [each for each in old if (each, now.get(each)) in confirmed]
    return edited if kept == old else _listing(edited, kept)


def _listing(raw: RawDocument, names: Sequence[str]) -> RawDocument:
    if names:
        return {**raw, REVIEWED: [*names]}
    return {key: each for key, each in raw.items() if key != REVIEWED}


def _marks(sections: Mapping[str, object]) -> dict[str, str]:
    return {
        f"{section}.{name}.{language}": text
        for section, by_name in sections.items()
        for name, by_language in _mapping(by_name).items()
        for language, text in _mapping(by_language).items()
        if language in OPTIONAL and isinstance(text, str) and text.strip()
    }


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
