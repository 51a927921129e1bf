"""Converts numbers in addresses and forms. None is larger than a database can hold."""

from werkzeug.datastructures import MultiDict
from werkzeug.routing import IntegerConverter, Map

LARGEST = 2**63 - 1
LARGEST_INTEGER = 2**31 - 1  # of a column that is no id: a version, an edition


class IdConverter(IntegerConverter):
    """Takes up to as many digits as an id has. A longer number is another address, and the console
    itself says that nothing is there."""

    def __init__(self, url_map: Map, digits: int = 18) -> None:
        super().__init__(url_map)
        self.regex = rf"[0-9]{{1,{digits}}}"


def number(values: MultiDict[str, str], name: str, largest: int = LARGEST) -> int | None:
    """Returns a number within the limits, or None if the value is not a number."""
    found = values.get(name, type=int)
    return None if found is None else max(0, min(found, largest))
