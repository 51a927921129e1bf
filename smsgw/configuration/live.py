"""Holds the published configuration of a process, and reads it again when there is a newer
version."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from math import inf
from threading import Lock

from smsgw import logs
from smsgw.configuration import compiler, validation
from smsgw.configuration.compiler import Configuration
from smsgw.configuration.document import Document, KeywordsError

log = logs.get(__name__)


class LiveConfiguration:
    """Returns the configuration that answers. `newer` returns the version that was published since
    a given one, with its text; `today` is the scheme's day, for keywords that are valid from or
    until a day."""

    def __init__(
        self,
        newer: Callable[[int], tuple[int, str] | None] = lambda _: None,
        today: Callable[[], date] | None = None,
        lasts: float = inf,
    ) -> None:
        """Takes `lasts`, the seconds after which `refresh` asks again."""
        self._newer = newer
        self._today = today
        self._lasts = lasts
        self._until = 0.0
        self._lock = Lock()
        self._document = validation.load_shipped()
        self._day: date | None = None
        self.version = 0
        self.configuration = compiler.load_shipped()

    @staticmethod
    def always(configuration: Configuration) -> "LiveConfiguration":
        """Returns a configuration that never changes."""
        published = LiveConfiguration()
        published.configuration = configuration
        return published

    def refresh(self) -> None:
        """Learns of what was published meanwhile, where it was not asked of late. What cannot be
        read is told, and what answered before goes on."""
        if time.monotonic() < self._until or not self._lock.acquire(blocking=False):
            return
        try:
            newer = self._newer(self.version)
            self._until = time.monotonic() + self._lasts
            day = self._today() if self._today else None
            if newer is not None:
                self._take(*newer, day)
            elif day != self._day:
                self._begin(day)
        finally:
            self._lock.release()

    def _take(self, version: int, text: str, day: date | None) -> None:
        self.version = version
        try:
            self._answer_by(validation.read_published(text), version, day)
        except KeywordsError as error:
            log.error("a published configuration cannot be read", version=version, why=str(error))

    def _begin(self, day: date | None) -> None:
        """Compiles again only if other keywords are in force than before, as that takes long."""
        before = compiler.entries_in_force(self._document, self._day)
        if compiler.entries_in_force(self._document, day).keys() != before.keys():
            self._answer_by(self._document, self.configuration.version, day)
        self._day = day

    def _answer_by(self, read: Document, version: int, day: date | None) -> None:
        self.configuration = replace(compiler.of(read, day), version=version)
        self._document, self._day = read, day
