"""Finds what a phone or a person writes under a message: "Sent from my iPhone", "-- Budi"."""

import re
from collections.abc import Iterable

LONGEST_SIGNATURE, LONGEST_NAME = 6, 4  # words: "Sent from my iPhone", "-- Budi Santoso"


def signature_pattern(begins: Iterable[str]) -> re.Pattern[str]:
    listed = "|".join(f"{re.escape(each)} " for each in begins) or "(?!)"
    return re.compile(rf"(?<=\S)\s+(?:--+(?!\d)|(?P<by_phone>{listed}))(?P<rest>[^?]*)\Z")
