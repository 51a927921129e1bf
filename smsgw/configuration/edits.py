"""Edits of one part of a draft: what was typed, merged with what others changed meanwhile.

A form remembers what it was made from. Whoever saves over somebody's change of the same field is
told; changes of other fields and other parts are nobody's hindrance."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from functools import partial
from hashlib import sha256
from itertools import chain, count
from typing import TypeVar

from handlers import SECTIONS, custom_keyword
from smsgw.configuration import reviews, versions
from smsgw.configuration.document import RawDocument
from smsgw.configuration.languages import LANGUAGES, OPTIONAL, REQUIRED
from smsgw.configuration.merge import MISSING
from smsgw.configuration.schema import AN_ID, DEFAULT_BUDGET, LOOKUP, STATIC
from smsgw.configuration.versions import Outdated
from smsgw.storage.transaction import Transaction

KEYWORDS, WORDINGS, TABLES = "keywords", "wordings", "tables"
Written = TypeVar("Written")

NEW = "NEW"  # the topic that is being added, in a form; others are in small letters

MARK = 12  # characters of a hash

Form = Mapping[str, str]
Part = RawDocument | list[str]  # of a draft: a mapping, or a list of words
Change = Callable[[RawDocument], Part | None]  # of a draft: what one part of it becomes
Path = tuple[str, ...]  # of a field: its keys
Writing = Callable[[], AbstractContextManager[Transaction]]


class Clash(Exception):
    """Somebody else changed the same fields meanwhile."""

    def __init__(self, part: RawDocument, theirs: Sequence[tuple[str, str]]) -> None:
        """Takes `part`, which has all that does not clash, and `theirs`, which says where it
        clashes and what the others wrote."""
        super().__init__(part)
        self.part, self.theirs = part, theirs


@dataclass(frozen=True, slots=True)
class Block:
    """Describes a wording in a form; `key` is in the names of its fields."""

    key: str
    name: str
    texts: Mapping[str, str]
    words: str | None = None  # that ask for it, where it is a topic

    @property
    def has_more(self) -> bool:
        """Tells whether it has a text in an optional language."""
        return any(self.texts[each] for each in OPTIONAL)


def mapping(raw: Mapping[str, object], key: str) -> RawDocument:
    """Returns the mapping at a key, or an empty one: a draft may hold anything."""
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def fingerprint(part: object) -> str:
    """Fingerprints each field of a form: where it stands and what it says."""
    return " ".join(_mark(path) + _mark(value) for path, value in _fields(part).items())


def write(
    writing: Writing,
    group: str,
    name: str,
    change: Change,
    author: str,
) -> Part | None:
    """Puts what `change` makes of the draft into it, as its part `name`; None takes the part out.
    Tries again once where somebody saved another part at this instant. Raises Outdated,
    KeywordsError."""
    return _write(writing, partial(_write_once, group, name, change, author))


def confirm(
    writing: Writing, group: str, name: str, wording: str, made_from: str, author: str
) -> None:
    """Lists a wording of the part `name` as reviewed, such as balance.jv. Raises Outdated if the
    part is not that whose fingerprint is `made_from`."""
    _write(writing, partial(_confirm_once, group, name, wording, made_from, author))


def _write(writing: Writing, once: Callable[[Transaction], Written]) -> Written:
    try:
        with writing() as tx:
            return once(tx)
    except Outdated:
        with writing() as tx:
            return once(tx)


def _confirm_once(
    group: str, name: str, wording: str, made_from: str, author: str, tx: Transaction
) -> None:
    raw, edition = versions.editable(tx)
    mark = f"{name}.{wording}"
    is_same = fingerprint(mapping(raw, group).get(name)) == made_from
    if not is_same or mark not in reviews.texts(raw):
        raise Outdated
    versions.save(tx, reviews.confirm(raw, mark), edition, author, f"{mark} reviewed")


def _write_once(group: str, name: str, change: Change, author: str, tx: Transaction) -> Part | None:
    raw, edition = versions.editable(tx)
    part = change(raw)
    parts = {**mapping(raw, group)}
    if part is None:
        parts.pop(name, None)
    else:
        parts[name] = part
    what = name if group == KEYWORDS else f"{group}: {name}"
    edited = reviews.forget_edited([raw], {**raw, group: parts})
    versions.save(tx, edited, edition, author, what)
    return part


def merge_edit(now: RawDocument, typed: RawDocument, made_from: str) -> RawDocument:
    """Takes each field that was changed since the form was made, whose fingerprint is `made_from`.
    Raises Clash if both sides changed one."""
    was = {each[:MARK]: each[MARK:] for each in made_from.split()}
    theirs, mine = _fields(now), _fields(typed)
    merged, clashes = {**theirs}, []
    for path in dict.fromkeys((*theirs, *mine)):
        before, here = was.get(_mark(path), _mark(MISSING)), mine.get(path, MISSING)
        if _mark(here) == before:
            continue
        merged[path] = here
        if before != _mark(theirs.get(path, MISSING)) != _mark(here):
            clashes.append(path)
    part = _part({path: value for path, value in merged.items() if value is not MISSING})
    if clashes:
        raise Clash(part, [(_where(each), _join(theirs.get(each, "–"))) for each in clashes])
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


def _mark(value: object) -> str:
    return sha256(repr(value).encode("utf-8", "replace")).hexdigest()[:MARK]


def _where(path: Path) -> str:
    """Returns the field's name in the form."""
    *places, last = map(str, path)
    if not places:
        return last
    return f"{last}: topics" if places == ["topics"] else f"{places[-1]} ({last})"


def keyword(part: RawDocument, form: Form) -> RawDocument:
    """Returns the keyword as it was typed; what the form does not hold stays."""
    edited = {**part, WORDINGS: texts(mapping(part, WORDINGS), form)}
    if part.get("kind") == STATIC:
        _edit_topics(edited, form)
    _put(edited, "poster", single_line(form["poster"]).upper())
    _put(edited, "aliases", split_words(form["aliases"]), [])
    _put(edited, "budget", _number(form["budget"]), DEFAULT_BUDGET)
    if "enabled" in form:
        _put(edited, "enabled", form["enabled"] == "on", True)
        _put(edited, "from", _day(form["from"]))
        _put(edited, "until", _day(form["until"]))
    if "table" in form:
        _put(edited, "table", form["table"])
    return edited


def texts(part: RawDocument, form: Form) -> RawDocument:
    """Reads wordings from the form, by name and language."""
    edited = {**part}
    for field, typed in form.items():
        which = re.fullmatch(r"w\.([a-z0-9_]+)\.([a-z]+)", field)
        if which:
            name, language = which.groups()
            edited[name] = {**mapping(edited, name)}
            _put(edited[name], language, single_line(typed), "")
    return edited


def blocks(
    texts: RawDocument, wanted: Iterable[str], topics: RawDocument | None = None
) -> list[Block]:
    """Returns the form's wordings. `wanted`: names that replies use, even if they have no text yet.
    `topics`: those of a keyword that has some, with room for another."""
    words = topics or {}
    names = dict.fromkeys((*wanted, *map(str, texts), *map(str, words)))
    found = [_block(name, mapping(texts, name), words.get(name)) for name in names]
    return found if topics is None else [*found, Block(NEW, "", dict.fromkeys(LANGUAGES, ""), "")]


def wording_names(name: str, part: RawDocument) -> tuple[str, ...]:
    """Returns the names of the wordings that this section's replies use."""
    kind = part.get("kind")
    if kind == STATIC:
        return (custom_keyword.TEXT,)
    if kind == LOOKUP:
        return (custom_keyword.FOUND, custom_keyword.NOT_FOUND)
    return tuple(SECTIONS[name].WORDINGS) if name in SECTIONS else ()


def single_line(text: str) -> str:
    """Joins lines into one, as an SMS has no lines."""
    return re.sub(r"\s*[\r\n]+\s*", " ", text).strip()


def split_words(text: str) -> list[str]:
    words = (" ".join(each.split()).upper() for each in re.split(r"[,;\n]", text))
    return list(dict.fromkeys(each for each in words if each))


def an_id(text: str) -> str:
    """Returns what a person calls something, as the configuration can name it."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:20].rstrip("_")


def _edit_topics(edited: RawDocument, form: Form) -> None:
    topics, texts = {**mapping(edited, "topics")}, edited[WORDINGS]
    for name in topics:
        topics[name] = split_words(form.get(f"words.{name}", _join(topics[name])))
    words, wordings = split_words(form.get(f"words.{NEW}", "")), empty_texts()
    typed = {each: single_line(form.get(f"w.{NEW}.{each}", "")) for each in LANGUAGES}
    wordings |= {each: text for each, text in typed.items() if text}
    if words or any(wordings.values()):
        name = _topic_id(words, texts)
        topics[name], texts[name] = words, wordings
    for name in [each for each in topics if f"gone.{each}" in form]:
        del topics[name]
        texts.pop(name, None)
    _put(edited, "topics", topics, {})


def _topic_id(words: Sequence[str], taken: RawDocument) -> str:
    """Makes an id for a topic, so that nobody has to think of one."""
    own = [an_id(word) for word in words]
    numbered = (f"topik_{number}" for number in count(1))
    return next(
        each for each in chain(own, numbered) if AN_ID.fullmatch(each) and each not in taken
    )


def empty_texts() -> dict[str, str]:
    return dict.fromkeys(REQUIRED, "")


def _block(name: str, texts: RawDocument, words: object) -> Block:
    shown = {each: str(texts.get(each) or "") for each in LANGUAGES}
    return Block(name, name, shown, None if words is None else _join(words))


def _put(part: RawDocument, key: str, value: object, default: object = None) -> None:
    """Leaves an unchanged value alone, so that the draft's difference does not show it."""
    if value == part.get(key, default):
        return
    if value == default:
        del part[key]
    else:
        part[key] = value


def _day(text: str) -> date | str | None:
    """Keeps what is no day, and the linter reports it."""
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        return text.strip()


def _number(text: str) -> int | str:
    return int(text) if re.fullmatch(r"[0-9]{1,3}", text) else text


def _join(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
