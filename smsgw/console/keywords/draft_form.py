"""Edits a part of the draft in a form: the current text, what was typed, and saving it.

A form remembers what it was made from. Whoever saves over somebody's change of the same field is
told; changes of other fields and other parts are nobody's hindrance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from flask import request
from werkzeug.exceptions import NotFound

from smsgw.configuration import document, edits, preview, versions
from smsgw.configuration.document import KeywordsError, RawDocument
from smsgw.configuration.edits import Clash, fingerprint, mapping, merge_edit
from smsgw.configuration.preview import Preview
from smsgw.configuration.versions import Outdated
from smsgw.console import access
from smsgw.console.rendering import _, translate_fault

NEW_ONE, CHANGED, SAME = "new", "changed", ""


@dataclass(frozen=True)
class DraftView:
    """The draft, or what one is begun with, beside what is published."""

    raw: RawDocument
    newest: str | None  # the text of what is published, where there is a draft

    @property
    def is_draft(self) -> bool:
        return self.newest is not None

    @cached_property
    def published(self) -> RawDocument:
        """Loads the published document, which takes as long as all else: not at every pause in
        typing."""
        if self.newest is None:
            return self.raw
        return document.loads(document.upgrade(self.newest))

    def part(self, group: str, name: str) -> RawDocument | None:
        found = mapping(self.raw, group).get(name)
        return found if isinstance(found, dict) else None

    def found(self, group: str, name: str) -> RawDocument:
        part = self.part(group, name)
        if part is None:
            raise NotFound
        return part

    def change(self, group: str, name: str) -> str:
        now, before = (mapping(each, group) for each in (self.raw, self.published))
        if name not in before:
            return NEW_ONE
        return SAME if now.get(name) == before[name] else CHANGED

    def gone(self, group: str) -> list[str]:
        return [
            name for name in mapping(self.published, group) if name not in mapping(self.raw, group)
        ]


def load_draft() -> DraftView:
    with access.rt().reading() as tx:
        text, edition = versions.editable(tx)
        newest = versions.current(tx).text if edition else None
    return DraftView(document.loads(text), newest)


def put(group: str, name: str, part: RawDocument | None) -> None:
    """Puts `part` into the draft; None takes it out. Raises Outdated, KeywordsError."""

    def unless_changed(now: object) -> RawDocument | None:
        if fingerprint(now) != request.form.get("was"):
            raise Outdated
        return part

    _write(group, name, unless_changed)


def save_edit(group: str, name: str, typed: RawDocument) -> None:
    """Saves the edit in the draft beside what others changed meanwhile. Raises Clash, Outdated,
    KeywordsError."""
    was = request.form.get("was", "")
    _write(group, name, lambda now: merge_edit(now if isinstance(now, dict) else {}, typed, was))


def refused(
    group: str, name: str, typed: RawDocument, again: Callable[..., str]
) -> tuple[str, int] | None:
    """None where it was kept; else what stands in the way, on the form `again` shows."""
    try:
        save_edit(group, name, typed)
    except Clash as clash:
        values = {"error": meanwhile(), "theirs_now": clash.theirs}
        return again(load_draft(), name, clash.part, **values), 409
    except Outdated:
        return again(load_draft(), name, typed, error=meanwhile()), 409
    except KeywordsError as error:
        return again(load_draft(), name, typed, error=translate_fault(str(error))), 400
    return None


def _write(group: str, name: str, change: Callable[[object], RawDocument | None]) -> None:
    edits.write(access.rt().writing, group, name, change, access.operator().actor)


def meanwhile() -> str:
    return _(
        "Someone else changed this. Your changes are not saved yet. Compare them, then save again."
    )


def previewed(raw: RawDocument, group: str, name: str, part: RawDocument) -> Preview:
    """Previews the draft as it would be."""
    edited = {**raw, group: {**mapping(raw, group), name: part}}
    return preview.of(edited, name, access.rt().settings.segment_rupiah)
