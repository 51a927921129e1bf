import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from threading import Thread

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from smsgw import carriers, runtime, settings
from smsgw.app import create_app
from smsgw.carriers.carrier import WebhookRequest
from smsgw.messaging import leases
from smsgw.runtime import Runtime
from smsgw.storage import engines, migrations
from smsgw.storage.counters import Counters
from smsgw.storage.tables.messages import messages, replies
from smsgw.web.middleware import Places
from smsgw.web.webhooks import Webhooks
from tests.conftest import P1
from tests.support.twilio_api import ALL_CARRIERS

KANNEL = "/in/kannel?id=f0db7057&from=%2B6281234567890&to=2757&text=SALDO&charset=UTF-8"
AUTH = ("kannel", "twelve-letters")
LOOKS = {"Authorization": "Bearer a token of metrics"}
FORM = {"MessageSid": "SM1", "From": P1, "To": "+15005550006", "Body": "SALDO"}


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | ALL_CARRIERS


@pytest.fixture
def client(rt: Runtime) -> Iterator[FlaskClient]:
    with create_app(rt).test_client() as made:
        yield made


def post(client: FlaskClient, path: str, form: dict[str, str], **headers: str) -> TestResponse:
    url = ALL_CARRIERS["SMSGW_PUBLIC_URL"] + path
    signature = RequestValidator("token").compute_signature(url, form)
    return client.post(path, data=form, headers={"X-Twilio-Signature": signature} | headers)


def stored(rt: Runtime) -> tuple[int, int]:
    with rt.reading() as tx:
        return tuple(
            tx.connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (messages, replies)
        )


def test_a_message_is_stored_acknowledged_and_hinted(
    client: FlaskClient, rt: Runtime, redis_url: str
) -> None:
    answer = post(client, "/in/twilio", FORM)
    assert (answer.status_code, answer.mimetype) == (200, "text/xml")
    assert answer.text == '<?xml version="1.0" encoding="UTF-8"?><Response/>'
    assert stored(rt) == (1, 1)
    with Redis.from_url(redis_url) as queue:
        assert queue.get("hint:twilio:+15005550006")
        assert queue.llen("rq:queue:smsgw") == 1


def test_signatures_cover_escapes_as_sent(client: FlaskClient, rt: Runtime) -> None:
    assert post(client, "/in/%74wilio?k=%C3%A9&t=a%2Fb~%7E+c", FORM).status_code == 200
    assert stored(rt) == (1, 1)


def test_a_repeated_webhook_is_acknowledged_and_stored_once(
    client: FlaskClient, rt: Runtime
) -> None:
    for _ in range(3):
        assert post(client, "/in/twilio?again=%20", FORM).status_code == 200
    assert stored(rt) == (1, 1)


@pytest.mark.parametrize("signature", [None, "", "x" * 28, "é"])
def test_a_forged_message_leaves_no_row(
    client: FlaskClient, rt: Runtime, signature: str | None
) -> None:
    headers = {} if signature is None else {"X-Twilio-Signature": signature.encode().decode("l1")}
    assert client.post("/in/twilio", data=FORM, headers=headers).status_code == 403
    assert stored(rt) == (0, 0)


def test_a_replayed_signature_with_another_body_leaves_no_row(
    client: FlaskClient, rt: Runtime
) -> None:
    url = ALL_CARRIERS["SMSGW_PUBLIC_URL"] + "/in/twilio"
    headers = {"X-Twilio-Signature": RequestValidator("token").compute_signature(url, FORM)}
    answer = client.post("/in/twilio", data=FORM | {"Body": "SALDO 1"}, headers=headers)
    assert answer.status_code == 403
    assert stored(rt) == (0, 0)


def test_the_host_header_does_not_affect_the_signature(client: FlaskClient) -> None:
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    assert post(client, "/in/twilio", FORM, **forwarded).status_code == 200


def test_a_missing_field_is_malformed(client: FlaskClient, rt: Runtime) -> None:
    assert post(client, "/in/twilio", {"MessageSid": "SM1"}).status_code == 400
    assert stored(rt) == (0, 0)


@pytest.mark.parametrize(
    ("field", "value", "needed"),
    [
        ("messageId", "", "an id"),
        ("messageId", " ", "an id"),
        ("messageId", "x" * 65, "an id"),
        ("from", "", "a sender"),
        ("to", " ", "a recipient"),
    ],
)
def test_a_message_without_a_usable_key_is_malformed(
    client: FlaskClient, rt: Runtime, field: str, value: str, needed: str
) -> None:
    """A message beside it is stored."""
    whole = {"messageId": "M1", "from": P1, "to": "2757", "text": "SALDO"}
    path, broken = "/in/http?key=twelve-letters", whole | {field: value}
    answer = client.post(path, json={"results": [broken]})
    assert answer.status_code == 400
    assert f"a message needs {needed} of 1 to 64 characters" in answer.text
    assert stored(rt) == (0, 0)
    assert client.post(path, json={"results": [broken, whole]}).status_code == 200
    assert stored(rt) == (1, 1)


@pytest.mark.parametrize("ref", ["", "%20", "x" * 65])
def test_each_carrier_needs_an_id(client: FlaskClient, rt: Runtime, ref: str) -> None:
    form = FORM | {"MessageSid": ref.replace("%20", " ")}
    assert post(client, "/in/twilio", form).status_code == 400
    kannel = KANNEL.replace("f0db7057", ref)
    assert client.get(kannel, auth=AUTH).status_code == 400
    assert stored(rt) == (0, 0)


def test_a_report_updates_the_reply(client: FlaskClient, rt: Runtime) -> None:
    post(client, "/in/twilio", FORM)
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "twilio", "+15005550006", 1)
    path = f"/in/twilio/status?out={claim.sms.attempt_id}"
    delivered = {"MessageSid": "SMx", "MessageStatus": "delivered"}
    assert post(client, path, delivered).status_code == 204
    assert post(client, path, delivered | {"MessageStatus": "sent"}).status_code == 204
    assert state(rt) == "delivered"


def test_a_late_delivery_clears_the_failure_code(client: FlaskClient, rt: Runtime) -> None:
    post(client, "/in/twilio", FORM)
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "twilio", "+15005550006", 1)
    path = f"/in/twilio/status?out={claim.sms.attempt_id}"
    failed = {"MessageSid": "SMx", "MessageStatus": "undelivered", "ErrorCode": "30003"}
    post(client, path, failed)
    post(client, path, {"MessageSid": "SMx", "MessageStatus": "delivered"})
    with rt.reading() as tx:
        held = tx.connection.execute(select(replies.c.state, replies.c.code)).one()
    assert tuple(held) == ("delivered", None)


@pytest.mark.parametrize(
    "form",
    [
        {"MessageSid": "SM1\0", "From": "\0", "To": "\0", "Body": "SAL\0DO"},
        {"MessageSid": "SM1", "From": P1 + "\0", "To": "+15005550006", "Body": "\ufffd\x01\x7f"},
        {"MessageSid": "SM1", "From": "x" * 5000, "To": "y" * 5000, "Body": "z" * 30_000},
        {"MessageSid": "SM1", "From": "TELKOMSEL", "To": "2757", "Body": "👍" * 1600},
        {"MessageSid": "SM1", "From": "+62" + "9" * 300, "To": "", "Body": ""},
    ],
)
def test_unusual_characters_from_a_carrier_are_stored(
    client: FlaskClient, rt: Runtime, form: dict[str, str]
) -> None:
    assert post(client, "/in/twilio", form).status_code in {200, 400}
    assert post(client, "/in/twilio/status?out=1", form).status_code == 204
    assert stored(rt)[0] <= 1


def test_a_report_for_another_carriers_attempt_is_ignored(client: FlaskClient, rt: Runtime) -> None:
    """A report from another carrier, or under another id, is ignored."""
    post(client, "/in/twilio", FORM)
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "twilio", "+15005550006", 1)
        leases.record(tx, [leases.SendResult(claim, carrier_ref="SMours")])
    attempt = claim.sms.attempt_id
    assert client.get(f"/in/kannel/status?out={attempt}&type=1", auth=AUTH).status_code == 200
    path = f"/in/twilio/status?out={attempt}"
    report = {"MessageSid": "SMother", "MessageStatus": "delivered"}
    assert post(client, path, report).status_code == 204
    assert state(rt) == "sent"
    assert post(client, path, report | {"MessageSid": "SMours"}).status_code == 204
    assert state(rt) == "delivered"


def state(rt: Runtime) -> str:
    with rt.reading() as tx:
        return str(tx.connection.execute(select(replies.c.state)).scalar_one())


def test_kannel_always_gets_200_with_an_empty_body(client: FlaskClient, rt: Runtime) -> None:
    posted = client.post(
        KANNEL.replace("text=SALDO&", ""), data=b"SALDO", content_type="text/plain", auth=AUTH
    )
    for answer in (posted, client.get(KANNEL, auth=AUTH)):
        assert (answer.status_code, answer.data) == (200, b"")
    assert stored(rt) == (1, 1)
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "kannel", "2757", 5)
    report = f"/in/kannel/status?out={claim.sms.attempt_id}&type=1"
    answer = client.get(report, auth=AUTH)
    assert (answer.status_code, answer.data) == (200, b"")
    assert state(rt) == "delivered"


def test_kannel_needs_the_password(client: FlaskClient, rt: Runtime) -> None:
    for auth in (None, ("kannel", "another-one")):
        assert client.get(KANNEL, auth=auth).status_code == 403
        assert client.get("/in/kannel/status?out=1&type=1", auth=auth).status_code == 403
    assert client.get("/in/kannel?id=1", auth=AUTH).status_code == 400
    assert stored(rt) == (0, 0)


@pytest.mark.parametrize(("address", "status"), [("10.1.2.3", 200), ("127.0.0.1", 403), ("", 403)])
def test_kannel_can_be_limited_to_its_address(
    rt: Runtime, environ: dict[str, str], address: str, status: int
) -> None:
    """A forwarding header changes nothing."""
    made = settings.load(environ | {"KANNEL_INBOUND_NETWORKS": "10.1.0.0/16, ::1"})
    built = carriers.build(made.carriers, made.of_carriers)
    client = create_app(replace(rt, settings=made, carriers=built)).test_client()
    forwarded = {"X-Forwarded-For": "10.1.2.3"}
    answer = client.get(KANNEL, auth=AUTH, headers=forwarded, environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status


@pytest.mark.parametrize("query", ["?out=999", "?out=x", ""])
def test_a_report_without_an_attempt_changes_nothing(client: FlaskClient, query: str) -> None:
    answer = post(client, f"/in/twilio/status{query}", {"MessageStatus": "sent"})
    assert answer.status_code == (204 if query == "?out=999" else 400)


def test_without_the_database_a_webhook_gets_503(rt: Runtime) -> None:
    nowhere = replace(rt, service=engines.engine("sqlite:////nonexistent/service.db"))
    client = create_app(nowhere).test_client()
    assert post(client, "/in/twilio", FORM).status_code == 503
    assert post(client, "/in/twilio/status?out=1", {"MessageStatus": "sent"}).status_code == 503
    assert client.get(KANNEL, auth=AUTH).status_code == 503
    assert client.get("/in/kannel/status?out=1&type=1", auth=AUTH).status_code == 503
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_without_redis_messages_are_still_stored(rt: Runtime) -> None:
    gone = runtime.hints("unix:///nonexistent/redis.sock")
    client = create_app(replace(rt, redis=gone)).test_client()
    assert post(client, "/in/twilio", FORM).status_code == 200
    assert stored(rt) == (1, 1)
    readiness = client.get("/readyz", headers=LOOKS).json
    assert readiness["ready"]
    assert [part for part, is_there in readiness["parts"].items() if is_there] == [
        "database",
        "ledger",
    ]
    assert client.get("/metrics", headers=LOOKS).status_code == 200


def test_a_dropped_redis_connection_is_retried_once(rt: Runtime) -> None:
    """It is retried to count and to hint, and not again: a carrier waits meanwhile."""
    called: list[int] = []

    def hangs_up() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                called.append(1)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=hangs_up)
        thread.start()
        gone = runtime.hints(f"redis://127.0.0.1:{server.getsockname()[1]}")
        away = replace(rt, redis=gone, counters=Counters(gone))
        assert post(create_app(away).test_client(), "/in/twilio", FORM).status_code == 200
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert (len(called), stored(rt)) == (2, (1, 1))


def test_readiness_names_parts_only_with_the_token(client: FlaskClient) -> None:
    assert client.get("/readyz").json == {"ready": True}


def test_an_unused_carrier_has_no_route(tmp_path: object, redis_url: str) -> None:
    made = runtime.build(settings.load({"SMSGW_HOME": str(tmp_path), "REDIS_URL": redis_url}))
    migrations.upgrade(made.service, "service")
    client = create_app(made).test_client()
    for path in (
        "/in/twilio",
        "/in/twilio/status?out=1",
        "/in/simulator",
        "/in/kannel",
        "/in/http",
    ):
        assert client.post(path, data=FORM).status_code == 404
    assert client.post("/in/twilio", data={"Body": "x" * 70_000}).status_code in {404, 413}
    made.close()


def test_who_finds_no_place_is_asked_to_come_again(rt: Runtime) -> None:
    full = Webhooks(rt, Places(0, line=0), {"A": "b"})
    receive = full.find("POST", "/in/twilio")
    assert receive is not None
    made = receive(WebhookRequest("/in/twilio", "", {}, ()))
    written = full.write(made, is_last=False)
    assert written.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nA: b\r\nRetry-After: 5\r\nContent-Type: text/plain; charset=utf-8\r\n" in written
    assert stored(rt) == (0, 0)


@pytest.mark.parametrize(("method", "path"), [("PUT", "/in/twilio"), ("POST", "/in/nobody")])
def test_other_requests_are_left_to_flask(rt: Runtime, method: str, path: str) -> None:
    assert Webhooks(rt, Places(1, line=0), {}).find(method, path) is None
