"""A clock that is wrong ends nothing, destroys nothing, and is told."""

import os
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from smsgw.app import create_app
from smsgw.backoffice import accounts, background_tasks
from smsgw.carriers.carrier import Ending, SendError
from smsgw.messaging import dispatch, leases
from smsgw.messaging.hourly_counts import Tallies
from smsgw.messaging.leases import SendResult
from smsgw.operations import clock, jobs, key_rotation, queue
from smsgw.operations.key_rotation import NotRotated
from smsgw.operations.retention import Retention
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.clock_check import ClockCheck, machine_now
from smsgw.storage.tables.counts import tallies
from smsgw.storage.tables.messages import attempts, messages, replies
from smsgw.storage.tables.operators import Role, TaskKind, TaskState
from smsgw.storage.tables.operators import tasks as operator_tasks
from smsgw.storage.tables.phones import bindings, codes, pages, phones, questions
from smsgw.storage.tables.phones import registrations as asked
from tests.conftest import P1, P2, P2_NKP, STRANGER, Clock
from tests.support.commands import forked
from tests.support.conversation import say
from tests.support.processes import SMSGW, smsgw
from tests.support.registration import DAFTAR
from tests.support.sender_ids import Failing, with_carrier
from tests.support.servers import die_with_parent
from tests.support.waiting import eventually

FAKETIME = Path(f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketime.so.1")
ABSENT = "no libfaketime here: apt-get install libfaketime"
CARRIER, SENDER_ID = "simulator", "2757"
AHEAD = [timedelta(hours=3), timedelta(days=120)]

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def off_by(rt: Runtime, span: timedelta) -> Runtime:
    """Returns the same service on a machine whose clock is that far ahead."""
    return replace(rt, clock_check=ClockCheck(rt.service, lambda: machine_now() + span))


@pytest.mark.parametrize(
    ("span", "is_right"),
    [
        (timedelta(), True),
        (timedelta(seconds=50), True),
        (timedelta(seconds=-50), True),
        (timedelta(seconds=70), False),
        (timedelta(seconds=-70), False),
        (timedelta(hours=-7), False),
        (timedelta(days=3650), False),
    ],
)
@on_postgresql
def test_the_machines_clock_is_compared_with_the_databases(
    rt: Runtime, span: timedelta, is_right: bool
) -> None:
    check = off_by(rt, span).clock_check
    with capture_logs() as logged:
        assert check.is_right() == is_right
        assert abs(check.compare() - span) < timedelta(seconds=5)
    assert len(logged) == (0 if is_right else 1)  # once a minute


def test_sqlite_has_no_clock_of_its_own(tmp_path: Path) -> None:
    engine = engines.engine(f"sqlite:///{tmp_path}/own.db")
    assert ClockCheck(engine, lambda: machine_now() + timedelta(days=1)).is_right()
    engine.dispose()


@on_postgresql
def test_a_clock_that_jumps_is_compared_at_once(rt: Runtime) -> None:
    ahead = [timedelta()]
    check = ClockCheck(rt.service, lambda: machine_now() + ahead[0])
    assert check.is_right()
    ahead[0] = timedelta(days=120)
    assert not check.is_right()
    ahead[0] = timedelta()
    assert check.is_right()


def everything(rt: Runtime) -> dict[str, int]:
    """Returns what time would end or destroy, by name."""
    counted = {
        "texts": messages.c.text.is_not(None),
        "replies' texts": replies.c.text.is_not(None),
        "waiting": replies.c.state == "queued",
        "on their way": replies.c.state == "sending",
        "in doubt": replies.c.state == "unknown",
        "begun": attempts.c.ending.is_(None),
        "codes": codes.c.id.is_not(None),
        "questions": questions.c.phone_id.is_not(None),
        "pages": pages.c.phone_id.is_not(None),
        "numbers": phones.c.number.is_not(None),
        "bound": bindings.c.id.is_not(None) & bindings.c.ended_at.is_(None),
        "registrations": asked.c.given.is_not(None),
        "tasks": operator_tasks.c.state == TaskState.WAITING,
        "tallies": tallies.c.hour.is_not(None),
    }
    with rt.reading() as tx:
        return {
            name: tx.connection.execute(select(func.count()).where(which)).scalar_one()
            for name, which in counted.items()
        }


def live(rt: Runtime) -> None:
    """Stores something of each kind: queued replies, one being sent, one unknown."""
    for sender, said in (
        (P1, "KONTAK"),
        (P1, "BANTUAN"),
        (STRANGER, DAFTAR),
        (P2, f"SALDO {P2_NKP}"),
    ):
        say(rt, sender, said)
    with rt.writing() as tx:
        on_its_way, in_doubt = leases.claim(tx, CARRIER, SENDER_ID, 2)
        refused = SendError(Ending.UNKNOWN, "busy")
        leases.record(tx, [SendResult(in_doubt, error=refused)])
        ani = accounts.add(tx, "ani", Role.ADMIN, None, "shell:test")
        background_tasks.make(tx, TaskKind.SEARCH, ani.id, {"words": "SALDO"})
        tx.connection.execute(update(bindings).values(used_at=tx.now, bound_at=tx.now))
    assert on_its_way.reply_id != in_doubt.reply_id
    Tallies(rt).step()


def pass_by(rt: Runtime) -> None:
    """Does all that the clock does and has workers do, except sending."""
    clock.sweep(rt)
    jobs.settle(rt)
    retention = Retention(rt)
    for _ in range(3):
        retention.step()
    Tallies(rt).step()


@pytest.mark.parametrize("span", [*AHEAD, timedelta(days=400)])
@on_postgresql
def test_nothing_expires_while_the_clock_is_ahead(
    rt: Runtime, clock: Clock, span: timedelta
) -> None:
    live(rt)
    before = everything(rt)
    assert all(before.values()), before
    clock.moves(seconds=span.total_seconds())
    wrong = off_by(rt, span)
    pass_by(wrong)
    assert everything(rt) == before
    with pytest.raises(NotRotated):
        key_rotation.rotate(wrong, "shell:test", str)
    pass_by(rt)  # where both are right that time has passed
    assert everything(rt) != before


@on_postgresql
def test_queued_replies_are_sent_while_the_clock_is_ahead(rt: Runtime, clock: Clock) -> None:
    live(rt)
    clock.moves(hours=3)
    carrier = Failing()
    with capture_logs() as logged:
        dispatch.drain(off_by(with_carrier(rt, carrier), timedelta(hours=3)), CARRIER, SENDER_ID)
    assert (everything(rt)["waiting"], len(carrier.sent)) == (0, 3)
    assert min(sms.lasts for sms in carrier.sent) >= timedelta(minutes=10)
    assert logged[0]["ahead_seconds"] in range(10740, 10860)


@contextmanager
def ahead(environ: Mapping[str, str], span: timedelta, command: str, log: Path) -> Iterator[None]:
    with log.open("wb") as written:
        process = subprocess.Popen(
            [SMSGW, command],
            env={"PATH": os.environ["PATH"], **environ, **faketime(span)},
            stdout=written,
            stderr=written,
            preexec_fn=die_with_parent(15),
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(30)


def faketime(span: timedelta) -> dict[str, str]:
    if not FAKETIME.exists():
        if os.environ.get("SMSGW_REQUIRE_FAKETIME"):
            pytest.fail(ABSENT)
        pytest.skip(ABSENT)
    monotonic = dict.fromkeys(("FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC"), "1")
    preload = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"+{span.total_seconds():.0f}s"}
    return preload | monotonic


@pytest.mark.parametrize("span", AHEAD)
@on_postgresql
def test_nothing_is_deleted_while_the_clock_is_ahead(
    rt: Runtime, environ: dict[str, str], tmp_path: Path, span: timedelta
) -> None:
    real = replace(rt, now=machine_now)
    live(real)
    before = everything(real)
    redis = Redis.from_url(environ["REDIS_URL"])
    log = tmp_path / "clock.log"
    with ahead(environ, span, "clock", log):
        eventually(lambda: redis.exists(queue.CLOCK_BEATS), log.read_text)
    assert everything(real) == before
    assert "clock differs from" in log.read_text()
    with create_app(real).test_client() as client:
        metrics = client.get("/metrics").text
    (skew,) = re.findall(r'clock_skew_seconds{process="clock"} (.+)', metrics)
    assert abs(float(skew) - span.total_seconds()) < 60
    doctor = smsgw(tmp_path, "doctor", **environ, **faketime(span))
    assert doctor.returncode == 1
    assert f"FIX  clock: this machine's is {span} ahead of the database's" in doctor.stdout
    assert "ok   clock" in forked(environ, "doctor").stdout
    log = tmp_path / "worker.log"
    with ahead(environ, span, "worker", log):
        jobs.hint(real, CARRIER, SENDER_ID)
        eventually(lambda: everything(real)["waiting"] == 0, log.read_text)
    redis.close()
