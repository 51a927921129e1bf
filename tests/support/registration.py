"""Registers phones by SMS."""

import re

from smsgw.messaging.answer import Answer
from tests.conftest import P2_NKP

DAFTAR = f"DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992#{P2_NKP}"
WRONG_YEAR = DAFTAR.replace("1992", "1993")


def code_in(answer: Answer) -> str:
    (notice,) = answer.also
    found = re.search(r"KODE ([B-DF-HJ-NP-TV-Z]{7})\b", notice.text)
    assert found
    return found[1]


def outcome(answer: Answer) -> tuple[str | None, str]:
    return answer.verdict.keyword, answer.verdict.outcome
