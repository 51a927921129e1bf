"""Tests every way in which a POST to Twilio can fail: the state of the reply and the number of
POSTs, before and after it is settled."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import select

from smsgw import responder, settings
from smsgw.carriers.carrier import Delivery, Ending, IncomingSms, Report, SendError
from smsgw.carriers.twilio import Twilio, TwilioSettings
from smsgw.messaging import delivery_reports, dispatch, leases, reconciliation
from smsgw.messaging.leases import SendResult
from smsgw.operations import jobs
from smsgw.operations.clock import sweep
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import attempts, replies
from smsgw.storage.tables.phones import phones
from tests.conftest import P1, Clock
from tests.support.commands import forked
from tests.support.twilio_api import TWILIO, Stub, twilio_stub

OURS = TWILIO["TWILIO_FROM"]
_references = count()


@pytest.fixture
def stub(clock: Clock) -> Iterator[Stub]:
    with twilio_stub() as made:
        made.now = clock
        yield made


@pytest.fixture
def texted(rt: Runtime, stub: Stub, environ: dict[str, str]) -> Runtime:
    """Builds the service behind a Twilio number."""
    environ |= TWILIO | {"TWILIO_API_BASE": stub.url}
    return over_twilio(rt, environ)


def over_twilio(rt: Runtime, environ: dict[str, str]) -> Runtime:
    configured = settings.load(environ)
    twilio = Twilio(configured.of(TwilioSettings), (1.0, 0.3))
    return replace(rt, settings=configured, carriers={"twilio": twilio})


def receive(rt: Runtime, text: str = "SALDO") -> None:
    reference = f"SM-in-{next(_references)}"
    assert responder.respond(rt, IncomingSms("twilio", reference, P1, OURS, text))


def send(rt: Runtime) -> None:
    dispatch.drain(rt, "twilio", OURS)


def state(rt: Runtime) -> str:
    with rt.reading() as tx:
        return str(tx.connection.execute(select(replies.c.state)).scalar_one())


def settled(rt: Runtime) -> list[str | None]:
    with rt.reading() as tx:
        found = tx.connection.execute(select(attempts.c.settled).order_by(attempts.c.id))
        return list(found.scalars())


@pytest.mark.parametrize(
    ("answer", "at_first", "at_last", "posts"),
    [
        ((429, {"code": 20429}), "queued", "sent", 2),
        ((400, {"code": 21211}), "refused", "refused", 1),
        ((401, {"code": 20003}), "refused", "refused", 1),
        ((500, {"code": 20500}), "unknown", "sent", 2),
        ((503, b"<html>"), "unknown", "sent", 2),
        ("stall", "unknown", "sent", 1),
        ("cut", "unknown", "sent", 1),
        ("junk", "unknown", "sent", 1),
        ("reset", "unknown", "sent", 2),
    ],
)
def test_every_failure_has_its_outcome(
    texted: Runtime,
    stub: Stub,
    clock: Clock,
    answer: object,
    at_first: str,
    at_last: str,
    posts: int,
) -> None:
    stub.answers.append(answer)
    receive(texted)
    send(texted)
    assert (state(texted), len(stub.posts)) == (at_first, 1)
    clock.moves(seconds=21)
    jobs.settle(texted)
    send(texted)
    assert (state(texted), len(stub.posts)) == (at_last, posts)
    clock.moves(minutes=10)
    jobs.settle(texted)
    send(texted)
    assert (state(texted), len(stub.posts)) == (at_last, posts)


def test_the_carrier_is_not_asked_before_a_report_could_arrive(
    texted: Runtime, stub: Stub, clock: Clock
) -> None:
    stub.answers.append((500, {}))
    receive(texted)
    send(texted)
    clock.moves(seconds=10)
    jobs.settle(texted)
    assert state(texted) == "unknown"


def test_a_report_decides_between_two_equal_unknown_sends(
    texted: Runtime, stub: Stub, clock: Clock
) -> None:
    """The carrier's books hold one SMS, and cannot say whose it is."""
    stub.answers += [(500, {}), "cut"]
    for _ in range(2):
        receive(texted, "KONTAK")
        send(texted)
        clock.moves(minutes=2)
    jobs.settle(texted)
    assert settled(texted) == [None, None]
    with texted.writing() as tx:
        in_order = select(attempts.c.id).order_by(attempts.c.id)
        taken = list(tx.connection.execute(in_order).scalars())[1]
        report = Report("twilio", taken, Delivery.DELIVERED, str(stub.books[0]["sid"]))
        delivery_reports.apply_report(tx, report)
    clock.moves(seconds=21)
    jobs.settle(texted)
    send(texted)
    assert (settled(texted)[:2], len(stub.posts)) == (["absent", "report"], 3)


def test_one_of_two_equal_unknown_sends_is_resent(
    texted: Runtime, stub: Stub, clock: Clock
) -> None:
    """It is resent without a report too, once its time is over."""
    stub.answers += [(500, {}), "cut"]
    for _ in range(2):
        receive(texted, "KONTAK")
        send(texted)
        clock.moves(minutes=2)
    clock.moves(minutes=5)
    jobs.settle(texted)
    send(texted)
    assert (sorted(map(str, settled(texted)[:2])), len(stub.posts)) == (["absent", "found"], 3)


@pytest.mark.parametrize(("policy", "posts"), [("resend_once", 2), ("ask_operator", 1)])
def test_without_a_lookup_policy_decides_after_five_minutes(
    rt: Runtime,
    texted: Runtime,
    environ: dict[str, str],
    stub: Stub,
    clock: Clock,
    policy: str,
    posts: int,
) -> None:
    texted = over_twilio(rt, environ | {"SMSGW_UNKNOWN": policy})
    stub.are_books_open = False
    stub.answers += [(500, {}), (500, {})]
    receive(texted)
    send(texted)
    for minutes in (1, 3):
        clock.moves(minutes=minutes)
        jobs.settle(texted)
        send(texted)
        assert (state(texted), len(stub.posts)) == ("unknown", 1)
    for _ in range(3):
        clock.moves(minutes=6)
        jobs.settle(texted)
        send(texted)
        assert (state(texted), len(stub.posts)) == ("unknown", posts)


def test_a_report_settles_an_unknown_send(texted: Runtime, stub: Stub, clock: Clock) -> None:
    stub.answers.append((500, {}))
    receive(texted)
    send(texted)
    with texted.writing() as tx:
        (attempt,) = tx.connection.execute(select(attempts.c.id)).scalars()
        delivery_reports.apply_report(tx, Report("twilio", attempt, Delivery.DELIVERED, "SM9"))
    clock.moves(minutes=6)
    jobs.settle(texted)
    send(texted)
    assert (state(texted), settled(texted), len(stub.posts)) == ("delivered", ["report"], 1)


def test_equal_texts_are_counted(texted: Runtime, stub: Stub, clock: Clock) -> None:
    """Of three equal answers one is known to be accepted; the carrier has two; one is resent."""
    stub.answers += ["sent", "stall", (500, {})]
    for _ in range(3):
        clock.moves(minutes=3)
        receive(texted, "BANTUAN")
        send(texted)
    clock.moves(seconds=30)
    jobs.settle(texted)
    send(texted)
    assert sorted(filter(None, settled(texted))) == ["absent", "found"]
    assert len(stub.posts) == 4
    assert len(stub.books) == 3


def test_a_record_with_another_text_does_not_settle(
    texted: Runtime, stub: Stub, clock: Clock
) -> None:
    """It may be ours, with characters replaced or the text taken out: not absent for sure."""
    stub.answers.append("stall")
    receive(texted)
    send(texted)
    stub.books[0]["body"] = ""
    clock.moves(minutes=1)
    jobs.settle(texted)
    assert (state(texted), settled(texted)) == ("unknown", [None])
    clock.moves(minutes=5)
    jobs.settle(texted)
    assert settled(texted) == ["resent"]  # by policy


def test_a_send_resumed_by_an_operator_gets_a_new_validity(
    texted: Runtime, stub: Stub, clock: Clock
) -> None:
    stub.are_books_open = False
    stub.answers.append((500, {}))
    receive(texted)
    send(texted)
    clock.moves(hours=5)
    with texted.writing() as tx:
        (reply_id,) = [each.reply_id for each in reconciliation.all_open(tx)]
        assert reconciliation.decide(tx, reply_id, resend_for=timedelta(hours=2))
    sweep(texted)
    send(texted)
    assert (state(texted), len(stub.posts)) == ("sent", 2)


def test_an_unreachable_carrier_is_asked_once_a_round(
    texted: Runtime, stub: Stub, clock: Clock
) -> None:
    stub.are_books_open = False
    stub.answers += [(500, {})] * 3
    for text in ("SALDO", "STATUS", "JP"):
        clock.moves(minutes=3)
        receive(texted, text)
        send(texted)
    clock.moves(minutes=1)
    before = stub.lookups
    jobs.settle(texted)
    assert stub.lookups == before + 1
    jobs.settle(texted, is_over=lambda: True)
    assert stub.lookups == before + 1


def test_a_late_end_of_an_attempt_that_was_found_absent_changes_nothing(
    texted: Runtime, stub: Stub, clock: Clock
) -> None:
    receive(texted)
    with texted.writing() as tx:
        (claim,) = leases.claim(tx, "twilio", OURS, 1)
    clock.moves(minutes=1)
    sweep(texted)
    clock.moves(minutes=1)
    jobs.settle(texted)
    assert (state(texted), settled(texted)) == ("queued", ["absent"])
    with texted.writing() as tx:
        leases.record(tx, [SendResult(claim, error=SendError(Ending.UNKNOWN, "late"))])
    send(texted)
    assert (state(texted), len(stub.posts)) == ("sent", 1)


def test_nothing_is_concluded_while_another_sms_is_being_sent(
    texted: Runtime, stub: Stub, clock: Clock
) -> None:
    stub.answers.append((500, {}))
    receive(texted)
    send(texted)
    clock.moves(minutes=3)
    receive(texted, "STATUS")
    with texted.writing() as tx:
        leases.claim(tx, "twilio", OURS, 1)
    jobs.settle(texted)
    assert settled(texted) == [None, None]


def test_an_expired_send_is_not_resent(texted: Runtime, stub: Stub, clock: Clock) -> None:
    stub.are_books_open = False
    stub.answers.append((500, {}))
    receive(texted)
    send(texted)
    clock.moves(hours=2)
    jobs.settle(texted)
    send(texted)
    assert (state(texted), len(stub.posts)) == ("unknown", 1)


def test_an_opt_out_at_the_carrier_is_recorded(texted: Runtime, stub: Stub) -> None:
    stub.answers.append((400, {"code": 21610}))
    receive(texted)
    send(texted)
    with texted.reading() as tx:
        assert tx.connection.execute(select(phones.c.stopped_at)).scalar_one() is not None
    assert state(texted) == "refused"


def test_an_operator_decides(
    rt: Runtime, texted: Runtime, environ: dict[str, str], stub: Stub, clock: Clock
) -> None:
    clock.now = datetime.now(UTC)  # as the command has it
    texted = over_twilio(rt, environ | {"SMSGW_UNKNOWN": "ask_operator"})
    stub.answers += [(500, {}), (500, {})]
    receive(texted)
    send(texted)
    listed = command(environ, "list")
    assert "+6281*****7890" in listed
    reply_id = listed.split()[0]
    assert command(environ, "resend", reply_id) == f"{reply_id} is sent again\n"
    clock.moves(minutes=1)
    send(texted)
    assert (settled(texted), len(stub.posts)) == (["resent", None], 2)
    assert command(environ, "close", reply_id) == f"{reply_id} is closed\n"
    assert command(environ, "list") == ""
    assert "not unresolved" in command(environ, "close", reply_id, "99")
    assert (state(texted), len(stub.posts)) == ("refused", 2)


def command(environ: dict[str, str], *words: str) -> str:
    done = forked(environ, "unknown", *words)
    return done.stdout + done.stderr
