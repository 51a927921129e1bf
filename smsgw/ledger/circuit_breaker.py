"""Spares everybody the wait for a ledger that did not answer just now."""

from collections.abc import Callable
from threading import Lock

LEFT_ALONE = 3.0  # seconds
FEW_KEYS = 2  # that fail one after the other close a look-up for all; one is a row of its own


class Circuit:
    """Leaves what failed alone for LEFT_ALONE seconds. Then one look-up tries while the others
    still do without. What failed for one key is left alone for that key only, until it fails for
    another one too."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._alone_until: float | None = None
        self._keys: dict[object, float] = {}  # those that failed since anything worked, until when

    @property
    def is_closed(self) -> bool:
        """Tells whether nothing failed since anything worked."""
        return self._alone_until is None and not self._keys

    def may_pass(self, key: object = None) -> bool:
        if self.is_closed:
            return True
        with self._lock:
            now = self._clock()
            if now < self._keys.get(key, now) or now < (self._alone_until or now):
                return False
            if self._alone_until is not None:
                self._alone_until = now + LEFT_ALONE
            return True

    def record_failure(self, key: object = None) -> None:
        """Records a failure. `key` is what was looked up, if it may be to blame."""
        with self._lock:
            until = self._clock() + LEFT_ALONE
            if key is not None:
                self._keys[key] = until
            if key is None or len(self._keys) >= FEW_KEYS:
                self._alone_until = until
                self._keys.clear()

    def record_success(self) -> None:
        if not self.is_closed:
            with self._lock:
                self._alone_until = None
                self._keys.clear()
