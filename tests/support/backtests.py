"""Runs backtests over conversations of many phones."""

from typing import Any

from smsgw.runtime import Runtime
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER, Clock
from tests.support.conversation import say
from tests.support.documents import edited_document

OTHERS = [f"+62857000000{number:02}" for number in range(20)]


def play_messages(rt: Runtime, clock: Clock) -> None:
    for sender, text in (
        (P1, "SALDO"),
        (P1, f"SALDO {P1_NKP}"),
        (P1, "dompet pak budi santoso"),
        (STRANGER.replace("9900", "57"), "CABANG BANDUNG"),
        (P1, "BALANCE"),
        (P1, "KONTAK"),
        (P2, f"DAFTAR SALDO#3273010101900001#SITI RAHAYU#01-01-1990#{P2_NKP}"),
    ):
        clock.moves(minutes=10)
        assert say(rt, sender, text)


def edit_draft(raw: dict[str, Any]) -> None:
    """Adds an alias, removes one, moves one, and makes a wording longer."""
    words = raw["keywords"]
    words["saldo"]["aliases"].append("DOMPET")
    words["kantor"]["aliases"].remove("CABANG")
    words["saldo"]["aliases"].remove("BALANCE")
    words["kontak"]["aliases"].append("BALANCE")
    words["saldo"]["budget"] = 2
    text = words["saldo"]["wordings"]["balance"]["id"]
    words["saldo"]["wordings"]["balance"]["id"] = f"{text} {'Terima kasih. ' * 6}"


DRAFT = edited_document(edit_draft)
