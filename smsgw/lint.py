"""What a configuration of keywords may get wrong although every part of it can be read."""

from collections.abc import Iterator, Mapping

from grammar.suggest import SHORTEST, is_slip
from handlers.misread import ASKED_FIRST
from smsgw import document, keywords
from smsgw.document import KeywordsError, Raw

# A person who writes one of these wants no more SMS, whatever else is configured.
STOP_WORDS = {"STOP", "BERHENTI", "UNREG", "BATAL", "UNSUBSCRIBE"}
# Twilio answers these itself unless it is told not to, and they never arrive as a question.
CARRIERS_OWN = {"HELP", "INFO"}


def faults(text: str) -> list[str]:
    """Why a configuration may not be published, each in a sentence; empty where it may."""
    try:
        return faults_of(document.parsed(text))
    except KeywordsError as error:
        return str(error).splitlines()


def faults_of(raw: Raw) -> list[str]:
    try:
        keywords.of(document.of(raw))
    except KeywordsError as error:
        return str(error).splitlines()
    owners = dict(_owners(raw))
    return [
        *_stop_words(owners),
        *_slips(owners),
        *_shadowed(owners, raw),
    ]


def warnings(text: str) -> list[str]:
    """What is worth a look in a configuration that can be published."""
    return warnings_of(document.parsed(text))


def warnings_of(raw: Raw) -> list[str]:
    owners = dict(_owners(raw))
    return [
        f"{owners[word]}: some carriers answer {word} themselves; ask yours to leave it to us"
        for word in sorted(CARRIERS_OWN & owners.keys())
    ]


def _owners(raw: Raw) -> Iterator[tuple[str, str]]:
    """Each way to write a keyword, with the keyword."""
    for name, entry in raw["keywords"].items():
        poster = entry["poster"].partition("<")[0].rstrip(" [#")
        first = poster if "<" not in entry["poster"] else poster.split()[0]
        for alias in (first, *entry.get("aliases", ())):
            yield alias, name


def _stop_words(owners: Mapping[str, str]) -> Iterator[str]:
    for word in sorted(STOP_WORDS):
        if owners.get(word) != "stop":
            has = f"belongs to {owners[word]}" if word in owners else "is missing"
            yield f"{word} {has}; whoever writes it wants no more SMS, so it must be stop's"


def _slips(owners: Mapping[str, str]) -> Iterator[str]:
    words = sorted(word for word in owners if " " not in word and len(word) >= SHORTEST)
    for index, one in enumerate(words):
        for other in words[index + 1 :]:
            pair = {owners[one], owners[other]}
            if len(pair) == 2 and pair & ASKED_FIRST and is_slip(one, other):
                yield (
                    f"{one} ({owners[one]}) and {other} ({owners[other]}) are one slip apart, "
                    "and one of them changes something"
                )


def _shadowed(owners: Mapping[str, str], raw: Raw) -> Iterator[str]:
    """Aliases that never get their turn, because something else is looked for first."""
    either = raw.get("either", {})
    phrases = [word for each in raw.get("services", ()) for word in each.get("words", ())]
    for alias, name in owners.items():
        if alias in either:
            yield f"{alias} ({name}) is never reached: it is asked about under either"
        for phrase in phrases:
            if f"{alias} ".startswith(f"{phrase} "):
                yield f"{alias} ({name}) is never reached: {phrase} belongs to another service"
