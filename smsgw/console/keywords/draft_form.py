"""A part of the draft as a form: what stands there, what was typed, and putting it back.

A form remembers what it was made from. Whoever saves over somebody's change of the same field is
told; changes of other fields and other parts are nobody's hindrance.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from hashlib import sha256
from itertools import chain, count

from flask import request
from werkzeug.exceptions import NotFound

from handlers import SECTIONS, custom_keyword
from smsgw.configuration import document, preview, shapes, versions
from smsgw.configuration.compiler import LANGUAGES
from smsgw.configuration.document import KeywordsError, RawDocument
from smsgw.configuration.merge import GONE
from smsgw.configuration.preview import Preview
from smsgw.configuration.validation import DEFAULT_BUDGET, LOOKUP, STATIC
from smsgw.configuration.versions import Outdated
from smsgw.console import access
from smsgw.console.rendering import told, translate_fault

KEYWORDS, WORDINGS, TABLES = "keywords", "wordings", "tables"
NEW = "NEW"  # the topic that is being added, in a form; others are in small letters
NEW_ONE, CHANGED, SAME = "new", "changed", ""
MARK = 12  # characters of a hash

Form = Mapping[str, str]
Path = tuple[str, ...]  # of a field: its keys


class Clash(Exception):
    """Somebody else changed the same fields meanwhile."""

    def __init__(self, part: RawDocument, theirs: Sequence[tuple[str, str]]) -> None:
        """`part`: with all that does not clash; `theirs`: where, and what stands there."""
        super().__init__(part)
        self.part, self.theirs = part, theirs


@dataclass(frozen=True, slots=True)
class Block:
    """A wording in a form; `key` is in the names of its fields."""

    key: str
    name: str
    texts: Mapping[str, str]
    words: str | None = None  # that ask for it, where it is a topic


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
        """Not at every pause in typing: this takes as long as all else."""
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


def mapping(raw: Mapping[str, object], key: str) -> RawDocument:
    """A draft may hold anything."""
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def fingerprint(part: object) -> str:
    """Of what a form is made from: of each field, where it stands and what it says."""
    return " ".join(_marked(path) + _marked(value) for path, value in _fields(part).items())


def keep(group: str, name: str, part: RawDocument | None) -> None:
    """In the draft; None takes it out. Raises Outdated, KeywordsError."""

    def unless_changed(now: object) -> RawDocument | None:
        if fingerprint(now) != request.form.get("was"):
            raise Outdated
        return part

    _write(group, name, unless_changed)


def save_edit(group: str, name: str, typed: RawDocument) -> None:
    """In the draft, beside what somebody else changed in it meanwhile. Raises Clash, Outdated,
    KeywordsError."""
    _write(group, name, lambda now: _merged(now if isinstance(now, dict) else {}, typed))


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
    try:
        _write_once(group, name, change)
    except Outdated:  # by whoever saved another part at this instant
        _write_once(group, name, change)


def _write_once(group: str, name: str, change: Callable[[object], RawDocument | None]) -> None:
    with access.rt().writing() as tx:
        text, edition = versions.editable(tx)
        raw = document.loads(text)
        parts = {**mapping(raw, group)}
        part = change(parts.get(name))
        if part is None:
            parts.pop(name, None)
        else:
            parts[name] = part
        raw[group] = parts
        author, what = access.operator().actor, name if group == KEYWORDS else f"{group}: {name}"
        versions.save(tx, document.dumps(raw), edition, author, what)


def _merged(now: RawDocument, typed: RawDocument) -> RawDocument:
    """Of each field what was changed since the form was made. Raises Clash where both were."""
    was = {each[:MARK]: each[MARK:] for each in request.form.get("was", "").split()}
    theirs, mine = _fields(now), _fields(typed)
    merged, clashes = {**theirs}, []
    for path in dict.fromkeys((*theirs, *mine)):
        before, here = was.get(_marked(path), _marked(GONE)), mine.get(path, GONE)
        if _marked(here) == before:
            continue
        merged[path] = here
        if before != _marked(theirs.get(path, GONE)) != _marked(here):
            clashes.append(path)
    part = _part({path: value for path, value in merged.items() if value is not GONE})
    if clashes:
        raise Clash(part, [(_where(each), _joined(theirs.get(each, "–"))) for each in clashes])
    return part


def _fields(value: object, path: Path = ()) -> dict[Path, object]:
    if not isinstance(value, dict) or not value:
        return {} if value is None and not path else {path: value}
    found: dict[Path, object] = {}
    for key, each in value.items():
        found |= _fields(each, (*path, key))
    return found


def _part(fields: Mapping[Path, object]) -> RawDocument:
    whole: RawDocument = {}
    for (*places, key), value in fields.items():
        part = whole
        for each in places:
            if not isinstance(part.get(each), dict):
                part[each] = {}
            part = part[each]
        if value != {} or key not in part:
            part[key] = value
    return whole


def _marked(value: object) -> str:
    return sha256(repr(value).encode("utf-8", "replace")).hexdigest()[:MARK]


def _where(path: Path) -> str:
    """As the form calls it."""
    *places, last = map(str, path)
    if not places:
        return last
    return f"{last}: topics" if places == ["topics"] else f"{places[-1]} ({last})"


def meanwhile() -> str:
    return told(
        "Somebody changed this meanwhile; yours is not saved yet. Compare, then save again."
    )


def previewed(raw: RawDocument, group: str, name: str, part: RawDocument) -> Preview:
    """Of the draft as it would be."""
    edited = {**raw, group: {**mapping(raw, group), name: part}}
    return preview.of(edited, name, access.rt().settings.segment_rupiah)


def keyword(part: RawDocument, form: Form) -> RawDocument:
    """As it was typed; what the form does not hold stays."""
    edited = {**part, WORDINGS: texts(mapping(part, WORDINGS), form)}
    if part.get("kind") == STATIC:
        _edit_topics(edited, form)
    _put(edited, "poster", line(form["poster"]).upper())
    _put(edited, "aliases", listed(form["aliases"]), [])
    _put(edited, "budget", _number(form["budget"]), DEFAULT_BUDGET)
    if "enabled" in form:
        _put(edited, "enabled", form["enabled"] == "on", True)
        _put(edited, "from", _day(form["from"]))
        _put(edited, "until", _day(form["until"]))
    if "table" in form:
        _put(edited, "table", form["table"])
    return edited


def texts(part: RawDocument, form: Form) -> RawDocument:
    """Of wordings, by name and language."""
    edited = {**part}
    for field, typed in form.items():
        which = re.fullmatch(r"w\.([a-z0-9_]+)\.([a-z]+)", field)
        if which:
            name, language = which.groups()
            edited[name] = {**mapping(edited, name)}
            _put(edited[name], language, line(typed), "")
    return edited


def blocks(
    texts: RawDocument, wanted: Iterable[str], topics: RawDocument | None = None
) -> list[Block]:
    """`wanted`: names that replies use, whether anything stands there or not; `topics`: of a
    keyword that has some, with room for another."""
    words = topics or {}
    names = dict.fromkeys((*wanted, *map(str, texts), *map(str, words)))
    found = [_block(name, mapping(texts, name), words.get(name)) for name in names]
    return found if topics is None else [*found, Block(NEW, "", _nothing(), "")]


def wanted(name: str, part: RawDocument) -> tuple[str, ...]:
    """The wordings that replies of this section use."""
    kind = part.get("kind")
    if kind == STATIC:
        return (custom_keyword.TEXT,)
    if kind == LOOKUP:
        return (custom_keyword.FOUND, custom_keyword.NOT_FOUND)
    return tuple(SECTIONS[name].WORDINGS) if name in SECTIONS else ()


def line(text: str) -> str:
    """An SMS has no lines."""
    return re.sub(r"\s*[\r\n]+\s*", " ", text).strip()


def listed(text: str) -> list[str]:
    words = (" ".join(each.split()).upper() for each in re.split(r"[,;\n]", text))
    return list(dict.fromkeys(each for each in words if each))


def an_id(text: str) -> str:
    """What a person calls something, as the configuration can name it."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:20].rstrip("_")


def _edit_topics(edited: RawDocument, form: Form) -> None:
    topics, texts = {**mapping(edited, "topics")}, edited[WORDINGS]
    for name in topics:
        topics[name] = listed(form.get(f"words.{name}", _joined(topics[name])))
    words, said = listed(form.get(f"words.{NEW}", "")), _nothing()
    said |= {each: line(form.get(f"w.{NEW}.{each}", "")) for each in said}
    if words or any(said.values()):
        name = _named(words, texts)
        topics[name], texts[name] = words, said
    for name in [each for each in topics if f"gone.{each}" in form]:
        del topics[name]
        texts.pop(name, None)
    _put(edited, "topics", topics, {})


def _named(words: Sequence[str], taken: RawDocument) -> str:
    """An id for a topic: nobody has to think of one."""
    own = [an_id(word) for word in words]
    numbered = (f"topik_{number}" for number in count(1))
    return next(
        each for each in chain(own, numbered) if shapes.AN_ID.fullmatch(each) and each not in taken
    )


def _nothing() -> dict[str, str]:
    return dict.fromkeys(LANGUAGES, "")


def _block(name: str, texts: RawDocument, words: object) -> Block:
    shown = {each: str(texts.get(each) or "") for each in LANGUAGES}
    return Block(name, name, shown, None if words is None else _joined(words))


def _put(part: RawDocument, key: str, value: object, default: object = None) -> None:
    """What says what it said leaves no trace in the draft's difference."""
    if value == part.get(key, default):
        return
    if value == default:
        del part[key]
    else:
        part[key] = value


def _day(text: str) -> date | str | None:
    """What is no day is kept, and the linter says so."""
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        return text.strip()


def _number(text: str) -> int | str:
    return int(text) if re.fullmatch(r"[0-9]{1,3}", text) else text


def _joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
