"""Policy: one keyword, one file. A handler sees the ledger through the port that ports.py declares,
gets everything else as values, and answers with the name of a wording, never with text."""

from collections.abc import Mapping

from handlers import bantuan, daftar, disclosure, misread, mulai, saldo, stop, tidak, ulang, ya
from handlers.question import Handler, Worded

HANDLERS: Mapping[str, Handler] = {
    "saldo": saldo,
    "daftar": daftar,
    "ya": ya,
    "tidak": tidak,
    "stop": stop,
    "mulai": mulai,
    "ulang": ulang,
    "bantuan": bantuan,
}

SECTIONS: Mapping[str, Worded] = {**HANDLERS, "disclosure": disclosure, "misread": misread}

# Every wording an answer can name, with the values it is given.
WORDINGS: Mapping[str, tuple[str, ...]] = {
    f"{section}.{name}": values
    for section, source in SECTIONS.items()
    for name, values in source.WORDINGS.items()
}
