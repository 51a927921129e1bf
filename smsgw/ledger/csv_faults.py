"""Collects what is wrong with ledger files: names the first bad rows by file and line, writes all
of them to a file of their own, and says whether the rest may be loaded."""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

NAMED = 100
HEADING = ("file", "line", "reason", "row")


class LoadError(Exception):
    """Says that nothing was loaded. Its text names every bad row by file and line."""


class Fault(NamedTuple):
    file: str
    line: int
    what: str
    row: str  # as it was read: it may hold personal data, and goes nowhere but to the file


class Rejection(NamedTuple):
    """Allows bad rows, up to a share of each file's: they go to the file `path`."""

    path: Path
    at_most: Decimal  # of 1


class Faults:
    def __init__(
        self, rejection: Rejection | None = None, write: Callable[[Fault], object] | None = None
    ) -> None:
        self._rejection = rejection
        self._write = write
        self._named: list[str] = []
        self._more = 0
        self._reasons: list[str] = []  # why not even the good rows may be loaded
        self._bad = Counter[str]()

    @property
    def is_loading(self) -> bool:
        """Tells whether good rows may still be loaded, as far as is known."""
        return not self._reasons and (self._rejection is not None or not self._bad)

    @property
    def are_written(self) -> bool:
        """Tells whether each is wanted, not just the first ones and their number."""
        return self._write is not None

    def add(self, fault: Fault) -> None:
        """Adds a row that can be left out."""
        self._bad[fault.file] += 1
        self._name(f"{fault.file}:{fault.line}: {fault.what}")
        if self._write is not None:
            self._write(fault)

    def add_unnamed(self, file: str, count: int) -> None:
        self._bad[file] += count
        self._more += count

    def add_fatal(self, file: str, line: int, what: str) -> None:
        """Adds what makes a whole file unusable."""
        self._reasons.append(f"{file}:{line}: {what}")

    def rejected(self, file: str) -> int:
        return self._bad[file]

    def check_share(self, file: str, rows: int) -> None:
        """`rows`: of the file, the bad ones included."""
        if self._rejection and self._bad[file] > rows * self._rejection.at_most:
            share = Decimal(self._bad[file]) / rows
            limit = (self._rejection.at_most * 100).normalize()
            self._reasons.append(
                f"{file}: {self._bad[file]} of {rows} rows are bad ({share:.2%}), and at most "
                f"{limit:f}% may be left out; {self._rejection.path} holds them"
            )

    def raise_if_any(self) -> None:
        """Raises LoadError, unless all that is wrong was left out as it may."""
        if self.is_loading:
            return
        more = [f"and {self._more} more"] if self._more else []
        raise LoadError("\n".join([*self._reasons, *self._named, *more]))

    def _name(self, text: str) -> None:
        if len(self._named) < NAMED:
            self._named.append(text)
        else:
            self._more += 1


@contextmanager
def collected(rejection: Rejection | None) -> Iterator[Faults]:
    """Yields where faults go. With a rejection, its file is written however the load ends, and
    only its owner may read it. Raises LoadError where it cannot be."""
    if rejection is None:
        yield Faults()
        return
    unfinished = rejection.path.with_name(f"{rejection.path.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        opened = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise LoadError(f"{rejection.path} cannot be written: {error.strerror}") from None
    with os.fdopen(opened, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADING)
        try:
            yield Faults(rejection, writer.writerow)
        finally:
            file.flush()
            unfinished.replace(rejection.path)
