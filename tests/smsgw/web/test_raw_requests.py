"""The plainest requests of carriers are read; all others are left to gunicorn and Flask."""

from io import BytesIO
from urllib.parse import parse_qsl

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.formparser import FormDataParser

from smsgw.carriers.carrier import WebhookRequest
from smsgw.web.raw_requests import LARGEST, MOST_HEADERS, read, read_form, write

HEAD = b"POST /in/twilio HTTP/1.1\r\nHost: x\r\n"
FORM_TYPE = "application/x-www-form-urlencoded"
FORM = HEAD + f"Content-Type: {FORM_TYPE}\r\n".encode()


def webhook(seen: bytes) -> WebhookRequest:
    made = read(seen, "10.0.0.1")
    assert made is not None
    return made.webhook


@pytest.mark.parametrize(
    "seen",
    [
        FORM + b"Content-Length: 3\r\n\r\na=b",
        FORM + b"content-length:3 \r\nA: b\r\n\r\na=b",
        FORM + b"Content-Length: 3\r\n\r\na=bPOST /in/twilio",
        FORM.replace(b"encoded", b"encoded; charset=UTF-8") + b"Content-Length: 3\r\n\r\na=b",
    ],
)
def test_a_form_is_read(seen: bytes) -> None:
    made = read(seen, "10.0.0.1")
    assert made is not None
    assert (made.method, made.size, made.is_last) == ("POST", seen.index(b"a=b") + 3, False)
    asked = made.webhook
    assert (asked.path, asked.query, asked.address) == ("/in/twilio", "", "10.0.0.1")
    assert (asked.form, asked.body) == ((("a", "b"),), b"")
    assert (asked.headers["host"], asked.headers["content-length"]) == ("x", "3")


def test_a_query_is_left_as_it_came() -> None:
    asked = webhook(b"GET /in/kannel?text=SALDO+%C3%A9&text=?a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (asked.path, asked.query) == ("/in/kannel", "text=SALDO+%C3%A9&text=?a")
    assert (asked.form, asked.body) == ((), b"")


def test_another_body_is_left_as_it_came() -> None:
    json = HEAD + b"Content-Type: application/json\r\nContent-Length: 7\r\n\r\n"
    assert webhook(json + b'{"a":1}').body == b'{"a":1}'
    assert webhook(FORM + b"Content-Length: 3\r\n\r\na=\xff").form == ()


def test_repeated_and_empty_fields_are_kept() -> None:
    body = b"a=1&b=&a=2&c"
    asked = webhook(FORM + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert asked.form == (("a", "1"), ("b", ""), ("a", "2"), ("c", ""))


FORM_PIECES = [
    *"&=+;%\0\n a",
    "é",
    "%2B",
    "%26",
    "%3d",
    "%e",
    "%C3%A9",
    "%c3",
    "%ED%A0%80",
    "%zz",
    "😀",
]


@given(st.lists(st.sampled_from(FORM_PIECES), max_size=12))
def test_a_form_is_read_as_werkzeug_reads_it(pieces: list[str]) -> None:
    text = "".join(pieces)
    body = BytesIO(text.encode())
    _, theirs, _ = FormDataParser().parse(body, FORM_TYPE, len(text.encode()))
    assert sorted(read_form(text.encode())) == sorted(theirs.items(multi=True))
    in_order = parse_qsl(text, keep_blank_values=True, errors="werkzeug.url_quote")
    assert read_form(text.encode()) == tuple(in_order)


@pytest.mark.parametrize(("connection", "is_last"), [("close", True), ("Keep-Alive", False)])
def test_who_closes_the_connection_says_so(connection: str, is_last: bool) -> None:
    made = read(HEAD + f"Connection: {connection}\r\n\r\n".encode(), "")
    assert made is not None
    assert made.is_last is is_last


@pytest.mark.parametrize(
    "seen",
    [
        b"",
        HEAD,
        HEAD + b"Content-Length: 4\r\n\r\na=b",
        HEAD + b"Content-Length: 3\r\nContent-Length: 9\r\n\r\na=b",
        HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\na=b",
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\na=b",
        HEAD + b"Content-Length: 100000\r\n\r\n",
        HEAD + b"Content-Length: 0000005000\r\n\r\n",
        HEAD + b"Content-Length: +3\r\n\r\na=b",
        HEAD + b"Content-Length: \xb2\r\n\r\na=b",
        HEAD + b"Content-Length: 3, 3\r\n\r\na=b",
        HEAD + b"Content-Length: \r\n\r\na=b",
        HEAD + b"Content-Length : 3\r\n\r\na=b",
        HEAD + b"Content_Length: 3\r\n\r\na=b",
        HEAD + b"A: b\r\n Content-Length: 3\r\n\r\na=b",
        HEAD + b"A: b\nContent-Length: 3\r\n\r\na=b",
        HEAD + b"A: b\rContent-Length: 3\r\n\r\na=b",
        HEAD + b"A: \x00\r\n\r\n",
        HEAD + b"A: \xe9\r\n\r\n",
        HEAD + b": b\r\n\r\n",
        HEAD + b"Host: y\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\na=b",
        HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        HEAD + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n",
        HEAD + b"Content-Encoding: gzip\r\n\r\n",
        HEAD + b"".join(b"A%d: b\r\n" % n for n in range(MOST_HEADERS)) + b"\r\n",
        HEAD.replace(b"\r", b"") + b"Content-Length: 5000\n\r\n\r\n",
        HEAD.replace(b"POST ", b"POST  ") + b"\r\n",
        HEAD.replace(b"1.1", b"1.0") + b"\r\n",
        HEAD.replace(b"POST", b"PUT") + b"\r\n",
        HEAD.replace(b"/in/twilio", b"http://x/in/twilio") + b"\r\n",
        HEAD.replace(b"/in/twilio", b"/in/twil\xc3\xa9") + b"\r\n",
        HEAD.replace(b"/in/twilio", b"/in/" + b"a" * 8190) + b"\r\n",
        b"\r\n" + HEAD + b"\r\n",
        b"POST /in/twilio HTTP/1.1\r\n\r\n",
        b"GET /console/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_any_other_request_is_left_to_gunicorn(seen: bytes) -> None:
    assert read(seen, "") is None


PIECES = [b"\r\n", b"\n", b" ", b":", b"\t", b"Content-Length", b"Transfer-Encoding", b"chunked"]
WORDS = [
    b"3",
    b"0",
    b"Host",
    b"a=b",
    b"x",
    b"Connection",
    b"close",
    b"A",
    b",",
    b"\x00",
    b"HTTP/1.1",
]


@given(st.lists(st.sampled_from(PIECES + WORDS), max_size=12))
def test_what_is_read_is_what_gunicorn_reads(pieces: list[bytes]) -> None:
    seen = HEAD + b"".join(pieces) + b"\r\n\r\na=b"
    made = read(seen, "10.0.0.1")
    if made is None:
        return
    theirs = next(RequestParser(Config(), iter([seen]), ("10.0.0.1", 1)))
    headers = {name.lower(): value for name, value in theirs.headers}
    assert (theirs.method, theirs.uri) == (made.method, made.webhook.path)
    assert headers == made.webhook.headers
    body = theirs.body.read()
    assert seen[made.size - len(body) : made.size] == body
    assert theirs.should_close() is made.is_last


def test_an_answer_is_written() -> None:
    dated = b"HTTP/1.1 200 OK\r\nDate: Sun, 29 Nov 2026 17:20:00 GMT\r\n"
    rest = b"Connection: keep-alive\r\nA: b\r\nContent-Length: 5\r\n\r\n<ok/>"
    assert write(200, {"A": "b"}, b"<ok/>", second=1795972800, is_last=False) == dated + rest
    assert b"Connection: close\r\n" in write(503, {}, b"", second=0, is_last=True)
    assert b"Content-Length" not in write(204, {}, b"", second=0, is_last=False)


def test_a_request_that_is_too_large_is_never_whole() -> None:
    seen = HEAD + b"Content-Length: 16384\r\n\r\n" + b"a" * LARGEST
    assert read(seen[:LARGEST], "") is None


@given(st.binary(max_size=60), st.sampled_from([b"application/x-www-form-urlencoded", b"text/x"]))
def test_whatever_a_body_holds_is_read(body: bytes, media_type: bytes) -> None:
    announced = b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n" % (media_type, len(body))
    made = read(HEAD + announced + body, "")
    assert made is not None
    assert made.webhook.body in {body, b""}
