import math
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from smsgw import http_client, settings
from smsgw.carriers.carrier import (
    Delivery,
    Ending,
    Forged,
    Malformed,
    OutgoingSms,
    SendError,
    WebhookRequest,
)
from smsgw.carriers.twilio import Twilio, TwilioSettings, signature
from tests.support.twilio_api import TWILIO, Stub, twilio_stub

ENVIRON = TWILIO | {"TWILIO_AUTH_TOKEN": "new-token,old-token"}
FORM = (
    ("MessageSid", "SM1"),
    ("AccountSid", "AC" + "a" * 32),
    ("From", "+6281234567890"),
    ("To", "+15005550006"),
    ("Body", "SALDO 19012345678 \n"),
    ("NumSegments", "1"),
)
SMS = OutgoingSms(7, "+6281234567890", "+15005550006", "Saldo JHT")
LIMITS = (1.0, 0.3)
ANSWER = b'HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{"sid": "SM1"}'


def carrier(base: str = "") -> Twilio:
    environ = ENVIRON | ({"TWILIO_API_BASE": base} if base else {})
    return Twilio(settings.load(environ).of(TwilioSettings), LIMITS)


def signed(
    form: tuple[tuple[str, str], ...] = FORM,
    query: str = "",
    token: str = "new-token",
    path: str = "/in/twilio",
) -> WebhookRequest:
    url = "https://sms.example.org" + path + (f"?{query}" if query else "")
    header = RequestValidator(token).compute_signature(url, MultiDict(form))
    return WebhookRequest(path, query, {"x-twilio-signature": header}, form)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with twilio_stub() as made:
        yield made


def test_the_published_signature_vector_matches() -> None:
    """The vector is from https://www.twilio.com/docs/usage/security#validating-requests"""
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    url = "https://example.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, form.items()) == "L/OH5YylLD5NRKLltdqwSvS0BnU="


@given(
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=20)), max_size=8),
    st.text(min_size=1, max_size=20),
)
@hypothesis(max_examples=100)
def test_the_signature_equals_that_of_twilios_package(
    form: list[tuple[str, str]], token: str
) -> None:
    url = "https://sms.example.org/in/twilio?k=%C3%A9&t=a%2Fb~%7E+c"
    theirs = RequestValidator(token).compute_signature(url, MultiDict(form))
    assert signature(token, url, form) == theirs


@pytest.mark.parametrize("token", ["new-token", "old-token"])
@pytest.mark.parametrize("query", ["", "k=%C3%A9&t=a%2Fb~%7E+c"])
def test_a_valid_signature_is_accepted(token: str, query: str) -> None:
    repeated = (*FORM, ("Media", "b"), ("Media", "a"), ("Unknown", "👍 ‘quoted’"))
    carrier().verify(signed(repeated, query, token))


@pytest.mark.parametrize(
    ("configured", "called"),
    [
        ("https://sms.example.org", "https://sms.example.org:443"),
        ("https://sms.example.org:443", "https://sms.example.org"),
        ("http://sms.example.org:80/base", "http://sms.example.org/base"),
        ("https://sms.example.org:8443", "https://sms.example.org:8443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
    ],
)
def test_the_default_port_may_be_written_out(configured: str, called: str) -> None:
    header = RequestValidator("new-token").compute_signature(called + "/in/twilio", dict(FORM))
    request = WebhookRequest("/in/twilio", "", {"x-twilio-signature": header}, FORM)
    made = settings.load(ENVIRON | {"SMSGW_PUBLIC_URL": configured})
    Twilio(made.of(TwilioSettings), LIMITS).verify(request)


def test_another_port_makes_the_signature_invalid() -> None:
    called = "https://sms.example.org:8443/in/twilio"
    header = RequestValidator("new-token").compute_signature(called, dict(FORM))
    with pytest.raises(Forged):
        carrier().verify(WebhookRequest("/in/twilio", "", {"x-twilio-signature": header}, FORM))


@pytest.mark.parametrize("header", ["", "x", "é\udcff", "L/OH5YylLD5NRKLltdqwSvS0BnU="])
def test_a_wrong_signature_is_refused(header: str) -> None:
    request = signed()
    for headers in ({"x-twilio-signature": header}, {}):
        with pytest.raises(Forged):
            carrier().verify(WebhookRequest(request.path, "", headers, request.form))


def test_a_changed_body_is_refused() -> None:
    request = signed()
    changed = tuple((name, value + "1" * (name == "Body")) for name, value in FORM)
    with pytest.raises(Forged):
        carrier().verify(WebhookRequest(request.path, "", request.headers, changed))
    with pytest.raises(Forged):
        carrier().verify(signed(token="someone's"))


def test_a_message_is_read_as_it_came() -> None:
    (sms,) = carrier().read_messages(signed((*FORM, ("OptOutType", "STOP"))))
    assert (sms.carrier_ref, sms.sender, sms.sender_id) == ("SM1", "+6281234567890", "+15005550006")
    assert (sms.text, sms.opted) == ("SALDO 19012345678 \n", "stop")


@pytest.mark.parametrize("absent", ["MessageSid", "From", "To", "Body"])
def test_a_message_without_a_required_field_is_malformed(absent: str) -> None:
    form = tuple(pair for pair in FORM if pair[0] != absent)
    with pytest.raises(Malformed):
        carrier().read_messages(signed(form))


def test_another_accounts_message_is_refused() -> None:
    form = (*FORM[:1], ("AccountSid", "AC" + "b" * 32), *FORM[2:])
    with pytest.raises(Malformed):
        carrier().read_messages(signed(form))


@pytest.mark.parametrize(
    ("status", "delivery"),
    [
        ("sent", Delivery.SENT),
        ("delivered", Delivery.DELIVERED),
        ("failed", Delivery.UNDELIVERED),
        ("undelivered", Delivery.UNDELIVERED),
        ("queued", None),
        ("invented", None),
    ],
)
def test_delivery_reports_are_read(status: str, delivery: Delivery | None) -> None:
    form = (("MessageSid", "SM1"), ("MessageStatus", status), ("ErrorCode", "30003"))
    reports = carrier().read_reports(signed(form, "out=7"))
    read_reports = [(report.attempt_id, report.delivery, report.code) for report in reports]
    assert read_reports == ([(7, delivery, "30003")] if delivery else [])


def test_a_report_signature_may_include_the_retry_options() -> None:
    form, path = (("MessageSid", "SM1"), ("MessageStatus", "sent")), "/in/twilio/status"
    carrier().verify(signed(form, "out=7", path=path))
    request = signed(form, "out=7#rc=3&rp=ct,5xx&tt=15000", path=path)
    carrier().verify(replace(request, query="out=7"))
    with pytest.raises(Forged):
        carrier().verify(replace(request, query="out=8"))


@pytest.mark.parametrize("query", ["", "out=", "out=x", "out=-1", "out=٣", "out=" + "9" * 30])
def test_a_report_names_an_attempt(query: str) -> None:
    with pytest.raises(Malformed):
        carrier().read_reports(signed((("MessageStatus", "sent"),), query))


def test_a_send_is_one_post_that_names_its_attempt(stub: Stub) -> None:
    assert carrier(stub.url).send(SMS) == "SM" + "0" * 32
    assert stub.posts == [
        {
            "To": "+6281234567890",
            "From": "+15005550006",
            "Body": "Saldo JHT",
            "StatusCallback": "https://sms.example.org/in/twilio/status?out=7"
            "#rc=3&rp=ct,5xx&tt=15000",
            "ValidityPeriod": "7200",
        }
    ]
    assert stub.paths == [f"/2010-04-01/Accounts/AC{'a' * 32}/Messages.json"]


def test_notifications_use_the_configured_sender(stub: Stub) -> None:
    assert carrier().default_sender_id == "+15005550006"
    service = "MG" + "b" * 32
    environ = ENVIRON | {"TWILIO_FROM": "", "TWILIO_MESSAGING_SERVICE_SID": service}
    configured = settings.load(environ | {"TWILIO_API_BASE": stub.url})
    made = Twilio(configured.of(TwilioSettings), LIMITS)
    made.send(replace(SMS, sender_id=made.default_sender_id))
    assert stub.posts[0]["MessagingServiceSid"] == service
    assert "From" not in stub.posts[0]


@pytest.mark.parametrize(
    ("answer", "ending", "code"),
    [
        ((400, {"code": 21610, "message": "unsubscribed +6281234567890"}), Ending.REFUSED, "21610"),
        ((401, {"code": 20003}), Ending.REFUSED, "20003"),
        ((429, {"code": 20429}), Ending.RETRY, "20429"),
        ((500, {"code": 20500}), Ending.UNKNOWN, "20500"),
        ((503, b"<html>"), Ending.UNKNOWN, "503"),
        ((307, {}), Ending.UNKNOWN, "307"),
        ("junk", Ending.UNKNOWN, None),
        ((201, {}), Ending.UNKNOWN, None),
        ("reset", Ending.UNKNOWN, None),
        ("stall", Ending.UNKNOWN, None),
        ("cut", Ending.UNKNOWN, None),
    ],
)
def test_every_failure_has_one_ending_and_one_post(
    stub: Stub, answer: object, ending: Ending, code: str | None
) -> None:
    stub.answers.append(answer)
    with pytest.raises(SendError) as raised:
        carrier(stub.url).send(SMS)
    assert raised.value.ending == ending
    assert code is None or raised.value.code == code
    assert "81234567890" not in str(raised.value)
    assert len(stub.posts) == 1


def test_a_failed_connection_may_be_retried() -> None:
    with pytest.raises(SendError) as raised:
        carrier("http://127.0.0.1:9").send(SMS)
    assert raised.value.ending == Ending.RETRY


def test_a_failed_handshake_may_be_retried(stub: Stub) -> None:
    """The stub speaks plain HTTP: TLS fails before a request could be sent."""
    with pytest.raises(SendError) as raised:
        carrier(stub.url.replace("http:", "https:")).send(SMS)
    assert raised.value.ending == Ending.RETRY
    assert stub.posts == []


def test_a_stalled_handshake_may_be_retried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base = {"TWILIO_API_BASE": f"https://127.0.0.1:{silent.getsockname()[1]}"}
        twilio = Twilio(settings.load(ENVIRON | base).of(TwilioSettings), (0.3, 0.3))
        with pytest.raises(SendError) as raised:
            twilio.send(SMS)
    assert raised.value.ending == Ending.RETRY


@pytest.mark.parametrize(("lasts", "validity"), [(0.2, "1"), (600, "600"), (90_000, "36000")])
def test_the_validity_period_is_sent(stub: Stub, lasts: float, validity: str) -> None:
    carrier(stub.url).send(replace(SMS, lasts=timedelta(seconds=lasts)))
    assert stub.posts[0]["ValidityPeriod"] == validity


def test_an_opt_out_at_twilio_is_recognised(stub: Stub) -> None:
    for code, is_opted_out in ((21610, True), (21211, False)):
        stub.answers.append((400, {"code": code}))
        with pytest.raises(SendError) as raised:
            carrier(stub.url).send(SMS)
        assert raised.value.is_opted_out is is_opted_out
    form = (("MessageSid", "SM1"), ("MessageStatus", "failed"), ("ErrorCode", "21610"))
    (report,) = carrier().read_reports(signed(form, "out=7"))
    assert report.is_opted_out


def test_a_lookup_finds_what_twilio_accepted(stub: Stub) -> None:
    twilio = carrier(stub.url)
    assert twilio.find(SMS) == []
    for sms in (SMS, replace(SMS, text="another"), replace(SMS, recipient="+6281200000000"), SMS):
        twilio.send(sms)
    twilio.send(replace(SMS, sender_id="+15005550007"))
    stub.books[0] |= {"status": "undelivered", "error_code": 30003}
    newer, other, older = twilio.find(SMS)
    assert [each.is_same_text for each in (newer, other, older)] == [True, False, True]
    assert (newer.carrier_ref, newer.delivery) == (stub.books[3]["sid"], Delivery.SENT)
    assert (older.delivery, older.code) == (Delivery.UNDELIVERED, "30003")
    assert older.taken_at.tzinfo is not None
    stub.are_books_open = False
    with pytest.raises(SendError):
        twilio.find(SMS)


def test_synthetic_participants_are_never_texted(stub: Stub) -> None:
    with pytest.raises(SendError) as raised:
        carrier(stub.url).send(OutgoingSms(7, "+6284000000001", "+15005550006", "x"))
    assert raised.value.ending == Ending.REFUSED
    assert stub.posts == []


def test_a_connection_is_used_again_until_the_other_end_closes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closing = carrier(f"http://127.0.0.1:{server.getsockname()[1]}")
        with ThreadPoolExecutor(1) as pool:
            for _ in range(2):
                sent = pool.submit(closing.send, SMS)
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(ANSWER)
                assert sent.result() == "SM1"
            sent = pool.submit(closing.send, SMS)
            connection, _ = server.accept()
            with connection:
                for number in range(3):
                    assert connection.recv(65_536)
                    connection.sendall(ANSWER)
                    assert sent.result() == "SM1"
                    sent = pool.submit(closing.send, SMS) if number < 2 else sent


def test_what_is_too_late_to_leave_is_not_sent(stub: Stub) -> None:
    http_client.SEND_BY.set(time.monotonic() - 1)
    try:
        with pytest.raises(SendError) as raised:
            carrier(stub.url).send(SMS)
    finally:
        http_client.SEND_BY.set(math.inf)
    assert raised.value.ending == Ending.RETRY
    assert stub.posts == []


def test_one_client_serves_many_senders(stub: Stub) -> None:
    twilio = carrier(stub.url)
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda _: twilio.send(SMS), range(80)))
    assert len(sent) == len(stub.posts) == 80


def on_channels(channels: str, base: str = "http://127.0.0.1:9") -> Twilio:
    environ = ENVIRON | {"TWILIO_API_BASE": base, "TWILIO_CHANNELS": channels}
    return Twilio(settings.load(environ).of(TwilioSettings), LIMITS)


WHATSAPP = tuple(
    (name, f"whatsapp:{value}" if name in {"From", "To"} else value) for name, value in FORM
)


@pytest.mark.parametrize(
    ("channels", "sender"),
    [
        ("", "whatsapp:+6281234567890"),
        ("rcs", "whatsapp:+6281234567890"),
        ("rcs, whatsapp", "+6281234567890"),
    ],
)
def test_who_writes_by_a_channel_that_is_on_is_the_phone(channels: str, sender: str) -> None:
    (sms,) = on_channels(channels).read_messages(signed(WHATSAPP))
    assert (sms.sender, sms.sender_id) == (sender, "whatsapp:+15005550006")


def test_an_sms_stays_one_whatever_channels_are_on() -> None:
    (sms,) = on_channels("whatsapp").read_messages(signed())
    assert (sms.sender, sms.sender_id) == ("+6281234567890", "+15005550006")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("whatsapp:+15005550006", "whatsapp:+6281234567890"),
        ("rcs:scheme_agent", "rcs:+6281234567890"),
        ("+15005550006", "+6281234567890"),
    ],
)
def test_a_reply_leaves_by_the_channel_of_its_message(stub: Stub, ours: str, theirs: str) -> None:
    twilio = on_channels("whatsapp,rcs", stub.url)
    sms = replace(SMS, sender_id=ours)
    twilio.send(sms)
    assert [(post["From"], post["To"]) for post in stub.posts] == [(ours, theirs)]
    assert [record.is_same_text for record in twilio.find(sms)] == [True]


def test_an_unknown_channel_is_a_fault() -> None:
    with pytest.raises(settings.SettingsError, match="TWILIO_CHANNELS: is a list of whatsapp and"):
        settings.load(ENVIRON | {"TWILIO_CHANNELS": "telegram"})
