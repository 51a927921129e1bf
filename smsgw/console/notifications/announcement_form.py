"""Reads the form of an announcement, and keeps what was typed in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from flask import request
from werkzeug.exceptions import BadRequest

from handlers.changes import NotificationKind
from smsgw.backoffice import announcements
from smsgw.backoffice.announcements import NKPS, OFFICE, PROGRAM, UNTIL, FieldFault
from smsgw.console import access, days
from smsgw.console.rendering import _
from smsgw.notifications.runs import Announcement
from smsgw.storage.tables.notifications import Audience

PROPOSED = timedelta(days=7)
ENDS = time(23, 59)
MOST_LINES = 10  # that are named

Faults = dict[str, tuple[str, ...]]  # sentences, by field


@dataclass(frozen=True, slots=True)
class TypedAnnouncement:
    """Holds the form, and what is wrong with it as far as it could not be read."""

    kind: NotificationKind
    announcement: Announcement
    fields: Mapping[str, str]
    nkps: Sequence[str] = ()
    faults: Faults = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        return {"id": self.announcement.text_id, "en": self.announcement.text_en}


def empty() -> TypedAnnouncement:
    last = access.rt().today + PROPOSED
    made = Announcement("", "", Audience.ALL, None, _ends(last.isoformat()))
    return TypedAnnouncement(NotificationKind.BALANCE, made, {UNTIL: last.isoformat()})


def read() -> TypedAnnouncement:
    """Raises BadRequest."""
    form, by_language = request.form, texts()
    try:
        kind = NotificationKind(form.get("kind", ""))
        audience = Audience(form.get("audience", Audience.ALL))
    except ValueError:
        raise BadRequest from None
    fields = {name: form.get(name, "").strip() for name in (UNTIL, OFFICE, PROGRAM)}
    fields[NKPS] = form.get(NKPS, "")
    which = {Audience.OFFICE: fields[OFFICE], Audience.PROGRAM: fields[PROGRAM]}.get(audience)
    made = Announcement(
        by_language["id"], by_language["en"], audience, which or None, _ends(fields[UNTIL])
    )
    nkps, faults = _nkps(fields[NKPS]) if audience is Audience.LIST else ([], Faults())
    return TypedAnnouncement(kind, made, fields, nkps, faults)


def texts() -> dict[str, str]:
    return {language: request.form.get(f"text_{language}", "") for language in ("id", "en")}


def explain(found: Sequence[FieldFault]) -> Faults:
    faults: Faults = {}
    for each in found:
        faults[each.name] = (*faults.get(each.name, ()), _(each.fault, **each.values))
    return faults


def text_faults(text: str) -> tuple[str, ...]:
    return explain(list(announcements.text_faults("text", text))).get("text", ())


def _ends(day: str) -> datetime:
    """Returns the end of a day; of one that cannot be read, a time that is over."""
    rt, read_day = access.rt(), days.read(day)
    if read_day is None:
        return rt.now() - timedelta(days=1)
    return datetime.combine(read_day, ENDS, rt.settings.zone)


def _nkps(pasted: str) -> tuple[list[str], Faults]:
    """Reads what was pasted, and the file. Lines are named by their numbers: nobody's NKP is
    written into a sentence."""
    lines = announcements.read_list(pasted)
    found, faults = list(lines.nkps), []
    if lines.wrong:
        faults.append(_("No NKP of 11 digits in these lines: {lines}.", lines=_named(lines.wrong)))
    try:
        in_file = announcements.read_list(_file())
        found += in_file.nkps
        if in_file.wrong:
            named = _named(in_file.wrong)
            faults.append(
                _("No NKP of 11 digits in these lines of the file: {lines}.", lines=named)
            )
    except UnicodeDecodeError:
        faults.append(_("The file is not UTF-8. Save it as plain text, one NKP a line."))
    return found, {NKPS: tuple(faults)} if faults else {}


def _file() -> str:
    """Raises UnicodeDecodeError."""
    file = request.files.get("file")
    return file.read().decode("utf-8-sig") if file is not None and file.filename else ""


def _named(lines: Sequence[int]) -> str:
    more = len(lines) - MOST_LINES
    named = ", ".join(map(str, lines[:MOST_LINES]))
    return _("{lines} and {count} more", lines=named, count=more) if more > 0 else named
