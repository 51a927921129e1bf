"""Prepares a long-lived process once it is loaded."""

import gc

# New objects before a collection. Python's 700 are made by every message, and it would look
# through all that is loaded each time.
YOUNG, MIDDLE, OLD = 20_000, 20, 50


def freeze_loaded_objects() -> None:
    """Spares what is loaded from garbage collection: modules, grammars and statements live as long
    as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
