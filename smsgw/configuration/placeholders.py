"""Lists the placeholders of wordings, and shows each value."""

from collections.abc import Iterator, Mapping, Set
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import singledispatch
from types import MappingProxyType

import handlers
from handlers.placeholders import Placeholder, count, day, moment, month, own_words, rupiah, text
from handlers.values import (
    Choices,
    MaskedNkp,
    Moment,
    Month,
    Options,
    Percent,
    Term,
    Value,
    Verbatim,
)


class NotShowable(TypeError):
    """Says that a value has a type that is never shown."""


SHOWN_DIGITS = 4
NKP_DIGITS = 11
CHOICES_SHOWN = 6

WIDEST_NKP = MaskedNkp("0" * NKP_DIGITS)

# By name. The widest value that a reply can give it: those of a usage line depend on the posters.
SHARED: Mapping[str, Placeholder] = {
    "nkp": Placeholder(WIDEST_NKP, MaskedNkp("00000004321")),
    "choices": Placeholder(
        Choices((WIDEST_NKP.number,) * CHOICES_SHOWN), Choices(("00000004321", "00000008765"))
    ),
    "status": text(Term("AKTIF")),
    "why": text(Term("BERHENTI KERJA"), width=40),
    "number": Placeholder(Verbatim("ADU-251031-000042"), Verbatim("ADU-260131-0007")),
    "count": count(12),
    "as_of": day(date(2026, 1, 31)),
    "month": month(date(2026, 1, 1)),
    "total": rupiah(48_750_000),
    "contributions": rupiah(36_000_000),
    "returns": rupiah(12_750_000),
    "starts": moment(datetime(2026, 1, 31, 20, 0, tzinfo=UTC)),
    "hours": text("Sen-Jum 08.00-15.30", width=30),
    "call_centre": text("175"),
    "ref": text("7KM2QX", width=6),
    "also": Placeholder("W" * 30, None),  # most messages ask for one thing
    "answer": own_words(
        "Saldo JHT NKP *******4321 per 31-01-2026: Rp48.750.000. Status AKTIF.", width=160
    ),
}
PLACEHOLDERS: Mapping[str, Placeholder] = {**SHARED, **handlers.PLACEHOLDERS}
OF_POSTERS = frozenset({"usage", "saldo", "daftar"})  # how a keyword is written
# A text is cut to what its placeholder is given, for most that is TEXT_WIDTH.
WIDTHS = {
    name: len(each.widest) for name, each in PLACEHOLDERS.items() if isinstance(each.widest, str)
}


def undeclared(names: Set[str]) -> Set[str]:
    """Returns those whose widest value nobody says, so that no reply with them is bounded."""
    return names - PLACEHOLDERS.keys() - OF_POSTERS


def declared_twice(declared: Mapping[str, Mapping[str, Placeholder]]) -> Iterator[str]:
    """Yields a fault for each name that several files declare, or that is also shared: only one of
    the widest values would count. `declared` is by section."""
    files: dict[str, list[str]] = {name: ["SHARED"] for name in SHARED}
    for section, names in declared.items():
        for name in names:
            files.setdefault(name, []).append(section)
    for name, places in files.items():
        if len(places) > 1:
            yield (
                f"{{{name}}} is declared by {' and '.join(places)}; declare it in SHARED alone "
                "(smsgw/configuration/placeholders.py)"
            )


def widest(
    usage: Mapping[str, str], own: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, Value]:
    """Returns the widest value of each placeholder."""
    values = {name: each.widest for name, each in PLACEHOLDERS.items()}
    return _with_own(values, usage, max(usage.values(), key=len, default=""), own)


def samples(
    usage: Mapping[str, str], own: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, Value]:
    """Returns a usual value of each placeholder."""
    values = {name: each.sample for name, each in PLACEHOLDERS.items()}
    return _with_own(values, usage, usage.get("saldo", ""), own)


def _with_own(
    values: Mapping[str, Value], usage: Mapping[str, str], line: str, own: Mapping[str, Value]
) -> dict[str, Value]:
    lines = {name: Verbatim(each) for name, each in usage.items()}
    # A value that a reply is given wins over a usage line of the same name, such as {status}.
    given = {**lines, **values, "usage": Verbatim(line)}
    given |= {name: lines[name] for name in ("saldo", "daftar") if name in lines}
    return {**given, **own}


@singledispatch
def show(value: Value) -> str:
    """Returns a value as replies write it."""
    raise NotShowable(f"no reply can show a {type(value).__name__}")


@show.register
def _(value: int) -> str:
    return str(value)


@show.register
def _(value: Decimal) -> str:
    return f"Rp{value:,.0f}".replace(",", ".")


@show.register
def _(value: date) -> str:
    return f"{value.day:02}-{value.month:02}-{value.year}"


@show.register
def _(value: Moment) -> str:
    return f"{value.at:%d-%m-%Y %H.%M}"


@show.register
def _(value: Month) -> str:
    return f"{value.first_day.month:02}-{value.first_day.year}"


@show.register
def _(value: MaskedNkp) -> str:
    return "*" * (NKP_DIGITS - SHOWN_DIGITS) + value.number[-SHOWN_DIGITS:]


@show.register
def _(value: Percent) -> str:
    return f"{value.value.normalize():f}".replace(".", ",")


@show.register
def _(value: Choices) -> str:
    return show(Options(tuple(show(MaskedNkp(nkp)) for nkp in value.nkps)))


@show.register
def _(value: Options) -> str:
    numbered = zip("ABCDEF", value.names, strict=False)
    return " ".join(f"{letter}){name}" for letter, name in numbered)


@show.register
def _(value: Verbatim) -> str:
    return value.text


# What shows a value of exactly this type, also where its words need no change: `show` looks for it
# among the types that it may be.
SHOWN = {kind: write for kind, write in show.registry.items() if kind not in {object, Options}}
