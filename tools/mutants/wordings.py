"""Changes of one wording: `{name}` is a value, [a clause in brackets] may be left out.

Each yields (kind, the wording with the change, description).
"""

import re
from collections.abc import Iterator
from itertools import pairwise

Edit = tuple[str, str, str]

# What keeps people safe, and its contrary, in each language. Each stands in some wording.
TURNED = {
    "JANGAN kirim": "Silakan kirim",
    "NEVER send": "Please send",
    "Jangan beri siapa pun": "Beri siapa pun",
    "Tell nobody": "Tell anybody",
    "tidak pernah meminta": "akan meminta",
    "never ask for": "will ask for",
    "tidak mengirim tautan": "mengirim tautan",
    "send no links": "send links",
    "tidak kami simpan": "kami simpan",
    "did not store it": "stored it",
    "segera ganti": "jangan ganti",
    "change it now": "do not change it",
    "berhenti menerima": "tetap menerima",
    "get no more news": "still get news",
    "tidak menerima kabar": "tetap menerima kabar",
    "gets no news": "still gets news",
    "tidak terhubung dgn HP ini": "terhubung dgn HP lain",
    "not linked to this phone": "linked to another phone",
    "tidak kami daftarkan": "kami daftarkan",
    "is not registered, is": "is registered, is",
    "this phone is not registered": "this phone is registered",
    "tidak ada data yg diberikan": "data sudah diberikan",
    "no data was given": "data was given",
    "kami lepas": "kami daftarkan",
    "is unlinked": "is registered",
    "kami tahan": "kami terima",
    "are held": "are accepted",
    "ditutup": "dibuka",
    "No others can be checked": "Others can be checked",
    "tidak lagi menerima": "tetap menerima",
    "gets its balance no more": "still gets its balance",
    "Segera hubungi": "Tidak perlu hubungi",
    "See a branch office at once": "No need to see a branch office",
    "tidak cocok": "cocok",
    "does not fit": "fits",
    "tidak berlaku": "berlaku",
    "no longer good": "still good",
    "sudah dihapus": "tidak dihapus",
    "are deleted": "are kept",
    "tidak terhubung lagi": "tetap terhubung",
    "is not linked any more": "is still linked",
    "tidak setuju: balas TIDAK": "tidak setuju: balas YA",
    "or no: reply TIDAK": "or no: reply YA",
    "utawi mboten: balas TIDAK": "utawi mboten: balas YA",
    "teu satuju: waler TIDAK": "teu satuju: waler YA",
    "HP niki mboten kita daftar": "HP niki kita daftar",
    "teu didaptarkeun": "didaptarkeun",
    "mboten wonten data": "wonten data",
    "teu aya data": "aya data",
    "mboten nampi kabar": "taksih nampi kabar",
    "moal nampi": "tetep nampi",
    "balas BUKAN SAYA": "balas YA",
    "reply BUKAN SAYA": "reply YA",
    "akan didaftarkan": "tidak didaftarkan",
    "will be registered": "is not registered",
    "harus dicocokkan": "tidak perlu dicocokkan",
    "must be checked first": "need not be checked",
}
ROUND_NUMBERS = {"10": "60", "24": "2"}  # another number would do; these are like real slips
A_CLAUSE = re.compile(r"(\[[^\[\]]*\])")
A_NUMBER = re.compile(r"\d+(?![^{]*\})")
A_VALUE = re.compile(r"\{(\w+)\}")
# A full stop that ends no sentence stands behind "no", "No" and "mis". What is asked belongs to
# what follows: "Bukan Anda? Jangan beri siapa pun".
BETWEEN_SENTENCES = re.compile(r"(?<=[.!])(?<![Nn]o\.)(?<!mis\.) +")


def edits(text: str) -> Iterator[Edit]:
    yield from _clauses(text)
    yield from _order(text)
    yield from _sentences(text)
    yield from _values(text)
    yield from _numbers(text)
    yield from turned(text)


def turned(text: str) -> Iterator[Edit]:
    for phrase, contrary in TURNED.items():
        if phrase in text:
            yield "turned", text.replace(phrase, contrary, 1), f"{phrase} -> {contrary}"


def _clauses(text: str) -> Iterator[Edit]:
    for found in A_CLAUSE.finditer(text):
        yield "clause", text[: found.start()] + text[found.end() :], f"{found[0]} -> dropped"


def _order(text: str) -> Iterator[Edit]:
    """Exchanges clauses: what stands last is left out first, so their order is their weight."""
    pieces = A_CLAUSE.split(text)
    clauses = pieces[1::2]
    if len(set(clauses)) > 1:
        pieces[1::2] = [clauses[-1], *clauses[:-1]]
        yield "order", "".join(pieces), f"{clauses[-1]} stands before the other clauses"


def _sentences(text: str) -> Iterator[Edit]:
    """Leaves out a sentence that is always sent; a single one stays."""
    spans = [span for piece in _required(text) for span in _split(text, *piece)]
    if len(spans) > 1:
        for start, end in spans:
            rest = text[:start] + text[end:].removeprefix(" ")
            yield "sentence", rest.strip(), f"{text[start:end].strip()} -> dropped"


def _required(text: str) -> Iterator[tuple[int, int]]:
    """Returns (start, end) of what stands outside clauses."""
    at = 0
    for found in A_CLAUSE.finditer(text):
        yield at, found.start()
        at = found.end()
    yield at, len(text)


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yields (start, end) of each sentence between `start` and `end`; a lone full stop is none."""
    for found in BETWEEN_SENTENCES.finditer(text, start, end):
        if len(text[start : found.start()].strip()) > 1:
            yield start, found.start()
        start = found.end()
    if len(text[start:end].strip()) > 1:
        yield start, end


def _values(text: str) -> Iterator[Edit]:
    """Yields the wording with two neighbours exchanged."""
    found = list(A_VALUE.finditer(text))
    for one, other in pairwise(found):
        if one[0] != other[0]:
            between = text[one.end() : other.start()]
            changed = text[: one.start()] + other[0] + between + one[0] + text[other.end() :]
            yield "values", changed, f"{one[0]} <-> {other[0]}"


def _numbers(text: str) -> Iterator[Edit]:
    for found in A_NUMBER.finditer(text):
        number = ROUND_NUMBERS.get(found[0], str(int(found[0]) + 1))
        changed = text[: found.start()] + number + text[found.end() :]
        around = text[max(found.start() - 12, 0) : found.end() + 12]
        yield "number", changed, f"…{around}…: {found[0]} -> {number}"
