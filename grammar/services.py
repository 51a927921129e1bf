"""Recognises messages that were meant for another service: a bank, an operator, an election."""

import re
from collections.abc import Sequence

from grammar.reading import Misread, Reason, Service


def service_of(services: Sequence[Service], text: str, words: Sequence[str]) -> Service | None:
    """Returns the service that a message is meant for, by its words or by the numbers in it."""
    begins = " ".join(words) + " "
    says = f" {begins}"
    for service in services:
        if any(begins.startswith(word + " ") for word in service.words):
            return service
        if any(f" {phrase} " in says for phrase in service.anywhere):
            return service
        if service.niks and _carries(text, service.niks):
            return service
    return None


def misdirection(service: Service, slot: str | None = None, rest: str = "") -> Misread:
    return Misread(
        Reason.MISDIRECTED, slot=slot, read=service.name, needed=service.contact, rest=rest
    )


def _carries(text: str, niks: int) -> bool:
    """Tells whether that many numbers of a NIK's length stand in it, and none of an NKP's."""
    if sum(map(str.isdigit, text)) < 16 * niks:
        return False
    joined = re.sub(r"(?<=\d)[ .\-](?=\d)", "", text)
    lengths = [len(number) for number in re.findall(r"\d+", joined)]
    return lengths.count(16) == niks and 11 not in lengths
