"""Finds the offices of a city as people write it: without blanks or with them, shortened, with one
slip. The first of these ways that finds any counts:

the whole city; the whole name of an office; every word, in the city's and the office's name; the
whole city with a slip; every word, with a slip; the whole city, once words are left out that no
office has; one word that is a city with a slip
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from grammar import is_typo
from handlers.ports import Office

IGNORED = frozenset(
    {"kota", "kab", "kabupaten", "kep", "kepulauan", "adm", "administrasi", "kotamadya"}
)
SHORT_FORMS = {
    "balam": "bandar lampung",
    "bdg": "bandung",
    "bgr": "bogor",
    "bjm": "banjarmasin",
    "bks": "bekasi",
    "bpp": "balikpapan",
    "brt": "barat",
    "btm": "batam",
    "crb": "cirebon",
    "dpk": "depok",
    "dps": "denpasar",
    "jakbar": "jakarta barat",
    "jakpus": "jakarta pusat",
    "jaksel": "jakarta selatan",
    "jaktim": "jakarta timur",
    "jakut": "jakarta utara",
    "jkt": "jakarta",
    "jogja": "yogyakarta",
    "jogjakarta": "yogyakarta",
    "jogya": "yogyakarta",
    "mdn": "medan",
    "mdo": "manado",
    "mks": "makassar",
    "mlg": "malang",
    "pku": "pekanbaru",
    "plb": "palembang",
    "plg": "palembang",
    "ptk": "pontianak",
    "sby": "surabaya",
    "sel": "selatan",
    "smd": "samarinda",
    "smg": "semarang",
    "solo": "surakarta",
    "tangsel": "tangerang selatan",
    "tgr": "tangerang",
    "tng": "tangerang",
    "ygy": "yogyakarta",
    "yogya": "yogyakarta",
    "yk": "yogyakarta",
}
SHORTEST_WITH_SLIP = 6  # letters
SHORTEST_AMONG_OTHERS = 7
KNOWN = 4096  # names whose words are remembered

Words = tuple[str, ...]


def find(offices: Sequence[Office], written: str) -> list[Office]:
    """Returns the offices that are meant, which may be in several cities. What is written in full
    in the ledger is no short form."""
    plain = words_of(written)
    full = tuple(word for each in plain for word in SHORT_FORMS.get(each, each).split())
    ways = [(matches, words) for words in dict.fromkeys((plain, full)) for matches in EXACT]
    ways += [(matches, full) for matches in NEARLY]
    for matches, words in ways:
        found = [office for office in offices if words and matches(office, words)]
        if found:
            return found
    known = tuple(word for word in full if any(_has_words(each, (word,)) for each in offices))
    found = [office for office in offices if known and _is_city(office, known)]
    slips = [word for word in full if len(word) >= SHORTEST_AMONG_OTHERS and word not in known]
    return found or [
        office for office in offices if any(_is_nearly_city(office, (word,)) for word in slips)
    ]


def city_of(office: Office) -> str:
    """Returns what is the same for all who write the city's name, however they do."""
    return "".join(words_of(office.city))


def shown(city: str | None) -> str:
    """Returns a city's name without "Kota" and the like, which would take the room of others."""
    words = (city or "-").split()
    return " ".join(word for word in words if word.casefold().strip(".") not in IGNORED) or "-"


@lru_cache(maxsize=KNOWN)
def words_of(written: str | None) -> Words:
    words = re.findall(r"\w+", (written or "").casefold())
    return tuple(word for word in words if word not in IGNORED) or tuple(words)


def _is_city(office: Office, words: Words) -> bool:
    return city_of(office) == "".join(words)


def _is_name(office: Office, words: Words) -> bool:
    return "".join(words_of(office.name)) == "".join(words)


def _has_words(office: Office, words: Words) -> bool:
    parts = _parts(office.city, office.name)
    return "".join(words) in parts or parts.issuperset(words)


def _is_nearly_city(office: Office, words: Words) -> bool:
    return _is_slip("".join(words), city_of(office))


def _nearly_has_words(office: Office, words: Words) -> bool:
    parts = _parts(office.city, office.name)
    return all(word in parts or any(_is_slip(word, part) for part in parts) for word in words)


def _is_slip(written: str, meant: str) -> bool:
    is_long = len(meant) >= SHORTEST_WITH_SLIP
    return is_long and abs(len(written) - len(meant)) <= 1 and is_typo(written, meant)


@lru_cache(maxsize=KNOWN)
def _parts(*names: str | None) -> frozenset[str]:
    """Returns words that follow each other in a name, written as one: kelapa, gading, and
    kelapagading."""
    return frozenset(
        "".join(words[first:last])
        for words in map(words_of, names)
        for first in range(len(words))
        for last in range(first + 1, len(words) + 1)
    )


EXACT = (_is_city, _is_name, _has_words)
NEARLY = (_is_nearly_city, _nearly_has_words)
