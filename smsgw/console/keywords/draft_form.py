"""Edits a part of the draft in a form: the current text, what was typed, and saving it.

A form remembers what it was made from. Whoever saves over somebody's change of the same field is
told; changes of other fields and other parts are nobody's hindrance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from flask import request
from werkzeug.exceptions import NotFound

from smsgw.configuration import edits, preview, reviews, versions
from smsgw.configuration.document import KeywordsError, RawDocument
from smsgw.configuration.edits import Clash, Part, fingerprint, mapping, merge_edit
from smsgw.configuration.preview import Preview
from smsgw.configuration.versions import Outdated, Version
from smsgw.console import access
from smsgw.console.rendering import _, translate_fault

Edit = Callable[[RawDocument, Mapping[str, str]], RawDocument]  # of a part, by a form

NEW_ONE, CHANGED, SAME = "new", "changed", ""


@dataclass(frozen=True)
class DraftView:
    """Holds the draft, or what one starts with, beside what is published."""

    raw: RawDocument
    newest: Version | None = None  # that is published, where there is a draft

    @property
    def is_draft(self) -> bool:
        return self.newest is not None

    @cached_property
    def published(self) -> RawDocument:
        """Reads the published document, which takes time: not at every pause in typing."""
        return self.raw if self.newest is None else self.newest.raw

    def part(self, group: str, name: str) -> RawDocument | None:
        found = mapping(self.raw, group).get(name)
        return found if isinstance(found, dict) else None

    def require_part(self, group: str, name: str) -> RawDocument:
        part = self.part(group, name)
        if part is None:
            raise NotFound
        return part

    def change(self, group: str, name: str) -> str:
        now, before = (mapping(each, group) for each in (self.raw, self.published))
        if name not in before:
            return NEW_ONE
        return SAME if now.get(name) == before[name] else CHANGED

    def waiting(self, section: str) -> list[str]:
        """Returns what nobody who speaks the language has confirmed, such as balance.jv."""
        marks = reviews.waiting(self.raw, section)
        return [mark.removeprefix(f"{section}.") for mark in marks]

    def deleted_names(self, group: str) -> list[str]:
        return [
            name for name in mapping(self.published, group) if name not in mapping(self.raw, group)
        ]


def load_draft() -> DraftView:
    with access.rt().reading() as tx:
        raw, edition = versions.editable(tx)
        newest = versions.current(tx) if edition else None
    return DraftView(raw, newest)


def put(group: str, name: str, make: Callable[[DraftView], Part | None]) -> None:
    """Puts what `make` makes of the draft into it; None takes that part out. Raises Outdated,
    KeywordsError."""

    def unless_changed(raw: RawDocument) -> Part | None:
        part = make(DraftView(raw))
        if fingerprint(mapping(raw, group).get(name)) != request.form.get("was"):
            raise Outdated
        return part

    _write(group, name, unless_changed)


def save_edit(group: str, name: str, edit: Edit) -> RawDocument:
    """Saves the edit in the draft beside what others changed meanwhile. Raises Clash, Outdated,
    KeywordsError."""

    def merged(raw: RawDocument) -> RawDocument:
        now = DraftView(raw).require_part(group, name)
        return merge_edit(now, edit(now, request.form), request.form.get("was", ""))

    part = _write(group, name, merged)
    return part if isinstance(part, dict) else {}


def confirm(group: str, name: str) -> str:
    """Lists the wording that the form names as reviewed, and says so. Raises Outdated."""
    wording, was = request.form["wording"], request.form.get("was", "")
    author = access.operator().actor
    edits.confirm(access.rt().writing, group, name, wording, was, author)
    return _("{name} is confirmed in the draft.", name=f"{name}.{wording}")


def show_again(
    error: Clash | Outdated | KeywordsError,
    group: str,
    name: str,
    edit: Edit,
    page: Callable[..., str],
) -> tuple[str, int]:
    """Shows the form with what was typed, and why it is not saved."""
    view = load_draft()
    if isinstance(error, Clash):
        return page(view, name, error.part, error=meanwhile(), theirs_now=error.theirs), 409
    typed = edit(view.require_part(group, name), request.form)
    if isinstance(error, Outdated):
        return page(view, name, typed, error=meanwhile()), 409
    return page(view, name, typed, error=translate_fault(str(error))), 400


def _write(group: str, name: str, change: edits.Change) -> Part | None:
    return edits.write(access.rt().writing, group, name, change, access.operator().actor)


def meanwhile() -> str:
    return _(
        "Someone else changed this. Your changes are not saved yet. Compare them, then save again."
    )


def not_confirmed() -> str:
    return _("Nothing was confirmed: the draft has another text now. Read it and confirm that.")


def preview_edit(raw: RawDocument, group: str, name: str, part: RawDocument) -> Preview:
    """Previews the draft as it would be."""
    edited = {**raw, group: {**mapping(raw, group), name: part}}
    return preview.of(edited, name, access.rt().settings.segment_rupiah)
