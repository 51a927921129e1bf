"""The placeholders of wordings: how each is shown, how wide it can be, and a usual value."""

from collections.abc import Mapping
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
# The widest value that a placeholder can be given. Those of a usage line depend on the posters.
WIDEST: Mapping[str, Value] = {
    "nkp": WIDEST_NKP,
    "as_of": date(2000, 12, 31),
    "total": Decimal(2**63 - 1),  # what the ledger's column can hold
    "month": Month(date(2000, 12, 1)),
    "choices": Choices((WIDEST_NKP.number,) * CHOICES_SHOWN),
    "count": 999,
    "status": "W" * TEXT_WIDTH,
    "slot": "W" * TEXT_WIDTH,
    "read": "W" * TEXT_WIDTH,
    "needed": "W" * TEXT_WIDTH,
    "call_centre": "W" * TEXT_WIDTH,
    "contributions": Decimal(2**63 - 1),
    "returns": Decimal(2**63 - 1),
    "due": date(2000, 12, 31),
    "arrears": 999,
    "year": "2000",
    **dict.fromkeys(("jht", "jp", "jkk", "jkm", "jkp", "amount"), Decimal(2**63 - 1)),
    "since": date(2000, 12, 31),
    "why": "W" * 40,
    "number": Verbatim("ADU-251031-000042"),
    "name": "W" * TEXT_WIDTH,
    "born": date(2000, 12, 31),
    "programs": "JHT+JKK+JKM+JKP+JP",
    "emergency": "W" * TEXT_WIDTH,
    "holes": "W" * 60,
    "program": "W" * 10,
    "claim": "***0000",
    "stage": "W" * TEXT_WIDTH,
    "step": 5,
    "updated": date(2000, 12, 31),
    "next": "W" * TEXT_WIDTH,
    "before": "W" * TEXT_WIDTH,
    "code": "BCDFGHJ",
    **dict.fromkeys(("starts", "until"), Moment(datetime(2000, 12, 31, 23, 59, tzinfo=UTC))),
    "office": "W" * 30,
    "address": "W" * 60,
    "phone": "W" * TEXT_WIDTH,
    "hours": "W" * 30,
    "zone": "W" * 5,
    "city": "W" * TEXT_WIDTH,
    "whatsapp": "W" * TEXT_WIDTH,
    "email": "W" * 40,
    **dict.fromkeys(("jht_employer", "jht_worker", "jp_employer", "jp_worker"), Percent(MOST)),
    **dict.fromkeys(("jkm_employer", "jkk_lowest", "jkk_highest"), Percent(MOST)),
    **dict.fromkeys(("jp_cap", "bpu"), Decimal(2**40)),
    "digits": "16",
    "service": "W" * 30,
    "contact": "W" * TEXT_WIDTH,
    "first": Verbatim("W" * TEXT_WIDTH),
    "second": Verbatim("W" * TEXT_WIDTH),
    "meant": Verbatim("W" * 40),
    "ref": "W" * 6,
    "answer": Verbatim("W" * 160),
}
# What a reply is given on most days: nobody's, and nothing that is anybody's.
ORDINARY: Mapping[str, Value] = {
    "nkp": Masked("00000004321"),
    "as_of": date(2026, 1, 31),
    "total": Decimal(48_750_000),
    "month": Month(date(2026, 1, 1)),
    "choices": Choices(("00000004321", "00000008765")),
    "count": 12,
    "status": Term("AKTIF"),
    "slot": "NKP",
    "read": "10",
    "needed": "11",
    "call_centre": "175",
    "contributions": Decimal(36_000_000),
    "returns": Decimal(12_750_000),
    "due": date(2026, 2, 15),
    "arrears": 2,
    "year": "2025",
    "jht": Decimal(3_420_000),
    "jp": Decimal(1_800_000),
    "jkk": Decimal(144_000),
    "jkm": Decimal(180_000),
    "jkp": Decimal(276_000),
    "amount": Decimal(12_500_000),
    "since": date(2025, 3, 1),
    "why": Term("BERHENTI KERJA"),
    "number": Verbatim("ADU-260131-0007"),
    "name": "RATNA",
    "born": date(1990, 5, 21),
    "programs": "JHT+JKK+JKM+JP",
    "emergency": "ada",
    "holes": Term("kontak darurat"),
    "program": "JHT",
    "claim": "***0042",
    "stage": Term("PERSETUJUAN"),
    "step": 3,
    "updated": date(2026, 1, 30),
    "next": Term("PEMBAYARAN"),
    "before": Term("PENETAPAN"),
    "code": "BCDFGHJ",
    **dict.fromkeys(("starts", "until"), Moment(datetime(2026, 1, 31, 20, 0, tzinfo=UTC))),
    "office": "Jakarta Menara",
    "address": "Jl Jend Gatot Subroto 79",
    "phone": "021-5207797",
    "hours": "Sen-Jum 08.00-15.30",
    "zone": "WIB",
    "city": "BANDUNG",
    "whatsapp": "081380070175",
    "email": "care@example.go.id",
    "jht_employer": Percent(Decimal("3.7")),
    "jht_worker": Percent(Decimal(2)),
    "jp_employer": Percent(Decimal(2)),
    "jp_worker": Percent(Decimal(1)),
    "jkm_employer": Percent(Decimal("0.3")),
    "jkk_lowest": Percent(Decimal("0.24")),
    "jkk_highest": Percent(Decimal("1.74")),
    "jp_cap": Decimal(10_547_400),
    "bpu": Decimal(16_800),
    "digits": "13",
    "service": "BPJS Kesehatan",
    "contact": "165",
    "first": Verbatim("STOP"),
    "second": Verbatim("KLAIM"),
    "meant": Verbatim("STOP"),
    "ref": "7KM2QX",
    "answer": Verbatim("Saldo JHT NKP *******4321 per 31-01-2026: Rp48.750.000. Status AKTIF."),
}
# A text is cut to what its placeholder is given, for most that is TEXT_WIDTH.
WIDTHS = {name: len(value) for name, value in WIDEST.items() if isinstance(value, str)}


def widest(
    usage: Mapping[str, str], own: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, Value]:
    """Of every placeholder."""
    return _given(WIDEST, usage, max(usage.values(), key=len, default=""), own)


def ordinary(
    usage: Mapping[str, str], own: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, Value]:
    return _given(ORDINARY, usage, usage.get("saldo", ""), own)


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
