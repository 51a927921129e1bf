"""Looks up rows of a ledger that is a service: one request for what one or many messages need, and
one for offices, rates and contacts, which are kept."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from handlers.ports import LedgerDown
from smsgw.ledger import service_protocol
from smsgw.ledger.circuit_breaker import Circuit
from smsgw.ledger.faults import CONNECTING, Failures, FaultKind, LookUpFault, Unanswered
from smsgw.ledger.row_ledger import AWAY_KEPT, CHECK_LIMIT, RowLedger, Rows
from smsgw.ledger.service_client import ServiceClient
from smsgw.ledger.service_protocol import BY_NUMBER, MOST_NUMBERS, REFERENCE, WrongAnswer
from smsgw.ledger.statements import NOBODY
from smsgw.ledger_access import NoDatabase
from smsgw.storage import deadlines

LOOK_UPS, REFERENCE_PATH = "/look-ups", "/reference"
KEPT, LEAST_KEPT, MOST_KEPT = 300.0, 60.0, 3600.0  # seconds; every reply names the call centre
MAX_AGE = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])", re.IGNORECASE)
AT_ONCE = 10  # requests of one look-up
PATIENCE = 1.0  # seconds for a place among them


class HttpLedger(RowLedger):
    """Asks a service."""

    def __init__(
        self,
        client: ServiceClient,
        clock: Callable[[], float] = time.monotonic,
        *,
        zone: ZoneInfo | None = None,
        failures: Failures | None = None,
    ) -> None:
        failures = failures or Failures()
        super().__init__(HttpSource(client, clock, failures), clock, zone=zone, failures=failures)


class HttpSource:
    together = BY_NUMBER.keys()
    replica = None

    def __init__(
        self, client: ServiceClient, clock: Callable[[], float], failures: Failures
    ) -> None:
        self._client = client
        self._clock = clock
        self._failures = failures
        self._circuit = Circuit(clock)
        self._places = {name: BoundedSemaphore(AT_ONCE) for name in BY_NUMBER}
        self._reference: tuple[float, Mapping[str, Any]] = float("-inf"), {}  # until when
        self._reading = BoundedSemaphore()

    @property
    def engine(self) -> Engine:
        raise NoDatabase("LEDGER_URL: is a service, and this needs a database")

    @property
    def kept_for(self) -> float:
        """Returns what is left of the time that the service allows, within bounds."""
        return max(self._reference[0] - self._clock(), 0.0)

    def close(self) -> None: ...

    def read(self, name: str, keys: Mapping[str, object]) -> Rows:
        if not self._circuit.may_pass():
            raise LedgerDown("away a moment ago")
        with self._recording():
            if name in REFERENCE:
                return self._read_reference(name)
            number = str(next(iter(keys.values())))
            with _place(self._places[name], name):
                return self._understand(name, self._ask({name: [number]}, name), [number])

    def read_several(
        self, lookups: Mapping[str, Sequence[str]], limit: float
    ) -> Iterator[tuple[str, Rows | Unanswered]]:
        """Makes one request for each MOST_NUMBERS; `limit` is for all together."""
        if not lookups or not self._circuit.is_closed:
            return
        started = time.monotonic()
        found: dict[str, list[Mapping[Any, Any]]] = {name: [] for name in lookups}
        failed: dict[str, Unanswered] = {}
        with deadlines.within(limit):
            for asked in _requests(lookups):
                self._read_into(found, failed, asked)
        whole = next((each for each in failed.values() if each.fault.is_whole), None)
        if whole is not None:
            if time.monotonic() - started < limit:  # otherwise it may be in time for each alone
                self._circuit.record_failure()
            yield next(iter(failed)), whole  # once: it is one fault
            return
        for name in lookups:
            yield name, failed.get(name, found[name])

    def read_slice(self, name: str, nkps: Sequence[str], limit: float) -> Rows:
        """Makes one request for each MOST_NUMBERS, each with the whole `limit`."""
        rows: list[Mapping[Any, Any]] = []
        for asked in _requests({name: nkps}):
            for _, found in self.read_several(asked, limit):
                if isinstance(found, Unanswered):
                    raise found
                rows.extend(found)
        if not self._circuit.is_closed:
            raise LedgerDown("away a moment ago")
        return rows

    def look(self) -> Iterator[LookUpFault | None]:
        """Asks for all in two requests, within the time that a check has."""
        with deadlines.within(CHECK_LIMIT):
            return iter(list(self._look()))

    def _look(self) -> Iterator[LookUpFault | None]:
        nobody = {name: [str(NOBODY[shape.key])] for name, shape in BY_NUMBER.items() if shape.key}
        try:
            document = self._ask(nobody, CONNECTING)
        except Unanswered as error:
            yield error.fault
            return
        for name, numbers in nobody.items():
            yield _fault_of(partial(self._understand, name, document, numbers))
        for name in REFERENCE:
            yield _fault_of(partial(self._read_reference, name))

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Records whether the service was away, or answered, if only to refuse."""
        try:
            yield
        except Unanswered as error:
            if error.fault.is_whole:
                self._circuit.record_failure()
            elif error.was_asked:
                self._circuit.record_success()
            raise
        self._circuit.record_success()

    def _read_into(
        self,
        found: Mapping[str, list[Mapping[Any, Any]]],
        failed: dict[str, Unanswered],
        asked: Mapping[str, Sequence[str]],
    ) -> None:
        try:
            document = self._ask(asked, next(iter(asked)))
        except Unanswered as error:
            failed |= dict.fromkeys(asked, error)
            return
        for name, numbers in asked.items():
            try:
                found[name].extend(self._understand(name, document, numbers))
            except Unanswered as error:
                failed[name] = error

    def _ask(self, asked: Mapping[str, Sequence[str]], name: str) -> Mapping[str, Any]:
        answer = self._client.ask(name, LOOK_UPS, service_protocol.question(asked))
        with _understanding(name):
            return service_protocol.read(answer.body)

    def _understand(self, name: str, document: Mapping[str, Any], numbers: Sequence[str]) -> Rows:
        with _understanding(name):
            word = service_protocol.error(document, name)
            if word is not None:
                raise Unanswered(LookUpFault(name, FaultKind(word), "Service"))
            rows = service_protocol.rows(document, name, numbers)
        self._tell_unknown(document, name)
        return rows

    def _read_reference(self, name: str) -> Rows:
        with _place(self._reading, name):
            until, document = self._reference
            if self._clock() >= until:
                answer = self._client.ask(name, REFERENCE_PATH)
                with _understanding(name):
                    document = service_protocol.read(answer.body)
                kept = _kept_for(answer.headers.get("Cache-Control", ""))
                if not service_protocol.is_reference(document):
                    kept = AWAY_KEPT  # so that it shows when it is mended
                self._reference = self._clock() + kept, document
        with _understanding(name):
            rows = service_protocol.reference(document, name)
        self._tell_unknown(document, name)
        return rows

    def _tell_unknown(self, document: Mapping[str, Any], name: str) -> None:
        for field in service_protocol.unknown_fields(document, name):
            self._failures.unread(f"{name}.{field}, which is no field of the protocol")


@contextmanager
def _place(places: BoundedSemaphore, name: str) -> Iterator[None]:
    """Raises Unanswered."""
    if not places.acquire(timeout=PATIENCE):
        raise Unanswered(LookUpFault(name, FaultKind.SLOW, "NoPlace"), was_asked=False)
    try:
        yield
    finally:
        places.release()


@contextmanager
def _understanding(name: str) -> Iterator[None]:
    """Raises Unanswered for what cannot be understood."""
    try:
        yield
    except WrongAnswer as error:
        where = CONNECTING if isinstance(error, service_protocol.OtherVersion) else name
        what = type(error).__name__
        fault = LookUpFault(where, FaultKind.REFUSED, what, None, f"the answer {error}")
        raise Unanswered(fault) from None


def _fault_of(read: Callable[[], object]) -> LookUpFault | None:
    try:
        read()
    except Unanswered as error:
        return error.fault
    return None


def _requests(lookups: Mapping[str, Sequence[str]]) -> Iterator[Mapping[str, Sequence[str]]]:
    """Splits what is looked up, so that no request names too many."""
    names = sorted({number for numbers in lookups.values() for number in numbers})
    for first in range(0, len(names), MOST_NUMBERS):
        some = set(names[first : first + MOST_NUMBERS])
        asked = {name: [each for each in them if each in some] for name, them in lookups.items()}
        yield {name: numbers for name, numbers in asked.items() if numbers}


def _kept_for(cache_control: str) -> float:
    found = MAX_AGE.search(cache_control)
    seconds = float(found[1]) if found else KEPT
    return min(max(seconds, LEAST_KEPT), MOST_KEPT)
