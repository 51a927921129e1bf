"""Divides long lists into pages. A page begins behind a row, whose number is in its address."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

from flask import request

from smsgw.console import converters

AFTER, BEFORE = "after", "before"  # parameters: of lists that begin with the oldest, the newest

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ListPage(Generic[Item]):
    rows: Sequence[Item]
    parameter: str
    begins: int | None  # behind which row; None for the first page
    further: int | None  # behind which row the next page begins; None where there is none

    @property
    def onward(self) -> dict[str, int]:
        """Returns the parameter of the next page's address."""
        return {} if self.further is None else {self.parameter: self.further}


def read(
    rows: Callable[[int | None, int], Sequence[Item]],
    most: int,
    parameter: str = AFTER,
    *,
    key: Callable[[Any], int] = attrgetter("id"),
    largest: int = converters.LARGEST,
) -> ListPage[Item]:
    """Reads the page that the address asks for. `rows` returns up to a number of rows behind a key,
    and `key` returns the key of a row."""
    begins = converters.number(request.args, parameter, largest) or None
    found = rows(begins, most + 1)
    further = key(found[most - 1]) if len(found) > most else None
    return ListPage(found[:most], parameter, begins, further)
