"""Views over a scheme's own tables answer every keyword, in PostgreSQL as in MariaDB."""

import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from handlers import HANDLERS
from smsgw import runtime, settings
from smsgw.ledger.batch_ledger import BatchLedger
from smsgw.runtime import Runtime
from smsgw.storage import engines
from tests.conftest import P1, P1_NKP, Clock, create_database, on_sqlite
from tests.support import scheme_database
from tests.support.conversation import say

STRANGER, ANOTHER = "+6285600000028", "+6285600000029"
UNBOUND = "+6281200000001"  # on file as 0812-0000-0001
P1_NIK = "3171011708900001"
REGISTERING = f"DAFTAR SALDO#{P1_NIK}#BUDI SANTOSO#17-08-1990#{P1_NKP}"
# What is asked, how it ends, and what the reply says.
ANSWERS = (
    ("SALDO", "answered", "per 01-09-2025: Rp1.200.001. Status AKTIF. Iuran terakhir 09-2025"),
    (f"SALDO {P1_NIK}", "answered", "Rp1.200.001"),
    ("IURAN 2025", "answered", "4 bulan, JHT Rp480.000. JP Rp480.000. JKK Rp480.000."),
    ("JP", "answered", "iuran 4 bulan, terakhir 09-2025"),
    ("KLAIM", "answered", "SELESAI, tahap 5 dari 5, per 02-09-2025. Dibayar Rp5.000.000"),
    ("STATUS", "answered", "AKTIF sejak 01-03-2015"),
    ("DATA", "answered", "lahir 17-08-1990, program JHT+JKK+JP"),
    ("INFO JHT", "answered", "Iuran 3,7% pemberi kerja"),
    ("KANTOR JAYAPURA", "answered", "Jl. Soa Siu, 08:00-15:30 WIT"),
    ("KONTAK", "answered", "175"),
    (REGISTERING, "answered", ""),
)
# The other keywords: of whom each is asked too. {code} is what the phone on file was sent last.
TALK = (
    (P1, "SALDO", "answered", "Rp1.200.001"),
    (P1, "ULANG", "answered", "Rp1.200.001"),
    (P1, "LAPOR gaji belum dibayar", "answered", "ADU-251031-0001"),
    (P1, "DATA SAYA", "answered", "3x24 jam"),
    (P1, "HAPUS DATA", "answered", "ADU-251031-0003"),
    (P1, "NOTIF ON", "answered", "menerima kabar"),
    (P1, "STOP", "answered", "berhenti menerima kabar"),
    (P1, "MULAI", "answered", "bisa menerima kabar"),
    (P1, "BAHASA EN", "answered", "in English"),
    (P1, "BAHASA ID", "answered", "bahasa Indonesia"),
    (P1, "BANTUAN", "answered", "Menu lain: LANJUT"),
    (P1, "LANJUT", "answered", "KANTOR"),
    (UNBOUND, "SALDO 19500000001", "confirm", "YA"),
    (UNBOUND, "TIDAK", "answered", ""),
    (UNBOUND, "SALDO 19500000001", "confirm", "YA"),
    (UNBOUND, "YA", "answered", "Rp1.200.001"),
    (UNBOUND, "GANTI HP", "answered", "HP ini kami lepas"),
    (STRANGER, REGISTERING, "pending", ""),
    (STRANGER, "KODE {code}", "answered", "terdaftar utk NKP *******5678"),
    (STRANGER, "SALDO", "answered", "Rp1.200.001"),
    (ANOTHER, REGISTERING, "pending", ""),
    (P1, "TOLAK", "answered", "Kode itu kami batalkan"),
    (ANOTHER, "KODE {code}", "invalid", ""),
    (P1, "BUKAN SAYA", "answered", "HP ini kami lepas"),
    (STRANGER, "SALDO", "not_registered", "DAFTAR SALDO#"),
)
pytestmark = on_sqlite


@pytest.fixture(scope="module")
def postgres_views(worker_number: int) -> str:
    url = create_database(worker_number, "views")
    engine = engines.engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        scheme_database.make(connection, 300)
    engine.dispose()
    return url.replace("postgres@", "scheme_reader@") + "&options=-csearch_path%3Dright"


@pytest.fixture(params=["postgresql", "mariadb"])
def theirs(
    request: pytest.FixtureRequest,
    environ: dict[str, str],
    clock: Clock,
    filled_files: Path,
    tmp_path: Path,
) -> Iterator[Runtime]:
    if request.param == "mariadb":
        url = request.getfixturevalue("mariadb").url("core", "reader")
    else:
        url = request.getfixturevalue("postgres_views")
    shutil.copytree(filled_files, tmp_path, dirs_exist_ok=True)
    made = runtime.build(settings.load(environ | {"LEDGER_URL": url}), now=clock)
    yield made
    made.close()


def test_every_keyword_answers(theirs: Runtime, clock: Clock) -> None:
    for text, outcome, fragment in ANSWERS:
        answer = say(theirs, P1, text)
        assert answer.verdict.outcome == outcome, text
        assert answer.reply is not None
        assert fragment in answer.reply.text
        clock.moves(minutes=5)


def test_every_other_keyword_answers(theirs: Runtime, clock: Clock) -> None:
    code, asked = "", set()
    for sender, text, outcome, fragment in TALK:
        answer = say(theirs, sender, text.format(code=code))
        assert answer.verdict.outcome == outcome, text
        assert answer.reply is not None
        assert fragment in answer.reply.text
        asked.add(answer.verdict.keyword)
        for each in answer.also:
            code = "".join(re.findall(r"KODE (\w+)", each.text)) or code
        clock.moves(minutes=1)
    assert asked | {text.split()[0].lower() for text, _, _ in ANSWERS} == HANDLERS.keys()


def test_somebody_else_gets_a_code_on_the_number_on_file(theirs: Runtime) -> None:
    answer = say(theirs, STRANGER, REGISTERING)
    assert answer.verdict.outcome == "pending"
    assert [each.recipient for each in answer.also] == [P1]


def test_a_batch_reads_the_same(theirs: Runtime) -> None:
    nkps = {P1_NKP, "19500000008"}
    names = ("participant", "balance", "last_contribution")
    batch = BatchLedger(theirs.ledger, dict.fromkeys(names, nkps))
    for nkp in nkps:
        assert batch.participant(nkp) == theirs.ledger.participant(nkp)
        assert batch.balance(nkp, theirs.today) == theirs.ledger.balance(nkp, theirs.today)
        assert batch.last_contribution(nkp) == date(2025, 9, 1)
