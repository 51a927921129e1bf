"""What an answer says is the same whether it is read here or by http.client."""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from threading import Thread

import pytest

from smsgw import http_client
from smsgw.http_client import Answer, Bounds, Client, TooLarge
from tests.support.waiting import LONGEST

TAIL = b"\r\n\r\nhello"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5"
ANSWERS = [
    PLAIN + TAIL,
    PLAIN + b"\r\nConnection: keep-alive" + TAIL,
    PLAIN + b"\r\nconnection:  Keep-Alive " + TAIL,
    PLAIN + b"\r\nConnection: close" + TAIL,
    PLAIN + b"\r\nConnection: keep-alive, close" + TAIL,
    PLAIN + b"\r\nX-Long: one\r\n two" + TAIL,
    PLAIN + b"\r\nX-Empty:" + TAIL,
    PLAIN + b"\r\nX-Name : blank before the colon" + TAIL,
    PLAIN + b"\r\nX-Latin: caf\xe9" + TAIL,
    PLAIN + b"\r\nX-Bare: one\nX-Two: 2" + TAIL,
    PLAIN + b"\r\nContent-Length: 5" + TAIL,
    PLAIN.replace(b"5", b"05") + TAIL,
    PLAIN.replace(b"5", b"+5") + TAIL,
    PLAIN.replace(b"5", b"0") + b"\r\n\r\n",
    PLAIN.replace(b" OK", b"") + TAIL,
    PLAIN.replace(b" OK", b" ") + TAIL,
    PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0") + TAIL,
    PLAIN.replace(b"\r\n", b"\n") + TAIL,
    b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN + TAIL,
    b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 5" + TAIL,
    b"HTTP/1.1 503 Away\r\ncontent-length:5" + TAIL,
    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 5" + TAIL,
    b"HTTP/1.1 200 OK\r\nX-A: until it closes" + TAIL,
]
PIECES = {"whole": 10_000, "in pieces": 7}


@contextmanager
def serving(pieces: Sequence[bytes]) -> Iterator[tuple[str, list[int]]]:
    """Answers each request of each connection so. Yields an address, and a list that gets the
    number of requests of each connection once that is over."""
    listener, requests = socket.create_server(("127.0.0.1", 0)), list[int]()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(LONGEST)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            requests.append(0)
            with connection, suppress(OSError):
                while connection.recv(4096):
                    requests[-1] += 1
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(0.001 if len(pieces) > 1 else 0)
                    if not is_kept(b"".join(pieces)):
                        break

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(LONGEST)


def by_library(answer: bytes) -> HTTPResponse:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(answer)
        there.shutdown(socket.SHUT_WR)
        response = HTTPResponse(here, method="GET")
        response.begin()
    return response


def is_kept(answer: bytes) -> bool:
    return not by_library(answer).will_close


@pytest.mark.parametrize("size", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("is_bounded", [True, False])
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_read_as_http_client_does(answer: bytes, is_bounded: bool, size: int) -> None:
    expected = by_library(answer)
    body = expected.read()
    pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
    with serving(pieces) as (address, requests):
        client = Client((LONGEST, LONGEST))
        for _ in range(2):
            until = time.monotonic() + LONGEST
            made = client.request("GET", address, bounds=Bounds(until, 100) if is_bounded else None)
            assert (made.status, made.body) == (expected.status, body)
            assert {name: made.headers[name].strip() for name in made.headers} == by_name(expected)
        del client
    assert requests == ([2] if is_kept(answer) else [1, 1])


def by_name(response: HTTPResponse) -> dict[str, str]:
    """Returns headers as one text each, as HTTP says that they mean the same."""
    names = dict.fromkeys(response.headers)
    return {name: ", ".join(response.headers.get_all(name) or []).strip() for name in names}


def test_headers_are_found_by_names_in_any_case() -> None:
    with serving([PLAIN + b"\r\nretry-after: 3" + TAIL]) as (address, _):
        made = Client((LONGEST, LONGEST)).request("GET", address)
    assert (made.headers.get("Retry-After"), made.headers.get("Date", "none")) == ("3", "none")


@pytest.mark.parametrize("head", [PLAIN, PLAIN + b"\r\nX-Long: one\r\n two"])
def test_an_answer_that_is_too_large_is_refused(head: bytes) -> None:
    with serving([head + TAIL]) as (address, _):
        client, bounds = Client((LONGEST, LONGEST)), Bounds(time.monotonic() + LONGEST, 4)
        with pytest.raises(TooLarge):
            client.request("GET", address, bounds=bounds)


def test_an_answer_with_more_behind_it_is_not_mixed_up_with_the_next() -> None:
    with serving([PLAIN + TAIL + PLAIN + b"\r\n\r\nother"]) as (address, _):
        client = Client((LONGEST, LONGEST))
        made: list[Answer] = [client.request("GET", address) for _ in range(2)]
        del client
    assert [each.body for each in made] == [b"hello", b"hello"]


def test_plain_answers_are_read_without_http_client() -> None:
    assert http_client._plain(PLAIN + TAIL, None) is not None
    kept = b"HTTP/1.1 201 Created\r\nConnection: keep-alive\r\nContent-Length: 5" + TAIL
    assert http_client._plain(kept, None) is not None
