"""Exports lists as CSV files, and records each in the audit log. An export reads a short part after
the other, and keeps a thread and the database busy: so only a few run at a time."""

from collections.abc import Iterator, Mapping
from threading import BoundedSemaphore

from flask import Response
from werkzeug.exceptions import TooManyRequests

from smsgw.console import access
from smsgw.storage import audit
from smsgw.storage.audit import Act


def respond(places: BoundedSemaphore, lines: Iterator[str], name: str, detail: str) -> Response:
    """Streams an export. `places` limits how many run at a time in this process. Raises
    TooManyRequests."""
    if not places.acquire(blocking=False):
        raise TooManyRequests
    body = _until_closed(places, lines)
    next(body)  # begun, it ends however little of it is read
    with access.rt().writing() as tx:
        audit.note(tx, Act.EXPORTED, access.operator().actor, detail=detail)
    named = {"Content-Disposition": f"attachment; filename={name}"}
    return Response(body, mimetype="text/csv", headers=named)


def describe_filters(asked: Mapping[str, str]) -> str:
    """Returns the filters of a list, as the audit log shows them."""
    return " ".join(f"{name}={value}" for name, value in asked.items()) or "all"


def _until_closed(places: BoundedSemaphore, lines: Iterator[str]) -> Iterator[str]:
    try:
        yield ""
        yield from lines
    finally:
        places.release()
