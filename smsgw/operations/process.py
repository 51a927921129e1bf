"""Loads processes quickly, and prepares a long-lived one once it is loaded."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New objects before a collection. Python's 700 are made by every message, and it would look
# through all that is loaded each time.
YOUNG, MIDDLE, OLD = 20_000, 20, 50


@contextmanager
def loading() -> Iterator[None]:
    """Looks for no garbage while a process imports what it needs, and not among that when it ends:
    both together take as long as the imports."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def freeze_loaded_objects() -> None:
    """Spares what is loaded from garbage collection: modules, grammars and statements live as long
    as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
