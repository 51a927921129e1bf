"""The placeholders of wordings: how each is shown, how wide it can be, and a usual value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import singledispatch
from types import MappingProxyType

from handlers.values import Choices, Masked, Moment, Month, Percent, Term, Value, Verbatim

TEXT_WIDTH = 20
SHOWN_DIGITS = 4
NKP_DIGITS = 11
CHOICES_SHOWN = 6

MOST = Decimal("99.99")  # wider than 100
WIDEST_NKP = Masked("0" * NKP_DIGITS)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`widest`: the value that takes most room. `sample`: what a reply gives on most days, of
    nobody."""

    widest: Value
    sample: Value


# By name. The widest value that a reply can give it: those of a usage line depend on the posters.
PLACEHOLDERS: Mapping[str, Placeholder] = {
    "nkp": Placeholder(WIDEST_NKP, Masked("00000004321")),
    "as_of": Placeholder(date(2000, 12, 31), date(2026, 1, 31)),
    "total": Placeholder(
        Decimal(2**63 - 1), Decimal(48_750_000)
    ),  # what the ledger's column can hold
    "month": Placeholder(Month(date(2000, 12, 1)), Month(date(2026, 1, 1))),
    "choices": Placeholder(
        Choices((WIDEST_NKP.number,) * CHOICES_SHOWN), Choices(("00000004321", "00000008765"))
    ),
    "count": Placeholder(999, 12),
    "status": Placeholder("W" * TEXT_WIDTH, Term("AKTIF")),
    "slot": Placeholder("W" * TEXT_WIDTH, "NKP"),
    "read": Placeholder("W" * TEXT_WIDTH, "10"),
    "needed": Placeholder("W" * TEXT_WIDTH, "11"),
    "call_centre": Placeholder("W" * TEXT_WIDTH, "175"),
    "contributions": Placeholder(Decimal(2**63 - 1), Decimal(36_000_000)),
    "returns": Placeholder(Decimal(2**63 - 1), Decimal(12_750_000)),
    "due": Placeholder(date(2000, 12, 31), date(2026, 2, 15)),
    "arrears": Placeholder(999, 2),
    "year": Placeholder("2000", "2025"),
    "jht": Placeholder(Decimal(2**63 - 1), Decimal(3_420_000)),
    "jp": Placeholder(Decimal(2**63 - 1), Decimal(1_800_000)),
    "jkk": Placeholder(Decimal(2**63 - 1), Decimal(144_000)),
    "jkm": Placeholder(Decimal(2**63 - 1), Decimal(180_000)),
    "jkp": Placeholder(Decimal(2**63 - 1), Decimal(276_000)),
    "amount": Placeholder(Decimal(2**63 - 1), Decimal(12_500_000)),
    "since": Placeholder(date(2000, 12, 31), date(2025, 3, 1)),
    "why": Placeholder("W" * 40, Term("BERHENTI KERJA")),
    "number": Placeholder(Verbatim("ADU-251031-000042"), Verbatim("ADU-260131-0007")),
    "name": Placeholder("W" * TEXT_WIDTH, "RATNA"),
    "born": Placeholder(date(2000, 12, 31), date(1990, 5, 21)),
    "programs": Placeholder("JHT+JKK+JKM+JKP+JP", "JHT+JKK+JKM+JP"),
    "emergency": Placeholder("W" * TEXT_WIDTH, "ada"),
    "holes": Placeholder("W" * 60, Term("kontak darurat")),
    "program": Placeholder("W" * 10, "JHT"),
    "claim": Placeholder("***0000", "***0042"),
    "stage": Placeholder("W" * TEXT_WIDTH, Term("PERSETUJUAN")),
    "step": Placeholder(5, 3),
    "updated": Placeholder(date(2000, 12, 31), date(2026, 1, 30)),
    "next": Placeholder("W" * TEXT_WIDTH, Term("PEMBAYARAN")),
    "before": Placeholder("W" * TEXT_WIDTH, Term("PENETAPAN")),
    "code": Placeholder("BCDFGHJ", "BCDFGHJ"),
    "starts": Placeholder(
        Moment(datetime(2000, 12, 31, 23, 59, tzinfo=UTC)),
        Moment(datetime(2026, 1, 31, 20, 0, tzinfo=UTC)),
    ),
    "until": Placeholder(
        Moment(datetime(2000, 12, 31, 23, 59, tzinfo=UTC)),
        Moment(datetime(2026, 1, 31, 20, 0, tzinfo=UTC)),
    ),
    "office": Placeholder("W" * 30, "Jakarta Menara"),
    "address": Placeholder("W" * 60, "Jl Jend Gatot Subroto 79"),
    "phone": Placeholder("W" * TEXT_WIDTH, "021-5207797"),
    "hours": Placeholder("W" * 30, "Sen-Jum 08.00-15.30"),
    "zone": Placeholder("W" * 5, "WIB"),
    "city": Placeholder("W" * TEXT_WIDTH, "BANDUNG"),
    "whatsapp": Placeholder("W" * TEXT_WIDTH, "081380070175"),
    "email": Placeholder("W" * 40, "care@example.go.id"),
    "jht_employer": Placeholder(Percent(MOST), Percent(Decimal("3.7"))),
    "jht_worker": Placeholder(Percent(MOST), Percent(Decimal(2))),
    "jp_employer": Placeholder(Percent(MOST), Percent(Decimal(2))),
    "jp_worker": Placeholder(Percent(MOST), Percent(Decimal(1))),
    "jkm_employer": Placeholder(Percent(MOST), Percent(Decimal("0.3"))),
    "jkk_lowest": Placeholder(Percent(MOST), Percent(Decimal("0.24"))),
    "jkk_highest": Placeholder(Percent(MOST), Percent(Decimal("1.74"))),
    "jp_cap": Placeholder(Decimal(2**40), Decimal(10_547_400)),
    "bpu": Placeholder(Decimal(2**40), Decimal(16_800)),
    "digits": Placeholder("16", "13"),
    "service": Placeholder("W" * 30, "BPJS Kesehatan"),
    "contact": Placeholder("W" * TEXT_WIDTH, "165"),
    "first": Placeholder(Verbatim("W" * TEXT_WIDTH), Verbatim("STOP")),
    "second": Placeholder(Verbatim("W" * TEXT_WIDTH), Verbatim("KLAIM")),
    "meant": Placeholder(Verbatim("W" * 40), Verbatim("STOP")),
    "ref": Placeholder("W" * 6, "7KM2QX"),
    "answer": Placeholder(
        Verbatim("W" * 160),
        Verbatim("Saldo JHT NKP *******4321 per 31-01-2026: Rp48.750.000. Status AKTIF."),
    ),
}
# A text is cut to what its placeholder is given, for most that is TEXT_WIDTH.
WIDTHS = {
    name: len(each.widest) for name, each in PLACEHOLDERS.items() if isinstance(each.widest, str)
}


def widest(
    usage: Mapping[str, str], own: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, Value]:
    """The widest value of each placeholder."""
    values = {name: each.widest for name, each in PLACEHOLDERS.items()}
    return _given(values, usage, max(usage.values(), key=len, default=""), own)


def samples(
    usage: Mapping[str, str], own: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, Value]:
    """A usual value of each placeholder."""
    values = {name: each.sample for name, each in PLACEHOLDERS.items()}
    return _given(values, usage, usage.get("saldo", ""), own)


def _given(
    values: Mapping[str, Value], usage: Mapping[str, str], line: str, own: Mapping[str, Value]
) -> dict[str, Value]:
    lines = {name: Verbatim(each) for name, each in usage.items()}
    # A value that a reply is given wins over a usage line of the same name, such as {status}.
    given = {**lines, **values, "usage": Verbatim(line)}
    given |= {name: lines[name] for name in ("saldo", "daftar") if name in lines}
    return {**given, **own}


@singledispatch
def show(value: Value) -> str:
    """A value as replies write it."""
    raise TypeError(f"no reply can show a {type(value).__name__}")


@show.register
def _(value: int) -> str:
    return str(value)


@show.register
def _(value: Decimal) -> str:
    return f"Rp{value:,.0f}".replace(",", ".")


@show.register
def _(value: date) -> str:
    return f"{value:%d-%m-%Y}"


@show.register
def _(value: Moment) -> str:
    return f"{value.at:%d-%m-%Y %H.%M}"


@show.register
def _(value: Month) -> str:
    return f"{value.first_day:%m-%Y}"


@show.register
def _(value: Masked) -> str:
    return "*" * (NKP_DIGITS - SHOWN_DIGITS) + value.number[-SHOWN_DIGITS:]


@show.register
def _(value: Percent) -> str:
    return f"{value.value.normalize():f}".replace(".", ",")


@show.register
def _(value: Choices) -> str:
    numbered = zip("ABCDEF", value.nkps, strict=False)
    return " ".join(f"{letter}){show(Masked(nkp))}" for letter, nkp in numbered)


@show.register
def _(value: Verbatim) -> str:
    return value.text
