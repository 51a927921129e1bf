"""Runs the commands that set up and maintain an installation, as their users do."""

import os
import subprocess
from pathlib import Path

import pytest

from smsgw.cli import doctor
from smsgw.storage import engines
from tests.conftest import KEY, P1, STRANGER
from tests.support import processes
from tests.support.commands import smsgw
from tests.support.http_stub import web_stub
from tests.support.ledger_service import SECRET, ledger_service
from tests.support.processes import SMSGW
from tests.support.twilio_api import TWILIO, twilio_stub

EXAMPLES = Path(__file__).parents[3] / "deploy" / "http"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def test_without_the_demo_the_ledger_is_empty(home: Path) -> None:
    before = smsgw(home, "say", "SALDO", "--from", P1)
    assert before.returncode == 1
    assert "there is no installation in" in before.stderr
    assert smsgw(home, "migrate").returncode == 0
    done = smsgw(home, "say", "SALDO 19012345678", "--from", P1, "--json")
    assert '"outcome": "not_registered"' in done.stdout
    assert smsgw(home, "demo").returncode == 1


def test_the_doctor_names_what_to_do(home: Path) -> None:
    sick = smsgw(home, "doctor")
    assert sick.returncode == 1
    assert "FIX  service database: its schema is absent" in sick.stdout
    assert "run smsgw migrate" in sick.stdout
    assert "FIX  queue: set REDIS_URL" in sick.stdout
    queue = {"REDIS_URL": os.environ["SMSGW_TEST_REDIS_URL"], "SMSGW_DEMO": "1"}
    smsgw(home, "migrate")
    smsgw(home, "demo", **queue)
    assert processes.smsgw(home, "doctor", **queue).returncode == 0
    other_key = smsgw(home, "doctor", **queue, SMSGW_SECRET_KEY=KEY)
    assert "FIX  keys: SMSGW_SECRET_KEY: the database was written with another" in other_key.stdout
    for command in (["say", "SALDO", "--from", P1], ["worker"], ["migrate"]):
        refused = smsgw(home, *command, **queue, SMSGW_SECRET_KEY=KEY)
        assert refused.returncode == 1
        assert "SMSGW_SECRET_KEY: the database was written with another" in refused.stderr


@pytest.mark.parametrize(
    ("address", "is_exposed"),
    [
        ("redis://queue.internal:6379/0", True),
        ("redis://user@10.0.0.7:6379/0", True),
        ("rediss://10.0.0.7:6380", True),
        ("redis://:secret@queue.internal:6379/0", False),
        ("redis://user:secret@10.0.0.7:6379", False),
        ("redis://localhost:6379/0", False),
        ("redis://127.0.0.1:6379", False),
        ("unix:///run/redis.sock", False),
    ],
)
def test_the_doctor_reports_an_exposed_redis(address: str, is_exposed: bool) -> None:
    assert doctor.is_exposed(address) == is_exposed


def test_invalid_utf8_is_handled_as_a_message(home: Path) -> None:
    smsgw(home, "migrate")
    done = subprocess.run(
        [SMSGW, "say", b"SALDO \xff\xfe", "--from", P1],
        env={"PATH": os.environ["PATH"], "SMSGW_HOME": str(home)},
        capture_output=True,
        check=True,
    )
    assert b"DAFTAR" in done.stdout


def test_the_ledger_can_have_its_own_database(home: Path) -> None:
    apart = {"LEDGER_URL": f"sqlite:///{home}/ledger.db"}
    folder = Path(__file__).parents[3] / "smsgw" / "ledger" / "seeds"
    smsgw(home, "migrate", **apart)
    assert "run smsgw migrate --ledger" in smsgw(home, "doctor", **apart).stdout
    refused = smsgw(home, "ledger", "load", folder, **apart)
    assert (refused.returncode, "smsgw migrate" in refused.stderr) == (1, True)
    smsgw(home, "migrate", "--ledger", **apart)
    loaded = smsgw(home, "ledger", "load", folder, **apart)
    assert "participants: 11 rows" in loaded.stdout
    assert (
        "25 participants" in smsgw(home, "ledger", "make", "--participants", "25", **apart).stdout
    )
    asked = smsgw(home, "say", "SALDO 19012345678", "--from", P1, **apart)
    assert "Balas YA" in asked.stdout
    assert "Rp123.456.789" in smsgw(home, "say", "YA", "--from", P1, **apart).stdout
    assert "Rp" not in smsgw(home, "say", "SALDO 19012345678", "--from", STRANGER, **apart).stdout


def test_files_are_readable_only_by_their_owner(home: Path) -> None:
    assert processes.smsgw(home, "migrate").returncode == 0
    assert (home / "instance").stat().st_mode & 0o777 == 0o700


def test_settings_are_printed_masked_and_refused_all_at_once(home: Path) -> None:
    shown = smsgw(home, "settings", SMSGW_SECRET_KEY=KEY, REDIS_URL="redis://u:hidden@q/0").stdout
    assert "SMSGW_SECRET_KEY=********" in shown
    assert KEY not in shown
    assert "hidden" not in shown
    asked = {"DATABASE_URL": "postgresql://u@h/x?password=hidden", "SMSGW_SECRET_KEY": KEY}
    assert "hidden" not in smsgw(home, "settings", **asked).stdout
    refused = processes.smsgw(home, "worker", PORT="x", SMSGW_TIMEZONE="Mars/Base")
    assert refused.returncode == 1
    assert "PORT:" in refused.stderr
    assert "SMSGW_TIMEZONE:" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_worker_without_a_queue_says_so(home: Path) -> None:
    smsgw(home, "migrate")
    done = smsgw(home, "worker")
    assert done.returncode == 1
    assert "there is no REDIS_URL" in done.stderr


def test_the_doctor_asks_a_ledger_that_is_a_service(home: Path) -> None:
    smsgw(home, "migrate")
    smsgw(home, "demo", SMSGW_DEMO="1")
    engine = engines.engine(f"sqlite:///{home}/instance/ledger.db")
    with ledger_service(engine) as service:
        known = {"LEDGER_URL": service.url, "LEDGER_API_SECRET": SECRET}

        def told(**environ: str) -> str:
            lines = smsgw(home, "doctor", **known | environ).stdout.splitlines()
            (line,) = [each for each in lines if "participant ledger" in each]
            return line

        assert told() == "ok   participant ledger"
        assert "check LEDGER_API_SECRET" in told(LEDGER_API_SECRET="s" * 32)
        assert "the address before /look-ups" in told(LEDGER_URL=f"{service.url}/api")
        assert "connecting: away (ConnectionRefusedError)" in told(LEDGER_URL="http://127.0.0.1:9")
        service.breaks = lambda document: document | {"version": 2}
        assert "speaks version 2; this smsgw speaks 1" in told()
        service.breaks = lambda document: document | {"contacts": []}
        assert "contacts has no call_centre" in told()
    engine.dispose()


def test_the_doctor_asks_for_what_twilio_needs(home: Path) -> None:
    smsgw(home, "migrate")
    wanted = "https://sms.example.org/in/twilio"
    with twilio_stub() as stub:
        environ = TWILIO | {"TWILIO_API_BASE": stub.url}
        stub.number = {"sms_url": wanted, "sms_fallback_url": ""}
        printed = smsgw(home, "doctor", **environ).stdout
        assert f"A message comes in: {wanted}#rc=3&rp=ct,5xx&tt=15000" in printed
        assert f"Primary handler fails: {wanted}" in printed
        stub.number = {"sms_url": wanted + "#rc=3&rp=ct,5xx&tt=15000", "sms_fallback_url": wanted}
        assert "ok   twilio" in smsgw(home, "doctor", **environ).stdout
        stub.are_books_open = False
        assert "it does not tell the number's settings" in smsgw(home, "doctor", **environ).stdout
        plain = environ | {"SMSGW_PUBLIC_URL": "http://sms.example.org"}
        assert "should be https" in smsgw(home, "doctor", **plain).stdout


def test_the_doctor_looks_for_kannel(home: Path) -> None:
    environ = {
        "SMSGW_CARRIER": "kannel",
        "KANNEL_SENDSMS_URL": "http://127.0.0.1:9/cgi-bin/sendsms",
        "KANNEL_USERNAME": "smsgw",
        "KANNEL_PASSWORD": "secret",
        "KANNEL_FROM": "2757",
        "KANNEL_INBOUND_PASSWORD": "twelve-letters",
    }
    assert "start smsbox" in smsgw(home, "doctor", **environ).stdout
    with web_stub() as stub:
        environ |= {"KANNEL_SENDSMS_URL": stub.url}
        stub.answers += [
            (400, b"Missing receiver number, rejected"),
            (403, b"Authorization failed for sendsms"),
            (404, b""),
        ]
        for expected in ("ok   kannel", "refuses KANNEL_USERNAME", "is not sendsms"):
            assert expected in smsgw(home, "doctor", **environ).stdout


def test_the_doctor_looks_for_a_carrier_by_yaml(home: Path) -> None:
    file = home / "carrier.yaml"
    environ = {
        "SMSGW_CARRIER": "http",
        "SMSGW_PUBLIC_URL": "https://sms.example.org",
        "SMSGW_HTTP_CARRIER": str(file),
        "INFOBIP_API_KEY": "key",
        "INFOBIP_INBOUND_SECRET": "twelve-letters",
    }
    example = (EXAMPLES / "infobip.yaml").read_text()
    with web_stub() as stub:
        file.write_text(example.replace("https://${INFOBIP_HOST}", stub.url))
        assert "ok   http" in smsgw(home, "doctor", **environ).stdout
    assert "FIX  http: send.url does not answer" in smsgw(home, "doctor", **environ).stdout
    file.write_text(example)
    broken = smsgw(home, "doctor", **environ)
    assert broken.returncode == 1
    assert f"{file}:20: send.url: names ${{INFOBIP_HOST}}, which is not set" in broken.stderr
