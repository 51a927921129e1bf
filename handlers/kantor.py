"""Answers KANTOR BEKASI: shows the offices of a city, one in each SMS. Where several cities may be
meant, it asks which: A, B, …"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from grammar import Command
from handlers import city_names
from handlers.changes import Ask, Choice
from handlers.placeholders import Placeholder, text
from handlers.ports import Office
from handlers.question import Outcome, Question, Reply, ReplyPage
from handlers.values import Options, Value

SHOWN = ("office", "address", "phone", "hours", "zone")
WORDINGS = {
    "office": SHOWN,
    "office_and_more": SHOWN,
    "choose": ("cities",),
    "choose_among_more": ("cities",),
    "none": ("city",),
}
LETTERS, ROOM, LONGEST = 6, 104, 40  # Jakarta has five cities; characters of all, and of one
PLACEHOLDERS = {
    "office": text("Jakarta Menara", width=30),
    "address": text("Jl Jend Gatot Subroto 79", width=60),
    "phone": text("021-5207797"),
    "zone": text("WIB", width=5),
    "city": text("BANDUNG"),
    "cities": Placeholder(
        Options(("W" * (ROOM // 2 - 3),) * 2), Options(("Jakarta Barat", "Jakarta Pusat"))
    ),
}
PAGES = 5  # more would be read by nobody
CHOICE_LASTS = timedelta(minutes=10)


def answer(question: Question) -> Reply:
    offices = question.ledger.offices()
    found = city_names.find(offices, question.text("city") or "")
    if not found:
        city = offices[0].city if offices else None
        return Reply(Outcome.ANSWERED, "kantor.none", {"city": city})
    by_city = _by_city(found)
    chosen = _by_letter(question.said.rest, list(by_city.values()))
    if len(by_city) == 1 or chosen is not None:
        return _show(chosen or found)
    return _choose(question, by_city)


def _by_city(found: Sequence[Office]) -> dict[str, list[Office]]:
    """Returns the cities by their names, with their offices in the ledger's order."""
    cities: dict[str, list[Office]] = {}
    for office in sorted(found, key=city_names.city_of):
        cities.setdefault(city_names.city_of(office), []).append(office)
    return cities


def _by_letter(letter: str, cities: list[list[Office]]) -> list[Office] | None:
    index = ord(letter) - ord("A") if len(letter) == 1 else -1
    return cities[index] if 0 <= index < len(cities) else None


def _choose(question: Question, by_city: Mapping[str, Sequence[Office]]) -> Reply:
    if not isinstance(question.said, Command):
        raise TypeError("only a command can be chosen for")
    names = [city_names.shown(offices[0].city)[:LONGEST] for offices in by_city.values()]
    offered = tuple(_fitting(names))
    wording = "kantor.choose" if len(offered) == len(names) else "kantor.choose_among_more"
    return Reply(
        Outcome.CONFIRM,
        wording,
        {"cities": Options(offered)},
        changes=(Ask(Choice(replace(question.said, rest="")), CHOICE_LASTS),),
    )


def _fitting(names: Sequence[str]) -> Iterator[str]:
    room = ROOM
    for name in names[:LETTERS]:
        room -= len(f"A){name} ")
        if room < 0:
            return
        yield name


def _show(offices: Sequence[Office]) -> Reply:
    shown = offices[:PAGES]
    first, *others = [
        ReplyPage("kantor.office" if each is shown[-1] else "kantor.office_and_more", _values(each))
        for each in shown
    ]
    return Reply(Outcome.ANSWERED, first.wording, first.values, pages=tuple(others))


def _values(office: Office) -> Mapping[str, Value]:
    return {
        "office": office.name,
        "address": office.address,
        "phone": office.phone,
        "hours": office.hours,
        "zone": office.timezone,
    }
