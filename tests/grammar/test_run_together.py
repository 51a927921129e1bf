"""Words without spaces between them are parted where a keyword is among them."""

import time

import pytest

from grammar.run_together import LONGEST, MOST_PARTS, RunTogether
from smsgw.configuration import compiler

PARTS = RunTogether(
    keywords={"SALDO", "JHT", "STATUS", "KLAIM"},
    others={"CEK", "SAYA", "BERAPA", "SY", "A"},
    real_words={"STATUSAN", "SAYABERAPA"},
)


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("CEKSALDOJHT", "CEK SALDO JHT"),
        ("SALDOSY BERAPA", "SALDO SY BERAPA"),
        ("KAK SALDOSAYABERAPA?", "KAK SALDO SAYA BERAPA?"),
        ("STATUSKLAIM19012345678", "STATUS KLAIM19012345678"),
        ("CEKSAYA", "CEKSAYA"),  # no keyword
        ("CEKJHTSAYA", "CEKJHTSAYA"),  # JHT alone is too short to be sure of
        ("SALDOXJHT", "SALDOXJHT"),  # X is no word
        ("SALDOASAYA", "SALDOASAYA"),  # nor is a letter
        ("SALDONYA", "SALDONYA"),  # a form of a word that is known
        ("STATUSAN", "STATUSAN"),  # a word of the language
        ("SALDO", "SALDO"),
        ("CEK" * MOST_PARTS + "SALDO", "CEK" * MOST_PARTS + "SALDO"),
        ("", ""),
    ],
)
def test_what_is_no_word_is_parted_into_words(text: str, parted: str) -> None:
    assert PARTS.part(text) == parted


def test_a_word_is_parted_in_a_moment() -> None:
    words = " ".join(f"{'SALDO' * (LONGEST // 5)}{a}{b}" for a in "ABCDEFG" for b in "ABCDEFG")
    started = time.process_time()
    PARTS.part(words)
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("ceksaldojht", "saldo"),
        ("saldosayaberapa", "saldo"),
        ("infosaldo", "saldo"),
        ("statusklaim", "klaim"),
        ("hapusdata", "hapus_data"),
        ("stopsms", "stop"),
        ("tidaksetuju", "tidak"),
        ("caradaftar", "daftar"),
        ("mendatangi", None),
        ("menghubungi", None),
    ],
)
def test_a_message_without_spaces_is_read_as_with_them(text: str, keyword: str | None) -> None:
    assert compiler.load_shipped().grammar.parse(text).keyword == keyword
