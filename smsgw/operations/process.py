"""What every long-lived process does once it is loaded."""

import gc

# New objects before a collection. Python's 700 are made by every message, and it would look
# through all that is loaded each time.
YOUNG, MIDDLE, OLD = 20_000, 20, 50


def keep_what_is_loaded() -> None:
    """Modules, grammars and statements live as long as the process: they are collected no more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
