"""Changes the shipped document of keywords."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from smsgw.backoffice import accounts
from smsgw.configuration import document, versions
from smsgw.runtime import Runtime

STATIC = {
    "kind": "static",
    "poster": "LIBUR [<ISI>]",
    "aliases": ["TUTUP"],
    "topics": {"idulfitri": ["LEBARAN", "IDUL FITRI"], "natal": ["NATAL"]},
    "wordings": {
        "answer": {"id": "Kantor tutup pada hari libur.", "en": "Closed on holidays."},
        "idulfitri": {"id": "Lebaran: tutup 20-24 Maret.", "en": "Eid: closed 20-24 March."},
        "natal": {"id": "Natal: tutup 25 Desember.", "en": "Christmas: closed 25 December."},
    },
}


def edited(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Returns the document itself, which takes a tenth of writing and reading it."""
    raw = deepcopy(document.shipped_raw())
    change(raw)
    return raw


def edited_document(change: Callable[[dict[str, Any]], object]) -> str:
    return document.dumps(edited(change))


def add_custom_keywords(raw: dict[str, Any]) -> None:
    raw["keywords"] |= deepcopy({"libur": STATIC, "mitra": LOOKUP})
    raw["tables"] = deepcopy({"mitra": TABLE})


ANI, BUDI = "operator:ani", "operator:budi"


def reworded_document(text: str) -> str:
    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["wordings"]["ways"] |= {"id": text, "en": text}

    return edited_document(change)


def publish(rt: Runtime, text: str, reason: str = "a test") -> int:
    with rt.writing() as tx:
        versions.save(tx, document.loads(text), 0, ANI, "kontak")
    with rt.writing() as tx:
        edition = versions.draft(tx).edition
        return versions.publish(tx, edition, BUDI, reason, is_same_person=accounts.is_same_person)


LOOKUP = {
    "kind": "lookup",
    "poster": "MITRA [<ISI>]",
    "table": "mitra",
    "wordings": {
        "found": {
            "id": "Mitra {kota}: {nama}.[ Telp {telp}.][ Bantuan {call_centre}]",
            "en": "Partner {kota}: {nama}.[ Call {telp}.][ Help {call_centre}]",
        },
        "not_found": {"id": "Kota itu belum ada mitra.", "en": "No partner there yet."},
    },
}
TABLE = {
    "columns": ["kota", "nama", "telp"],
    "rows": [
        ["Jakarta", "RS Umum", "021-5550001"],
        ["Jakarta Barat", "RS Barat", ""],
        ["Yogyakarta", "RS “Sehat”", "0274-555001"],
    ],
}
