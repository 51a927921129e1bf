"""This package holds policy: one keyword, one file. A handler sees the ledger through the port that
ports.py declares, gets everything else as values, and answers with the name of a wording, never
with text."""

from collections.abc import Collection, Mapping

from handlers import (
    bahasa,
    bantuan,
    bound_participant,
    bukan_saya,
    casework_wordings,
    daftar,
    data,
    data_saya,
    disclosure,
    ganti_hp,
    hapus_data,
    info,
    iuran,
    jp,
    kantor,
    klaim,
    kode,
    kontak,
    lanjut,
    lapor,
    misread,
    mulai,
    notif,
    notification,
    saldo,
    status,
    stop,
    tidak,
    tolak,
    ulang,
    ya,
)
from handlers.placeholders import Placeholder
from handlers.question import Handler, WordingModule

HANDLERS: Mapping[str, Handler] = {
    "saldo": saldo,
    "iuran": iuran,
    "status": status,
    "data": data,
    "klaim": klaim,
    "jp": jp,
    "daftar": daftar,
    "ya": ya,
    "tidak": tidak,
    "kode": kode,
    "tolak": tolak,
    "bukan_saya": bukan_saya,
    "ganti_hp": ganti_hp,
    "kantor": kantor,
    "info": info,
    "kontak": kontak,
    "lapor": lapor,
    "notif": notif,
    "stop": stop,
    "mulai": mulai,
    "lanjut": lanjut,
    "ulang": ulang,
    "bahasa": bahasa,
    "hapus_data": hapus_data,
    "data_saya": data_saya,
    "bantuan": bantuan,
}

# What they do is more than an answer: none acts from within a sentence, or by a slip.
CHANGING = frozenset(
    {
        "ya",
        "tidak",
        "tolak",
        "bukan_saya",
        "ganti_hp",
        "notif",
        "stop",
        "mulai",
        "bahasa",
        "hapus_data",
        "data_saya",
    }
)

SECTIONS: Mapping[str, WordingModule] = {
    **HANDLERS,
    "disclosure": disclosure,
    "own": bound_participant,
    "officer": casework_wordings,
    "misread": misread,
    "notification": notification,
}


def looks_up(keyword: str | None, fields: Collection[str] = ()) -> tuple[str, ...]:
    """Returns the look-ups that a keyword's handler mostly asks the ledger for, by NKP, where a
    message has these fields. They are made for several messages at once if the ledger can do that;
    the handler may ask for others."""
    handler = HANDLERS.get(keyword or "")
    names: tuple[str, ...] = getattr(handler, "LOOKS_UP", ())
    others: Mapping[str, tuple[str, ...]] = getattr(handler, "LOOKS_UP_WITH", {})
    return next((each for field, each in others.items() if field in fields), names)


# Every wording an answer can name, with the values it is given.
WORDINGS: Mapping[str, tuple[str, ...]] = {
    f"{section}.{name}": values
    for section, source in SECTIONS.items()
    for name, values in source.WORDINGS.items()
}

# What a file's wordings show and no other file declares.
DECLARED: Mapping[str, Mapping[str, Placeholder]] = {
    section: getattr(source, "PLACEHOLDERS", {}) for section, source in SECTIONS.items()
}
PLACEHOLDERS: Mapping[str, Placeholder] = {
    name: each for declared in DECLARED.values() for name, each in declared.items()
}
