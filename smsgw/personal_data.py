"""Recognises text that may identify a person."""

import re
from collections.abc import Collection

# Digits that may be a NIK, an NKP or a phone number, however they are written. A date has 8.
LONG_NUMBER = re.compile(r"\d(?:[\W_]{0,3}\d){8,}")
# Case numbers are ours; days and hours identify nobody.
HARMLESS = re.compile(
    r"\bADU-?\d{6}-?\d{4,6}\b|\b\d{1,2}[-./]\d{1,2}[-./]\d{4}\b|\b\d{1,2}[:.]\d{2}\b", re.IGNORECASE
)


def may_identify(text: str, fictitious: Collection[str] = ()) -> bool:
    """Tells whether `text` holds an email address or a long number, other than the `fictitious`
    ones."""
    for known in fictitious:
        text = text.replace(known, "")
    return "@" in text or LONG_NUMBER.search(text) is not None
