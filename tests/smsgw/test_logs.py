"""A log line is JSON, and shows the words of an error only if a server or the system wrote them."""

import json
import os
import subprocess
import sys

PROGRAM = """
from smsgw import logs
logs.set_up()
log = logs.get("smsgw.try")
for error in (KeyError("19012345678"), ConnectionRefusedError("nobody listens")):
    try:
        raise error
    except (KeyError, OSError):
        log.exception("failed", message_id=7)
raise ValueError("budi@example.id")
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environ, capture_output=True, text=True)


def lines() -> list[dict[str, object]]:
    done = run(PROGRAM)
    assert done.returncode == 1
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_an_error_is_logged_with_its_frames_and_without_anybodys_data() -> None:
    bug, server, crash = lines()
    assert (bug["event"], bug["level"], bug["message_id"]) == ("failed", "error", 7)
    assert "builtins.KeyError\n" in str(bug["exception"])
    assert 'File "<string>"' in str(bug["exception"])
    assert "ConnectionRefusedError: nobody listens" in str(server["exception"])
    assert (crash["event"], crash["level"]) == ("crashed", "critical")
    told = json.dumps([bug, server, crash])
    assert "19012345678" not in told
    assert "budi@example.id" not in told


ALL_KINDS = """
import datetime, logging
from smsgw import logs
logs.set_up()
logs.get("smsgw.try").warning("100% ours", on=datetime.date(2026, 1, 31), said="\\u2028\\ud800é")
logging.getLogger("a.library").warning("%d of %s", 3, "four")
"""


def test_our_lines_and_those_of_libraries_have_one_form() -> None:
    done = run(ALL_KINDS)
    ours, theirs = (json.loads(line) for line in done.stderr.splitlines())
    assert ours.pop("timestamp") <= theirs.pop("timestamp")
    assert ours == {
        "event": "100% ours",
        "level": "warning",
        "logger": "smsgw.try",
        "on": "datetime.date(2026, 1, 31)",
        "said": "\u2028\ud800é",
    }
    assert theirs == {"event": "3 of four", "level": "warning", "logger": "a.library"}


SET_UP_TWICE = """
from structlog.testing import capture_logs
from smsgw import logs
log = logs.get("smsgw.try")
for _ in range(2):
    logs.set_up()
    log.info("heard")
with capture_logs() as captured:
    log.info("captured")
assert [entry["event"] for entry in captured] == ["captured"], captured
"""


def test_a_logger_in_use_follows_what_is_set_up_later() -> None:
    done = run(SET_UP_TWICE)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["heard", "heard"]


NOBODY_READS = """
import contextlib, sys
from smsgw import logs
sys.stderr = open("/dev/full", "w")
logs.set_up()
logs.get("smsgw.try").error("there is no room")
with contextlib.suppress(OSError):
    sys.stderr.close()
logs.get("smsgw.try").error("it is closed")
print("goes on")
"""


def test_a_line_that_cannot_be_written_stops_nothing() -> None:
    done = run(NOBODY_READS)
    assert done.stdout == "goes on\n"


LEVELS = """
import logging
from smsgw import logs
log = logs.get("smsgw.try")
for level in (logging.INFO, logging.CRITICAL, logging.DEBUG):
    logs.set_up(level)
    log.debug("detail", to=level)
    log.info("heard", to=level)
    log.critical("always", to=level)
"""


def test_a_line_below_the_level_is_not_written() -> None:
    done = run(LEVELS)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["to"]) for line in lines] == [
        *(("heard", 20), ("always", 20)),
        ("always", 50),
        *(("detail", 10), ("heard", 10), ("always", 10)),
    ]
