"""Answers KANTOR BEKASI: shows the offices of a city, one in each SMS."""

from collections.abc import Mapping

from handlers.placeholders import text
from handlers.ports import Office
from handlers.question import Outcome, Question, Reply, ReplyPage
from handlers.values import Value

SHOWN = ("office", "address", "phone", "hours", "zone")
WORDINGS = {"office": SHOWN, "office_and_more": SHOWN, "none": ("city",)}
PLACEHOLDERS = {
    "office": text("Jakarta Menara", width=30),
    "address": text("Jl Jend Gatot Subroto 79", width=60),
    "phone": text("021-5207797"),
    "zone": text("WIB", width=5),
    "city": text("BANDUNG"),
}
PAGES = 5  # more would be read by nobody


def answer(question: Question) -> Reply:
    wanted = (question.text("city") or "").casefold()
    offices = question.ledger.offices()
    found = [each for each in offices if _is_in(each, wanted)][:PAGES]
    if not found:
        city = offices[0].city if offices else None
        return Reply(Outcome.ANSWERED, "kantor.none", {"city": city})
    first, *others = [
        ReplyPage("kantor.office" if each is found[-1] else "kantor.office_and_more", _values(each))
        for each in found
    ]
    return Reply(Outcome.ANSWERED, first.wording, first.values, pages=tuple(others))


def _is_in(office: Office, wanted: str) -> bool:
    """Matches any word of the city's or the office's name, the city first."""
    names = f"{office.city} {office.name}".casefold()
    return bool(wanted) and any(word in names.split() for word in wanted.split())


def _values(office: Office) -> Mapping[str, Value]:
    return {
        "office": office.name,
        "address": office.address,
        "phone": office.phone,
        "hours": office.hours,
        "zone": office.timezone,
    }
