"""Shows the public whether the service answers, and its service level, if SMSGW_STATUS_PAGE is on.

The page tells nothing else: no number of messages, no carrier, and not what is broken. It is
measured twice a minute at most, whoever asks.
"""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from threading import Lock

from flask import Blueprint, Response, current_app, jsonify, render_template, request
from sqlalchemy.exc import SQLAlchemyError

from smsgw.messaging import service_level
from smsgw.messaging.service_level import GOALS, ServiceLevel
from smsgw.operations import readiness
from smsgw.runtime import Runtime
from smsgw.storage import deadlines
from smsgw.storage.crypto import Unreadable
from smsgw.web import middleware

FRESH_FOR = timedelta(seconds=30)
MEASURED_WITHIN = 3.0  # seconds
STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "caption,th,td{text-align:left;padding:.3rem 1rem .3rem 0}"
    "section{margin-bottom:3rem}"
)
HEADERS = {
    "Cache-Control": f"public, max-age={FRESH_FOR.seconds}",
    "Content-Security-Policy": middleware.HEADERS["Content-Security-Policy"]
    + f"; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'",
    "Vary": "Accept",
}


class Measurement(StrEnum):
    MEASURED = "measured"
    NO_MESSAGES = "no messages"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Status:
    """Holds what is shown. A level is None if it is not known now."""

    at: datetime
    is_answering: bool
    today: ServiceLevel | None = None
    last_7_days: ServiceLevel | None = None


class StatusCache:
    """Measures the status once for all who ask within half a minute."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._status: Status | None = None

    def get(self, rt: Runtime) -> Status:
        with self._lock:
            if self._status is None or not self._is_fresh(rt, self._status):
                self._status = measure(rt)
            return self._status

    def _is_fresh(self, rt: Runtime, status: Status) -> bool:
        return timedelta() <= rt.now() - status.at < FRESH_FOR


def blueprint() -> Blueprint:
    """Builds the routes. Each process has a cache of its own."""
    pages, cache = Blueprint("status", __name__, template_folder="templates"), StatusCache()

    @pages.get("/status")
    def page() -> Response:
        kinds = ["text/html", "application/json"]
        wanted = request.accept_mimetypes.best_match(kinds, default=kinds[0])
        status = cache.get(_runtime())
        return _json(status) if wanted == "application/json" else _html(status)

    @pages.get("/status.json")
    def figures() -> Response:
        return _json(cache.get(_runtime()))

    return pages


def measure(rt: Runtime) -> Status:
    """Asks the database and the queue. The service answers if all its parts work and most people
    were answered lately; without the clock nobody knows the level."""
    with deadlines.within(MEASURED_WITHIN):
        parts = {"database": readiness.has_database(rt), **readiness.queue_parts(rt)}
        try:
            with rt.reading() as tx:
                is_answering = all(parts.values()) and service_level.are_most_answered(tx)
                week = service_level.week(tx, rt.settings.zone)
        except (SQLAlchemyError, Unreadable):
            return Status(rt.now(), is_answering=False)
    if not parts["clock"]:
        return Status(rt.now(), is_answering=False)
    return Status(rt.now(), is_answering, week.of_today(), week.of_all_days())


def shown(level: ServiceLevel | None) -> dict[str, str | int | None]:
    """Returns the level in whole percents, rounded down."""
    percents: dict[str, str | int | None] = {_name(goal.seconds): None for goal in GOALS}
    if level is None:
        return {"state": Measurement.UNKNOWN, **percents}
    if not level.answers:
        return {"state": Measurement.NO_MESSAGES, **percents}
    reached = {_name(each.goal.seconds): int(each.percent) for each in level.results}
    return {"state": Measurement.MEASURED, **reached}


def _json(status: Status) -> Response:
    response = jsonify(
        {
            "at": status.at.isoformat(timespec="seconds"),
            "answering": status.is_answering,
            "goals": {_name(goal.seconds): goal.percent for goal in GOALS},
            "today": shown(status.today),
            "last_7_days": shown(status.last_7_days),
        }
    )
    response.headers.update(HEADERS)
    return response


def _html(status: Status) -> Response:
    levels = {"today": shown(status.today), "last_7_days": shown(status.last_7_days)}
    at = status.at.astimezone(_runtime().settings.zone)
    goals = {_name(goal.seconds): goal for goal in GOALS}
    page = render_template(
        "public_status.html", status=status, levels=levels, at=at, goals=goals, style=STYLE
    )
    return Response(page, headers=HEADERS, content_type="text/html; charset=utf-8")


def _name(seconds: int) -> str:
    return f"within_{seconds}_seconds"


def _runtime() -> Runtime:
    rt: Runtime = current_app.extensions["smsgw"]
    return rt
