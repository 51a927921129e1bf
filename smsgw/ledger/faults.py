"""Says why the ledger did not answer: it is unavailable, a look-up took too long, or was refused.

A ledger that is away comes back by itself. One that refuses (a column, a type, a right) waits for
somebody to mend it, and has to be told apart.
"""

import contextlib
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from smsgw import logs

log = logs.get(__name__)

LOG_EVERY = 60.0  # seconds, for each look-up
FAILURES = "ledger-failures"  # in Redis: by look-up and kind, how often
CONNECTING = "connecting"
REPLICA = "replica"  # any look-up that it did not answer

SERVER_GONE = re.compile("08...|57P0[1-5]|53300")
OUT_OF_TIME = re.compile("57014|55P03|40...|53...|70100")  # also: a standby cancelled it
MYSQL_OUT_OF_TIME = {1205, 3024}  # which have no SQLSTATE of their own
CANCELLED_BY_STANDBY = re.compile("40...")  # what it read had to go
# Their messages name parts of the schema and never a value.
NAMES_SCHEMA = re.compile("42...|3F...")
# Those of MySQL without a value: 1064, of a wrong statement, quotes it.
MYSQL_NAMES_SCHEMA = {1044, 1049, 1054, 1142, 1143, 1146, 1345, 1356, 1370}
NO_ENTRY = re.compile("28...|3D...|42501|42000")
# What libpq hands on when it may not come in has no code.
NOT_LET_IN = re.compile(
    r"authentication failed|no pg_hba.conf entry|permission denied for database"
    r"|(database|role) .* does not exist|is not permitted to log in|no password supplied"
)
SQLITE_REFUSES = 1  # SQLITE_ERROR: no such table, no such column


class FaultKind(StrEnum):
    AWAY = "away"
    SLOW = "slow"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LookUpFault:
    """Says why a look-up failed. `name` is the look-up, or CONNECTING; `error` and `code` are the
    driver's class and SQLSTATE; `detail` is what the server says, if it holds no value."""

    name: str
    kind: FaultKind
    error: str
    code: str | None = None
    detail: str | None = None

    @property
    def is_whole(self) -> bool:
        """Tells whether nothing else would be answered either."""
        return self.kind is FaultKind.AWAY or self.name == CONNECTING

    @property
    def is_of_standby(self) -> bool:
        """Tells whether a replica gave up what its primary would answer."""
        return bool(self.code and CANCELLED_BY_STANDBY.fullmatch(self.code))

    def __str__(self) -> str:
        code = f" {self.code}" if self.code else ""
        message = f": {self.detail}" if self.detail else ""
        return f"{self.name}: {self.kind} ({self.error}{code}){message}"


class Unanswered(Exception):
    """Says that a look-up found no answer. `was_asked`: whether the ledger was asked at all."""

    def __init__(self, fault: LookUpFault, *, was_asked: bool = True) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.was_asked = was_asked


def of(name: str, error: DBAPIError | NoConnection) -> LookUpFault:
    if isinstance(error, NoConnection):
        return LookUpFault(name, FaultKind.SLOW, type(error).__name__)
    original = error.orig
    code = getattr(original, "sqlstate", None)
    names = (type(original).__name__, code)
    if error.connection_invalidated or (code and SERVER_GONE.fullmatch(code)):
        return LookUpFault(name, FaultKind.AWAY, *names)
    if error.statement is None:
        is_refused = NO_ENTRY.fullmatch(code) if code else NOT_LET_IN.search(str(original))
        return LookUpFault(CONNECTING, FaultKind.REFUSED if is_refused else FaultKind.AWAY, *names)
    number = _mysql_number(original)
    if (code and OUT_OF_TIME.fullmatch(code)) or number in MYSQL_OUT_OF_TIME:
        return LookUpFault(name, FaultKind.SLOW, *names)
    if code is None and isinstance(error, OperationalError) and not _is_sqlite_refusing(original):
        return LookUpFault(name, FaultKind.AWAY, *names)
    return LookUpFault(name, FaultKind.REFUSED, *names, _message(original, code, number))


def _message(original: Any, code: str | None, number: int | None) -> str | None:
    if number is not None:
        return str(original.args[1]) if number in MYSQL_NAMES_SCHEMA else None
    message: str | None = getattr(getattr(original, "diag", None), "message_primary", None)
    return message if code and NAMES_SCHEMA.fullmatch(code) else None


def _mysql_number(original: object) -> int | None:
    """Returns the number that MySQL gives an error."""
    if not type(original).__module__.startswith("pymysql"):
        return None
    number = next(iter(getattr(original, "args", ())), None)
    return number if isinstance(number, int) else None


def _is_sqlite_refusing(original: object) -> bool:
    return getattr(original, "sqlite_errorcode", None) == SQLITE_REFUSES


class Failures:
    """Counts failures, over all processes if there is a Redis, otherwise in this one. It also logs
    them."""

    def __init__(self, redis: Redis | None = None) -> None:
        self._redis = redis
        self._here: Counter[tuple[str, str]] = Counter()
        self._logged_at: dict[tuple[str, str], float] = {}
        self._lock = Lock()

    def add(self, fault: LookUpFault) -> None:
        which = (fault.name, str(fault.kind))
        if self._is_log_due(which):
            level = log.error if fault.kind is FaultKind.REFUSED else log.warning
            what = {"error": fault.error, "code": fault.code, "detail": fault.detail}
            level("the ledger did not answer", look_up=fault.name, kind=fault.kind, **what)
        with contextlib.suppress(RedisError):
            if self._redis is not None:
                self._redis.hincrby(FAILURES, ":".join(which), 1)
                return
        with self._lock:
            self._here[which] += 1

    def unread(self, column: str) -> None:
        """Counts a value that cannot be what its column is for."""
        if self._is_log_due((column, "value")):
            log.warning("the ledger holds unreadable values", column=column)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Counts failures by look-up and kind since Redis was last empty. Raises RedisError."""
        if self._redis is None:
            return dict(self._here)
        counts = {}
        for name, number in self._redis.hgetall(FAILURES).items():
            look_up, _, kind = (name if isinstance(name, str) else name.decode()).partition(":")
            counts[look_up, kind] = int(number)
        return counts

    def _is_log_due(self, which: tuple[str, str]) -> bool:
        with self._lock:
            now = time.monotonic()
            if now - self._logged_at.get(which, -LOG_EVERY) < LOG_EVERY:
                return False
            self._logged_at[which] = now
            return True
