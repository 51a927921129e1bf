import socket
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, quote_from_bytes, urlsplit

import pytest

from smsgw import settings
from smsgw.carriers.carrier import (
    Delivery,
    Ending,
    Forged,
    Malformed,
    OutgoingSms,
    SendError,
    WebhookRequest,
)
from smsgw.carriers.kannel import Kannel, KannelSettings
from tests.support.http_stub import WebStub, web_stub

ENVIRON = {
    "SMSGW_CARRIER": "kannel",
    "KANNEL_USERNAME": "smsgw",
    "KANNEL_PASSWORD": "s3cret of ours",
    "KANNEL_FROM": "2757",
    "KANNEL_INBOUND_PASSWORD": "new-password,old-password",
    "PORT": "8123",
}
SMS = OutgoingSms(7, "+6281234567890", "2757", "Saldo JHT", timedelta(seconds=90))
IN = "id=f0db7057&from=%2B6281234567890&to=2757&charset=UTF-8&text="


def carrier(url: str = "http://127.0.0.1:13013/cgi-bin/sendsms", **more: str) -> Kannel:
    made = settings.load(ENVIRON | {"KANNEL_SENDSMS_URL": url} | more)
    return Kannel(made.of(KannelSettings), (1.0, 0.3))


def request(query: str, body: bytes = b"", **headers: str) -> WebhookRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest("/in/kannel", query, named, (), body)


def basic(password: str) -> str:
    return "Basic " + b64encode(f"kannel:{password}".encode()).decode()


@pytest.fixture
def stub() -> Iterator[WebStub]:
    with web_stub() as made:
        yield made


@pytest.mark.parametrize("password", ["new-password", "old-password"])
def test_the_right_password_is_accepted(password: str) -> None:
    carrier().verify(request(IN, authorization=basic(password)))


@pytest.mark.parametrize("header", ["", "Basic", "Basic é", "Basic AA=", basic("x"), basic("")])
def test_a_wrong_password_is_refused(header: str) -> None:
    with pytest.raises(Forged):
        carrier().verify(request(IN, authorization=header))
    with pytest.raises(Forged):
        carrier().verify(
            request(IN, authorization=basic("new-password").replace("Basic", "Bearer"))
        )


@pytest.mark.parametrize(
    ("charset", "octets"),
    [
        ("UTF-8", "SALDO  Åsa \N{GRINNING FACE}".encode()),
        ("UTF-16BE", "SALDO  Åsa \N{GRINNING FACE}".encode("utf-16-be")),
        ("8-BIT", "SALDO  Åsa ?".encode("latin-1")),
        ("", "SALDO  Åsa \N{GRINNING FACE}".encode()),
    ],
)
def test_texts_are_read_in_any_charset(charset: str, octets: bytes) -> None:
    query = IN.replace("UTF-8", charset) + quote_from_bytes(octets)
    (read,) = carrier().read_messages(request(query))
    assert read.text.replace("\N{GRINNING FACE}", "?") == "SALDO  Åsa ?"
    assert (read.carrier_ref, read.sender, read.sender_id) == ("f0db7057", "+6281234567890", "2757")
    (posted,) = carrier().read_messages(
        request(
            "id=f0db7057&from=%2B6281234567890&to=2757",
            octets,
            content_type=f'text/plain; charset="{charset or "UTF-8"}"',
        )
    )
    assert posted == read


@pytest.mark.parametrize("text", ["", "%00SALDO", "%FF%FE", "a+b%2Bc", "a%26from=x"])
def test_any_octets_can_be_read(text: str) -> None:
    (read,) = carrier().read_messages(request(IN + text))
    assert "\0" not in read.text


def test_a_parameter_inside_a_text_stays_text() -> None:
    (read,) = carrier().read_messages(request(IN + "a%26from%3D%2B62899"))
    assert (read.text, read.sender) == ("a&from=+62899", "+6281234567890")


@pytest.mark.parametrize(
    ("to", "sender_id"), [("+2757", "2757"), ("+6281100000000", "+6281100000000")]
)
def test_a_short_number_has_no_plus(to: str, sender_id: str) -> None:
    (read,) = carrier().read_messages(request(IN.replace("2757", to.replace("+", "%2B"))))
    assert read.sender_id == sender_id


@pytest.mark.parametrize("absent", ["id", "from", "to"])
def test_a_message_without_a_required_field_is_malformed(absent: str) -> None:
    with pytest.raises(Malformed):
        carrier().read_messages(request(IN.replace(f"{absent}=", "x=")))


@pytest.mark.parametrize(
    ("query", "delivery", "code"),
    [
        ("out=7&type=1&answer=id%3A1+stat%3ADELIVRD+err%3A000", Delivery.DELIVERED, None),
        ("out=7&type=2&answer=id%3A1+stat%3AUNDELIV+err%3A0CB", Delivery.UNDELIVERED, "0CB"),
        ("out=7&type=8&answer=ACK%2F", Delivery.SENT, None),
        ("out=7&type=16&answer=NACK%2F0x0000000b%2FInvalid", Delivery.UNDELIVERED, "0x0000000b"),
        ("out=7&type=16", Delivery.UNDELIVERED, None),
    ],
)
def test_delivery_reports_are_read(query: str, delivery: Delivery, code: str | None) -> None:
    (report,) = carrier().read_reports(request(query))
    assert (report.attempt_id, report.delivery, report.code) == (7, delivery, code)


def test_an_intermediate_report_is_ignored_and_an_empty_one_malformed() -> None:
    assert carrier().read_reports(request("out=7&type=4")) == []
    assert carrier().read_reports(request("out=7&type=99")) == []
    for query in ("", "out=", "out=x&type=1", "out=-1&type=1", "out=" + "9" * 30):
        with pytest.raises(Malformed):
            carrier().read_reports(request(query))


def test_a_send_is_one_call_that_names_its_attempt(stub: WebStub) -> None:
    stub.answers.append((202, b"0: Accepted for delivery"))
    carrier(stub.url).send(SMS)
    (path,) = stub.paths
    assert {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()} == {
        "username": "smsgw",
        "password": "s3cret of ours",
        "from": "2757",
        "to": "+6281234567890",
        "text": "Saldo JHT",
        "validity": "2",
        "dlr-mask": "31",
        "dlr-url": "http://kannel:new-password@127.0.0.1:8123/in/kannel/status"
        "?out=7&type=%d&answer=%A",
    }


def test_only_what_is_not_gsm7_is_sent_as_ucs2(stub: WebStub) -> None:
    stub.answers += [(202, b"0: Accepted for delivery"), (202, b"3: Queued for later delivery")]
    carrier(stub.url).send(OutgoingSms(7, "+6281234567890", "2757", "harga 5 €"))
    carrier(stub.url).send(OutgoingSms(7, "+6281234567890", "2757", "ok \N{GRINNING FACE}"))
    plain, other = (parse_qs(urlsplit(path).query) for path in stub.paths)
    assert "coding" not in plain
    assert (other["coding"], other["charset"]) == (["2"], ["UTF-8"])


def test_reports_come_to_the_public_address_where_there_is_one(stub: WebStub) -> None:
    stub.answers.append((202, b"0: Accepted for delivery"))
    carrier(stub.url, SMSGW_PUBLIC_URL="https://sms.example.org/base").send(SMS)
    (path,) = stub.paths
    (address,) = parse_qs(urlsplit(path).query)["dlr-url"]
    assert address.startswith("https://kannel:new-password@sms.example.org/base/in/kannel/status?")


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        ((403, b"Not routable. Do not try again."), Ending.REFUSED),
        ((403, b"Authorization failed for sendsms"), Ending.REFUSED),
        ((400, b"Missing receiver number, rejected"), Ending.REFUSED),
        ((400, b"Empty receiver number not allowed, rejected"), Ending.REFUSED),
        ((400, b"DLR-URL field misformed, rejected"), Ending.REFUSED),
        ((404, b""), Ending.REFUSED),
        ((503, b"Temporal failure, try again later."), Ending.RETRY),
        ((500, b"Sending failed."), Ending.UNKNOWN),
        ((302, b""), Ending.UNKNOWN),
        ("reset", Ending.UNKNOWN),
        ("stall", Ending.UNKNOWN),
    ],
)
def test_every_answer_has_one_ending_and_one_call(
    stub: WebStub, answer: object, ending: Ending
) -> None:
    stub.answers.append(answer)
    with pytest.raises(SendError) as raised:
        carrier(stub.url).send(SMS)
    assert (raised.value.ending, len(stub.paths)) == (ending, 1)
    assert "81234567890" not in str(raised.value)


def test_a_failed_connection_may_be_retried() -> None:
    with pytest.raises(SendError) as raised:
        carrier("http://127.0.0.1:9/cgi-bin/sendsms").send(SMS)
    assert raised.value.ending == Ending.RETRY


def test_synthetic_participants_are_never_texted(stub: WebStub) -> None:
    with pytest.raises(SendError) as raised:
        carrier(stub.url).send(OutgoingSms(7, "+6284000000001", "2757", "x"))
    assert raised.value.ending == Ending.REFUSED
    assert stub.paths == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KANNEL_INBOUND_PASSWORD", "short"),
        ("KANNEL_INBOUND_PASSWORD", "a%dangerous:one@here"),
        ("KANNEL_FROM", "TELKOMSEL"),
        ("KANNEL_SENDSMS_URL", "127.0.0.1:13013"),
        ("KANNEL_USERNAME", ""),
        ("KANNEL_PASSWORD", ""),
    ],
)
def test_invalid_settings_are_refused(name: str, value: str) -> None:
    with pytest.raises(settings.SettingsError, match=name):
        carrier(**{name: value})


def test_a_user_in_the_address_is_named_in_a_header() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        port = server.getsockname()[1]
        sent = pool.submit(carrier(f"http://proxy:p%40ss@127.0.0.1:{port}/sendsms").send, SMS)
        connection, _ = server.accept()
        with connection:
            asked = connection.recv(65_536).decode()
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            sent.result()
    header = b64encode(b"proxy:p@ss").decode()
    assert f"\r\nauthorization: basic {header}\r\n".lower() in asked.lower()
    assert f"\r\nHost: 127.0.0.1:{port}\r\n" in asked
