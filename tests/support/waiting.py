"""Waits for what comes sooner or later: a loaded machine takes its time."""

import time
from collections.abc import Callable

LONGEST = 60.0  # seconds


def eventually(is_so: Callable[[], object], explain: Callable[[], str] = str) -> None:
    """Waits until `is_so`. `explain` says what is known if it never is."""
    until = time.monotonic() + LONGEST
    while not is_so():
        assert time.monotonic() < until, explain()
        time.sleep(0.02)
