import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smsgw.cli import main


def run(command: str, *options: str, given: str | bytes = "") -> Result:
    return CliRunner().invoke(main, [command, *options], input=given)


def test_each_line_is_read_by_itself() -> None:
    done = run("parse", given="SALDO 19012345678\nDAFTAR SALDO\n\nsesuatu\n")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "keyword=saldo  fields={'nkp': '19012345678'}",
        "keyword=daftar  reason=missing  slot=NIK",
        "reason=unknown",
        "reason=unknown",
    ]


def test_json_gives_fields_and_faults() -> None:
    text = "DAFTAR SALDO#3171011708900000#BUDI#17-08-1990#1901234567"
    done = run("parse", "--json", given=json.dumps({"text": text}) + '\n{"text": "saldo"}\n')
    read, own = map(json.loads, done.stdout.splitlines())
    assert own == {"keyword": "saldo", "fields": {}}
    assert (read["keyword"], read["reason"], read["slot"]) == ("daftar", "wrong_length", "NKP")
    assert (read["read"], read["needed"]) == ("10", "11")


def test_segments_counts_texts_as_they_are() -> None:
    texts = ["", "Saldo JHT", "a" * 161, "saldo €", "ok 👍", "  "]
    done = run("segments", "--json", given="".join(json.dumps({"text": t}) + "\n" for t in texts))
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"encoding": "GSM-7", "segments": 1, "units": 0},
        {"encoding": "GSM-7", "segments": 1, "units": 9},
        {"encoding": "GSM-7", "segments": 2, "units": 161},
        {"encoding": "GSM-7", "segments": 1, "units": 8},
        {"encoding": "UCS-2", "segments": 1, "units": 5},
        {"encoding": "GSM-7", "segments": 1, "units": 2},
    ]


@pytest.mark.parametrize(
    "line", ["SALDO", "{}", '{"text": 1}', "[]", '{"text": "x"', '{"text": ' + "[" * 100_000]
)
def test_an_invalid_json_line_is_named(line: str) -> None:
    done = run("segments", "--json", given='{"text": "x"}\n' + line)
    assert done.exit_code == 1
    assert "line 2: expected an object such as" in done.stderr


def test_invalid_utf8_does_not_stop_the_run() -> None:
    assert run("parse", given=b"SALDO \xff\xfe 19012345678\n").stdout.startswith("keyword=saldo")


def test_no_database_is_opened_and_nothing_is_written(tmp_path: Path) -> None:
    smsgw = Path(sys.executable).parent / "smsgw"
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://nowhere.invalid/x"}
    done = subprocess.run(
        [smsgw, "parse"], input="SALDO", env=environ, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "keyword=saldo\n"
    assert list(tmp_path.iterdir()) == []
