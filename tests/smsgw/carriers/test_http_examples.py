"""Tests the examples in deploy/http/ with the formats that their aggregators document: a message,
its reply, the delivery report."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from smsgw import carriers, settings
from smsgw.app import create_app
from smsgw.carriers.carrier import Ending, OutgoingSms, SendError
from smsgw.messaging import dispatch
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages, replies
from tests.conftest import P1, P2
from tests.support.aggregator import Aggregator, ReceivedRequest, aggregator

EXAMPLES = Path(__file__).parents[3] / "deploy" / "http"
KEY = "inbound-secret"
ENVIRON = {
    "SMSGW_CARRIER": "http",
    "SMSGW_PUBLIC_URL": "https://sms.example.org",
    "INFOBIP_HOST": "xyz.api.infobip.com",
    "INFOBIP_API_KEY": "infobip-key",
    "INFOBIP_INBOUND_SECRET": KEY,
    "VONAGE_API_KEY": "abcd1234",
    "VONAGE_API_SECRET": "abcdef0123456789",
    "VONAGE_INBOUND_SECRET": KEY,
}


@dataclass(frozen=True)
class Documented:
    """Holds what an aggregator's documentation shows, around values of ours."""

    url: str
    sender_id: str
    inbound: Callable[[str, str], object]  # of a message's id and its sender
    taken: bytes
    refused: bytes
    report: Callable[[str, str], object]  # of an attempt and a status
    statuses: dict[str, str]
    sent: Callable[[ReceivedRequest], dict[str, Any]]


def infobip_message(ref: str, sender: str) -> dict[str, object]:
    return {
        "messageId": ref,
        "from": sender.removeprefix("+"),
        "to": "2757",
        "text": "SALDO",
        "cleanText": "",
        "keyword": "SALDO",
        "receivedAt": "2025-10-06T09:28:39.220+0000",
        "smsCount": 1,
        "price": {"pricePerMessage": 0, "currency": "EUR"},
    }


def infobip_report(attempt: str, status: str) -> dict[str, object]:
    report = {
        "bulkId": "BULK-ID-123-xyz",
        "messageId": "MESSAGE-ID-1",
        "to": P1.removeprefix("+"),
        "sender": "2757",
        "messageCount": 1,
        "callbackData": attempt,
        "status": {"groupId": 3, "groupName": status, "id": 5, "name": "X"},
        "error": {"groupId": 0, "groupName": "Ok", "id": 0, "name": "NO_ERROR", "permanent": False},
    }
    foreign = {name: value for name, value in report.items() if name != "callbackData"}
    return {"results": [foreign, report]}


def infobip_sent(asked: ReceivedRequest) -> dict[str, Any]:
    (message,) = asked.json["messages"]
    assert asked.headers["authorization"] == "App infobip-key"
    assert message["options"]["validityPeriod"]["amount"] > 0
    assert message["webhooks"]["delivery"]["url"].endswith(f"&key={KEY}")
    return {
        "from": message["sender"],
        "to": message["destinations"][0]["to"],
        "text": message["content"]["text"],
        "attempt": message["webhooks"]["callbackData"],
    }


def vonage_message(ref: str, sender: str) -> dict[str, object]:
    return {
        "api-key": "abcd1234",
        "msisdn": sender.removeprefix("+"),
        "to": "447700900000",
        "messageId": ref,
        "text": "SALDO",
        "type": "text",
        "keyword": "SALDO",
        "message-timestamp": "2025-01-01 12:00:00",
    }


def vonage_report(attempt: str, status: str) -> dict[str, object]:
    return {
        "msisdn": P1.removeprefix("+"),
        "to": "447700900000",
        "network-code": "51010",
        "messageId": "MESSAGE-ID-1",
        "price": "0.03330000",
        "status": status,
        "scts": "2001011400",
        "err-code": "0",
        "api-key": "abcd1234",
        "client-ref": attempt,
        "message-timestamp": "2025-01-01 12:00:00",
    }


def vonage_sent(asked: ReceivedRequest) -> dict[str, Any]:
    form = asked.form
    assert (form["api_key"], form["api_secret"]) == ("abcd1234", "abcdef0123456789")
    assert form["type"] == "text"
    return {name: form[name] for name in ("from", "to", "text")} | {"attempt": form["client-ref"]}


DOCUMENTED = {
    "infobip": Documented(
        url="https://${INFOBIP_HOST}",
        sender_id="2757",
        inbound=lambda ref, sender: {
            "results": [infobip_message(ref, sender), infobip_message(f"{ref}-2", P2)],
            "messageCount": 2,
            "pendingMessageCount": 0,
        },
        taken=b'{"bulkId": "B", "messages": [{"messageId": "MESSAGE-ID-1", "status": {"groupId": 1,'
        b' "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}}]}',
        refused=b'{"messages": [{"messageId": "M", "status": {"groupId": 5, "groupName":'
        b' "REJECTED", "id": 12, "name": "REJECTED_NO_CREDITS"}}]}',
        report=infobip_report,
        statuses={"PENDING": "sent", "EXPIRED": "undelivered", "DELIVERED": "delivered"},
        sent=infobip_sent,
    ),
    "vonage": Documented(
        url="https://rest.nexmo.com",
        sender_id="+447700900000",
        inbound=vonage_message,
        taken=b'{"message-count": "1", "messages": [{"to": "628", "message-id": "MESSAGE-ID-1",'
        b' "status": "0", "remaining-balance": "3.14", "network": "51010"}]}',
        refused=b'{"message-count": "1", "messages": [{"status": "4", "error-text": "Bad"}]}',
        report=vonage_report,
        statuses={"buffered": "sent", "failed": "undelivered", "delivered": "delivered"},
        sent=vonage_sent,
    ),
}


# An integer overflow: a violated constraint would pass for a repeat.
SECOND_FAILS = """
CREATE TRIGGER second_fails BEFORE INSERT ON messages WHEN NEW.carrier_ref = 'MO-1-2'
BEGIN SELECT abs(-9223372036854775808); END
"""


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Uses one kind of database: what counts here is not in it."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def stub() -> Iterator[Aggregator]:
    with aggregator() as made:
        yield made


@pytest.fixture(params=DOCUMENTED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def documented(name: str) -> Documented:
    return DOCUMENTED[name]


@pytest.fixture
def over(
    rt: Runtime, environ: dict[str, str], name: str, stub: Aggregator, tmp_path: Path
) -> Runtime:
    """Connects the service to the aggregator of an example, at the stub's address."""
    file = tmp_path / f"{name}.yaml"
    text = (EXAMPLES / f"{name}.yaml").read_text()
    file.write_text(text.replace(DOCUMENTED[name].url, stub.url))
    made = settings.load(environ | ENVIRON | {"SMSGW_HTTP_CARRIER": str(file)})
    return replace(rt, settings=made, carriers=carriers.build(made.carriers, made.of_carriers))


@pytest.fixture
def client(over: Runtime) -> Iterator[FlaskClient]:
    with create_app(over).test_client() as made:
        yield made


def states(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        found = tx.connection.execute(select(replies.c.state).order_by(replies.c.id)).scalars()
        return [str(state) for state in found]


def refs(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        found = tx.connection.execute(select(messages.c.carrier_ref).order_by(messages.c.id))
        return list(found.scalars())


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_example_loads_as_shipped(example: Path) -> None:
    settings.load(ENVIRON | {"SMSGW_HTTP_CARRIER": str(example)})
    assert example.stem in DOCUMENTED


def test_a_message_its_reply_and_its_report(
    over: Runtime, client: FlaskClient, stub: Aggregator, documented: Documented
) -> None:
    inbound = documented.inbound("MO-1", P1)
    for _ in range(2):  # the second is a repeat
        assert client.post(f"/in/http?key={KEY}", json=inbound).status_code == 200
    count = len(states(over))
    assert count == (2 if "results" in inbound else 1)
    stub.answers += [(200, documented.taken)] * count
    dispatch.drain(over, "http", documented.sender_id)
    assert states(over) == ["sent"] * count
    requested = [documented.sent(asked) for asked in stub.asked]
    assert requested[0]["from"] == documented.sender_id.removeprefix("+")
    assert P1.removeprefix("+") in {each["to"] for each in requested}
    assert all(each["text"] for each in requested)
    for status, state in documented.statuses.items():
        report = documented.report(requested[0]["attempt"], status)
        assert client.post(f"/in/http/status?key={KEY}", json=report).status_code == 200
        assert states(over).count(state) == (count if state == "sent" else 1)


def test_a_refusal_of_the_aggregator_is_final(
    over: Runtime, stub: Aggregator, documented: Documented
) -> None:
    stub.answers.append((200, documented.refused))
    with pytest.raises(SendError) as raised:
        over.carriers["http"].send(OutgoingSms(7, P1, documented.sender_id, "x"))
    assert raised.value.ending is Ending.REFUSED


def test_a_forged_request_leaves_no_row(
    over: Runtime, client: FlaskClient, documented: Documented
) -> None:
    for query in ("", "?key=", "?key=another-secret"):
        inbound, report = documented.inbound("MO-1", P1), documented.report("1", "DELIVERED")
        assert client.post(f"/in/http{query}", json=inbound).status_code == 403
        assert client.post(f"/in/http/status{query}", json=report).status_code == 403
    assert refs(over) == []


@pytest.mark.parametrize("name", ["infobip"], indirect=True)
def test_if_one_of_several_messages_cannot_be_stored_all_are_redelivered(
    over: Runtime, client: FlaskClient, documented: Documented
) -> None:
    """Messages that were stored the first time are recognised."""
    inbound = documented.inbound("MO-1", P1)
    with over.service.begin() as connection:
        connection.exec_driver_sql(SECOND_FAILS)
    refused = client.post(f"/in/http?key={KEY}", json=inbound)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert refs(over) == ["MO-1"]
    with over.service.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER second_fails")
    assert client.post(f"/in/http?key={KEY}", json=inbound).status_code == 200
    assert refs(over) == ["MO-1", "MO-1-2"]
    assert len(states(over)) == 2
