"""Checks what is counted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from smsgw import settings
from smsgw.app import create_app
from smsgw.carriers.carrier import Delivery, Ending, IncomingSms, Report
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import delivery_reports, dispatch, throttle
from smsgw.messaging.hourly_counts import BUCKETS, Tallies
from smsgw.operations.clock import sweep
from smsgw.operations.jobs import give_deferred_answers
from smsgw.registry import holidays
from smsgw.responder import respond
from smsgw.runtime import Runtime
from smsgw.storage.engines import engine
from smsgw.storage.tables.messages import attempts, messages, replies
from tests.conftest import P1, Clock
from tests.support.conversation import say
from tests.support.metrics import figures
from tests.support.sender_ids import SENDER_ID, Failing, receive, with_carrier


@pytest.fixture
def client(rt: Runtime) -> Iterator[FlaskClient]:
    with create_app(rt).test_client() as made:
        yield made


def counted(client: FlaskClient, rt: Runtime) -> dict[tuple[str, ...], float]:
    """Returns the figures once the clock has summed up."""
    Tallies(rt).step()
    return figures(client)


def test_each_reply_is_counted_once_at_each_step(
    client: FlaskClient, rt: Runtime, clock: Clock
) -> None:
    receive(rt, clock, 3)
    clock.moves(seconds=2)
    metrics = counted(client, rt)
    assert metrics["smsgw_messages_received_total", "simulator"] == 3
    assert metrics["smsgw_messages_answered_total", "saldo", "answered", ""] == 3
    assert metrics["smsgw_outbox", "simulator", SENDER_ID, "queued"] == 3
    assert metrics["smsgw_outbox_oldest_seconds", "simulator", SENDER_ID, "queued"] == 6 * 60 + 2
    dispatch.drain(
        with_carrier(rt, Failing(Ending.REFUSED, Ending.UNKNOWN)), "simulator", SENDER_ID
    )
    metrics = counted(client, rt)
    assert metrics["smsgw_sends_total", "simulator", "busy", "refused"] == 1
    assert metrics["smsgw_sends_total", "simulator", "busy", "unknown"] == 1
    assert metrics["smsgw_sends_total", "simulator", "", "sent"] == 1
    assert metrics["smsgw_segments_total", "simulator"] == 1
    assert metrics["smsgw_reply_seconds_count", "simulator"] == 1
    assert metrics["smsgw_unknowns",] == 1
    with rt.writing() as tx:
        in_doubt = select(attempts.c.id).where(attempts.c.ending == "unknown")
        attempt = tx.connection.execute(in_doubt).scalar_one()
        delivery_reports.apply_report(
            tx, Report("simulator", attempt, Delivery.UNDELIVERED, code="30003")
        )
    metrics = counted(client, rt)
    assert metrics["smsgw_unknowns",] == 0
    assert metrics["smsgw_unknowns_settled_total", "report"] == 1
    assert metrics["smsgw_sends_total", "simulator", "busy", "unknown"] == 1
    assert metrics["smsgw_undelivered", "simulator", "30003"] == 1
    assert metrics["smsgw_reply_seconds_count", "simulator"] == 2
    assert ("smsgw_outbox", "simulator", SENDER_ID, "queued") not in metrics


def test_how_long_a_reply_took_is_counted_from_the_messages_receipt(
    client: FlaskClient, rt: Runtime, clock: Clock
) -> None:
    receive(rt, clock)
    clock.moves(seconds=3)
    dispatch.drain(rt, "simulator", SENDER_ID)
    metrics = counted(client, rt)
    assert metrics["smsgw_reply_seconds_sum", "simulator"] == 3
    reached = [metrics["smsgw_reply_seconds_bucket", "simulator", str(le)] for le in BUCKETS]
    assert reached == [0.0] * 5 + [1.0] * 7
    assert metrics["smsgw_reply_seconds_bucket", "simulator", "+Inf"] == 1


def test_the_service_level_is_reported_by_carrier(
    client: FlaskClient, rt: Runtime, clock: Clock
) -> None:
    receive(rt, clock, 3)
    clock.moves(seconds=7)
    dispatch.drain(with_carrier(rt, Failing(Ending.REFUSED)), "simulator", SENDER_ID)
    clock.moves(seconds=3)
    assert not any(name.startswith("smsgw_service_level") for name, *_ in figures(client))
    Tallies(rt).step()
    metrics = figures(client)
    assert metrics["smsgw_service_level_answers", "simulator"] == 3
    assert metrics["smsgw_service_level_answers_within", "simulator", "5"] == 0
    assert metrics["smsgw_service_level_answers_within", "simulator", "10"] == 1


def test_deferred_and_lost_messages_are_reported(
    client: FlaskClient, rt: Runtime, clock: Clock
) -> None:
    away = replace(rt, ledger=SqlLedger(engine("sqlite:////nonexistent/ledger.db")))
    receive(away, clock)
    clock.moves(hours=3)
    sweep(rt)
    seen = counted(client, rt)
    assert (seen["smsgw_answers_owed",], seen["smsgw_replies_lost",]) == (1, 1)
    assert seen["smsgw_answers_owed_oldest_seconds",] == 3 * 3600
    with rt.writing() as tx:
        tx.connection.execute(update(messages).values(state="failed"))
    assert figures(client)["smsgw_answers_failed",] == 1


def test_a_throttle_that_said_no_is_counted(
    client: FlaskClient, rt: Runtime, environ: dict[str, str]
) -> None:
    own = replace(rt, settings=settings.load(environ | {"SMSGW_SENDER_RATES": f"{SENDER_ID}=1"}))
    for _ in range(3):
        throttle.take(own, "simulator", SENDER_ID, 1)
    assert figures(client)["smsgw_sender_id_throttled_total", "simulator", SENDER_ID] == 2


def test_messages_by_other_channels_are_counted_once(client: FlaskClient, rt: Runtime) -> None:
    away = replace(rt, ledger=SqlLedger(engine("sqlite:////nonexistent/ledger.db")))
    ours = {"a": "2757", "b": "whatsapp:+15005550006", "c": "rcs:agent", "d": "rcs:agent"}
    for reference, sender_id in (*ours.items(), ("b", ours["b"])):
        respond(away, IncomingSms("twilio", reference, P1, sender_id, "SALDO 12345678901"))
    give_deferred_answers(rt)
    counted = {key[1:]: number for key, number in figures(client).items() if "channel" in key[0]}
    assert counted == {("twilio", "whatsapp"): 1, ("twilio", "rcs"): 2}


def test_metrics_need_the_token_or_loopback(
    rt: Runtime, environ: dict[str, str], client: FlaskClient
) -> None:
    outside = {"REMOTE_ADDR": "192.0.2.1"}
    token = {"Authorization": "Bearer a token of metrics"}
    assert client.get("/metrics", environ_base=outside).status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 403
    assert client.get("/metrics", environ_base=outside, headers=token).status_code == 403
    assert "parts" not in client.get("/readyz", environ_base=outside).json
    for base, may_look in (("https://sms.example.org", False), ("http://127.0.0.1:8000", True)):
        public = settings.load(environ | {"SMSGW_PUBLIC_URL": base})
        with create_app(replace(rt, settings=public)).test_client() as visitor:
            assert visitor.get("/metrics").status_code == (200 if may_look else 403)
            assert ("parts" in visitor.get("/readyz").json) == may_look
    own = replace(
        rt, settings=settings.load(environ | {"SMSGW_METRICS_TOKEN": "a token of metrics"})
    )
    with create_app(own).test_client() as visitor:
        assert visitor.get("/metrics", environ_base=outside, headers=token).status_code == 200
        assert "parts" in visitor.get("/readyz", environ_base=outside, headers=token).json
        for wrong in ({}, {"Authorization": "Bearer another"}):
            assert visitor.get("/metrics", headers=wrong).status_code == 403


def test_metrics_hold_nothing_secret(client: FlaskClient, rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    dispatch.drain(rt, "simulator", SENDER_ID)
    with rt.reading() as tx:
        assert tx.connection.execute(select(replies.c.id)).all()
    metrics = client.get("/metrics").text
    for secret in ("6281234567890", "19012345678", "SALDO 1", "123.456.789"):
        assert secret not in metrics


def test_the_daily_budget_is_reported(rt: Runtime, environ: dict[str, str], clock: Clock) -> None:
    limited = replace(rt, settings=settings.load(environ | {"SMSGW_DAILY_SEGMENTS": "10"}))
    receive(limited, clock, 2)
    with create_app(limited).test_client() as client:
        metrics = figures(client)
    assert metrics["smsgw_budget_segments",] == 10
    assert metrics["smsgw_budget_spent_segments",] == 2
    assert not any(name.startswith("smsgw_code_budget") for name, *_ in metrics)


def test_the_budget_of_a_calling_code_is_reported(
    rt: Runtime, environ: dict[str, str], clock: Clock
) -> None:
    """Named codes are reported, and others once they have cost something."""
    budgets = {"SMSGW_DAILY_SEGMENTS_BY_CODE": "62=9,60=5,*=3"}
    limited = replace(rt, settings=settings.load(environ | budgets))
    receive(limited, clock, 2)
    say(limited, "+6581234500", "KONTAK")
    with create_app(limited).test_client() as client:
        metrics = figures(client)
    codes = {key: value for key, value in metrics.items() if "budget" in key[0]}
    assert codes == {
        ("smsgw_code_budget_segments", "60"): 5,
        ("smsgw_code_budget_segments", "62"): 9,
        ("smsgw_code_budget_segments", "65"): 3,
        ("smsgw_code_budget_spent_segments", "60"): 0,
        ("smsgw_code_budget_spent_segments", "62"): 2,
        ("smsgw_code_budget_spent_segments", "65"): 1,
    }


def test_a_code_without_a_limit_is_not_reported(
    rt: Runtime, environ: dict[str, str], clock: Clock
) -> None:
    budgets = {"SMSGW_DAILY_SEGMENTS_BY_CODE": "60=5"}
    limited = replace(rt, settings=settings.load(environ | budgets))
    receive(limited, clock)
    with create_app(limited).test_client() as client:
        metrics = figures(client)
    assert {key[1:] for key in metrics if "budget" in key[0]} == {("60",)}


def test_holidays_of_next_year_are_counted(client: FlaskClient, rt: Runtime) -> None:
    assert figures(client)["smsgw_holidays_next_year",] == 0
    with rt.writing() as tx:
        holidays.add(tx, {date(2025, 12, 25): "Natal", date(2026, 1, 1): "Tahun Baru"}, "shell:ani")
    assert figures(client)["smsgw_holidays_next_year",] == 1
