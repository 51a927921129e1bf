"""The published configuration of a process, read again when a newer version is there."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from math import inf
from threading import Lock

from smsgw import logs
from smsgw.configuration import document
from smsgw.configuration.compiler import Configuration, load, shipped
from smsgw.configuration.document import KeywordsError

log = logs.get(__name__)


class Published:
    """The configuration that answers. `newer` gives the version that was published since one it is
    told, with its text; `today` is the scheme's, for keywords that are valid from or until a day.
    """

    def __init__(
        self,
        newer: Callable[[int], tuple[int, str] | None] = lambda _: None,
        today: Callable[[], date] | None = None,
        lasts: float = inf,
    ) -> None:
        """`lasts`: seconds after which `refresh` asks again."""
        self._newer = newer
        self._today = today
        self._lasts = lasts
        self._until = 0.0
        self._lock = Lock()
        self._text = document.shipped_text()
        self._day: date | None = None
        self.version = 0
        self.configuration = shipped()

    @staticmethod
    def always(configuration: Configuration) -> "Published":
        """Returns a configuration that never changes."""
        published = Published()
        published.configuration = configuration
        return published

    def refresh(self) -> None:
        """Learns of what was published meanwhile, where it was not asked of late. What cannot be
        read is told, and what answered before goes on."""
        if time.monotonic() < self._until or not self._lock.acquire(blocking=False):
            return
        try:
            version, text = self._newer(self.version) or (self.version, self._text)
            self._until = time.monotonic() + self._lasts
            day = self._today() if self._today else None
            if (version, day) != (self.version, self._day):
                self._take(version, text, day)
        finally:
            self._lock.release()

    def _take(self, version: int, text: str, day: date | None) -> None:
        try:
            self.configuration = replace(load(document.upgrade(text), day), version=version)
        except KeywordsError as error:
            log.error("a published configuration cannot be read", version=version, why=str(error))
        self._text, self._day, self.version = text, day, version
