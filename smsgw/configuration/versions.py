"""Stores what operators draft and publish: the whole configuration, in versions that are kept.

There is one draft. It is checked before it becomes a version; every process answers by the newest
version within seconds. Bringing an old version back publishes its text anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from smsgw.configuration import (
    background,
    background_file,
    document,
    lint,
    merge,
    past_drafts,
    reviews,
    validation,
)
from smsgw.configuration.background import PrivateMessage
from smsgw.configuration.document import Document, KeywordsError, RawDocument
from smsgw.storage import audit, row_macs
from smsgw.storage.audit import Act
from smsgw.storage.tables.operators import configurations, drafts
from smsgw.storage.transaction import Transaction

LONGEST_REASON = 200
DISCARDED = "discarded"
IS_THERE = drafts.c.text.is_not(None)

# What is asked about before something is published.
Doubt = lint.Doubt | background.Doubt
# Whether an actor is one person with one of several others.
IsSamePerson = Callable[[Transaction, str, Sequence[str]], bool]


class PublishRefusal(StrEnum):
    """Says why nothing was published although no fault was found."""

    BY_TWO = "you drafted this; another publisher must publish it"
    MEANWHILE = "another version was published after this draft was started; merge it first"
    AT_ONCE = "another version has just been published; check it and try again"
    NO_REASON = "give a short reason; it is shown with the version"
    NO_VERSION = "this version does not exist"
    SAME = "this version is already in use"
    UNSURE = "this would remove or change something for people; confirm that you mean it"


class NotPublished(Exception):
    """Says why, and what to do: its text is a PublishRefusal, or what the linter found."""


class Outdated(Exception):
    """Somebody changed the draft meanwhile."""


@dataclass(frozen=True)
class Version:
    """Holds a version; number 0 is the shipped configuration."""

    number: int
    text: str
    at: datetime | None = None
    by: str = ""
    reason: str = ""
    was: int | None = None  # the version that it brought back

    @cached_property
    def raw(self) -> RawDocument:
        """Returns the text as this version of the program reads it."""
        return document.upgrade(document.loads(self.text))


@dataclass(frozen=True)
class Draft:
    text: str
    based_on: int
    edition: int
    changed_at: datetime
    authors: tuple[str, ...]

    @cached_property
    def raw(self) -> RawDocument:
        return document.loads(self.text)


def current(tx: Transaction) -> Version:
    newest = configurations.c.version.desc()
    row = tx.connection.execute(select(configurations).order_by(newest).limit(1)).first()
    return _version(row) if row else Version(0, document.dump_shipped())


def version(tx: Transaction, number: int) -> Version | None:
    if number == 0:
        return Version(0, document.dump_shipped())
    is_it = configurations.c.version == number
    row = tx.connection.execute(select(configurations).where(is_it)).first()
    return _version(row) if row else None


def versions(tx: Transaction, before: int | None = None, limit: int = 50) -> list[Version]:
    """Returns versions, newest first."""
    rows = select(configurations).order_by(configurations.c.version.desc()).limit(limit)
    if before is not None:
        rows = rows.where(configurations.c.version < before)
    return [_version(row) for row in tx.connection.execute(rows)]


def draft(tx: Transaction) -> Draft | None:
    row = tx.connection.execute(select(drafts).where(IS_THERE)).first()
    if row is None:
        return None
    authors = tuple(row.authors.splitlines())
    return Draft(row.text, row.based_on, row.edition, row.changed_at, authors)


def editable(tx: Transaction) -> tuple[RawDocument, int]:
    """Returns what a change is made from, and the edition that `save` is to be told."""
    current_draft = draft(tx)
    return (current_draft.raw, current_draft.edition) if current_draft else (current(tx).raw, 0)


def editable_text(tx: Transaction) -> tuple[str, int]:
    """Returns what `editable` returns, as a person edits it."""
    current_draft = draft(tx)
    if current_draft is None:
        return document.dumps(current(tx).raw), 0
    return current_draft.text, current_draft.edition


def save(
    tx: Transaction,
    raw: RawDocument,
    edition: int,
    author: str,
    what: str,
    *,
    is_whole: bool = False,
) -> None:
    """Saves the draft. `edition` is that of the draft that `raw` was made from, or 0 if there was
    none. `what` names the change, such as a keyword's id. `is_whole` replaces the draft, which is
    kept among the past ones. Raises Outdated, and KeywordsError if it cannot be saved."""
    current_draft = draft(tx)
    if (current_draft.edition if current_draft else 0) != edition:
        raise Outdated
    text = _text(raw)
    if is_whole and current_draft is not None and current_draft.text != text:
        _keep(tx, current_draft, author, what)
    authors = dict.fromkeys((*(current_draft.authors if current_draft else ()), author))
    row = {
        "text": text,
        "changed_at": tx.now,
        "authors": "\n".join(authors),
    }
    if current_draft is None:
        _begin(tx, {**row, "based_on": current(tx).number})
    else:
        _change(tx, edition, row)
    audit.note(tx, Act.DRAFTED, author, detail=what)


def restore(tx: Transaction, past_id: int, edition: int, actor: str) -> bool:
    """Makes a past draft the draft again; the one that it replaces becomes a past one. `edition` is
    the same as for `save`. Returns False if the past draft is gone. Raises Outdated."""
    current_draft, found = draft(tx), past_drafts.one(tx, past_id)
    if found is None:
        return False
    if (current_draft.edition if current_draft else 0) != edition:
        raise Outdated
    what = f"draft of {found.at:%Y-%m-%d %H:%M} UTC brought back"
    authors = "\n".join(dict.fromkeys((*found.authors, actor)))
    change = {"text": found.text, "changed_at": tx.now, "authors": authors}
    if current_draft is None:
        _begin(tx, {**change, "based_on": found.based_on})
    else:
        _keep(tx, current_draft, actor, what)
        _change(tx, edition, {**change, "based_on": found.based_on})
    audit.note(tx, Act.DRAFTED, actor, detail=what)
    return True


def discard(tx: Transaction, edition: int, actor: str) -> None:
    """Discards the draft, which is kept among the past ones. Raises Outdated."""
    current_draft = draft(tx)
    _change(tx, edition, {"text": None})
    if current_draft is not None:
        _keep(tx, current_draft, actor, DISCARDED)
    audit.note(tx, Act.DISCARDED, actor)


def rebase(tx: Transaction, edition: int, actor: str) -> Sequence[str]:
    """Takes what was published meanwhile into the draft. Where both changed the same the draft
    stays as it is; these places are returned. Raises Outdated, KeywordsError."""
    current_draft = draft(tx)
    if current_draft is None or current_draft.edition != edition:
        raise Outdated
    newest = current(tx)
    base = version(tx, current_draft.based_on) or newest
    merged = merge.merge(base.raw, newest.raw, current_draft.raw)
    raw = reviews.forget_edited([newest.raw, current_draft.raw], merged.raw)
    _change(tx, edition, {"text": _text(raw), "based_on": newest.number})
    audit.note(tx, Act.DRAFTED, actor, detail=f"version {newest.number} taken over")
    return merged.clashes


def publish(
    tx: Transaction,
    edition: int,
    actor: str,
    reason: str,
    *,
    is_same_person: IsSamePerson | None = None,
    is_sure: bool = True,
) -> int:
    """Publishes the draft and returns the number of the new version. Where `is_same_person` is
    given, whoever drafted may not publish. `is_sure`: `doubts` were confirmed. Raises NotPublished,
    Outdated."""
    current_draft = draft(tx)
    if current_draft is None or current_draft.edition != edition:
        raise Outdated
    if is_same_person is not None and is_same_person(tx, actor, current_draft.authors):
        raise NotPublished(PublishRefusal.BY_TWO)
    newest = current(tx)
    if current_draft.based_on != newest.number:
        raise NotPublished(PublishRefusal.MEANWHILE)
    _raise_for_faults(tx, current_draft.raw, None if is_sure else newest)
    _change(tx, edition, {"text": None})
    number = _add(tx, current_draft.text, actor, reason)
    audit.note(tx, Act.PUBLISHED, actor, detail=f"version {number}")
    return number


def doubts(
    answering: Version, read: Document, private: Sequence[PrivateMessage] = ()
) -> list[Doubt]:
    """Returns what is asked about before `read`, which has no faults, takes the place of what
    answers. `private` messages are those that nothing may take for ours."""
    found = lint.doubts(validation.of(answering.raw), read)
    return [*found, *(background.judge(read, private).doubts() if private else ())]


def bring_back(
    tx: Transaction, number: int, actor: str, reason: str, *, is_sure: bool = True
) -> int:
    """Publishes the text of version `number` again and returns the number of the new version.
    `is_sure`: `doubts` were confirmed. Raises NotPublished."""
    old, newest = version(tx, number), current(tx)
    if old is None:
        raise NotPublished(PublishRefusal.NO_VERSION)
    text = document.dumps(old.raw)
    if text == document.dumps(newest.raw):
        raise NotPublished(PublishRefusal.SAME)
    _raise_for_faults(tx, old.raw, None if is_sure else newest)
    new_number = _add(tx, text, actor, reason, was=number)
    audit.note(tx, Act.BROUGHT_BACK, actor, detail=f"version {number}, as {new_number}")
    return new_number


def _text(raw: RawDocument) -> str:
    """Raises KeywordsError for what could not be read again."""
    text = document.dumps(raw)
    if len(text) > document.LONGEST_TEXT:
        raise KeywordsError(document.TOO_LONG)
    return text


def _raise_for_faults(tx: Transaction, raw: RawDocument, compared: Version | None) -> None:
    """Raises NotPublished. With `compared`, a doubt about what it would lose counts too."""
    found = lint.of(raw)
    if found.publishable is None:
        raise NotPublished("\n".join(found.faults))
    if compared is None:
        return
    if doubts(compared, found.publishable, background_file.messages(tx)):
        raise NotPublished(PublishRefusal.UNSURE)


def _begin(tx: Transaction, row: dict[str, object]) -> None:
    """Begins a draft. Its edition continues that of the draft before, so an old form fits no other
    draft."""
    again = update(drafts).where(~IS_THERE).values({**row, "edition": drafts.c.edition + 1})
    if tx.connection.execute(again).rowcount == 1:
        return
    try:
        tx.connection.execute(insert(drafts).values({**row, "id": 1, "edition": 1}))
    except IntegrityError:
        raise Outdated from None


def _change(tx: Transaction, edition: int, row: dict[str, object]) -> None:
    is_it = (drafts.c.edition == edition) & IS_THERE
    changed = update(drafts).where(is_it).values({**row, "edition": edition + 1})
    if tx.connection.execute(changed).rowcount != 1:
        raise Outdated


def _add(tx: Transaction, text: str, actor: str, reason: str, was: int | None = None) -> int:
    if not reason.strip():
        raise NotPublished(PublishRefusal.NO_REASON)
    newest = tx.connection.execute(select(func.max(configurations.c.version))).scalar()
    number = int(newest or 0) + 1
    row = {
        "version": number,
        "text": text,
        "published_at": tx.now,
        "published_by": actor,
        "reason": reason.strip()[:LONGEST_REASON],
        "was": was,
    }
    try:
        proven = row | {"mac": row_macs.CONFIGURATION.make(tx.vault, row)}
        tx.connection.execute(insert(configurations).values(proven))
    except IntegrityError:
        raise NotPublished(PublishRefusal.AT_ONCE) from None
    return number


def _keep(tx: Transaction, ended: Draft, actor: str, why: str) -> None:
    past_drafts.keep(tx, ended.text, ended.based_on, ended.authors, actor, why)


def _version(row: Row[Any]) -> Version:
    return Version(row.version, row.text, row.published_at, row.published_by, row.reason, row.was)
