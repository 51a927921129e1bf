"""Makes hostile requests, octet by octet, and checks what a server says to them."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

PATHS = [
    *("/in/twilio", "/in/twilio/status", "/in/kannel", "/in/kannel/status", "/in/simulator"),
    *("/healthz", "/readyz", "/metrics", "/status", "/console/", "/", "/in", "*", ""),
    *(
        "/in/%74wilio",
        "//in/twilio",
        "/in//kannel",
        "/in/twilio/../kannel",
        "/in/twilio/",
        "/in/%00",
    ),
    *("/in/twilio%0d%0aSet-Cookie:%20a=b", "/in/kannel/%2e%2e/%2e%2e/etc/passwd", "/%ff%fe"),
    *("http://[::1/in/kannel", "http://evil.example/in/twilio", "//[/in/kannel", "/in/kannel#x"),
    *("/in/twilio;x=1", "/in/kannel\\status", "/in/tw\xeflio", "/" + "a" * 5000, "?", "??out=1"),
]
QUERIES = [
    *("", "?", "?out=1", "?out=1&out=2", "?out=-1", "?out=9" + "9" * 40, "?out=%00", "?out=١"),
    "?id=1&from=%2B6281234567890&to=2757&text=SALDO",
    "?id=%00&from=%00&to=%00&text=%00%ff%fe&charset=utf-16",
    "?id=1&from=a&to=b&text=x&charset=../../etc/passwd",
    *("?%", "?%zz=%z", "?&&&=&=", "?type=%d&out=1", "?" + "&".join(f"k{n}" for n in range(500))),
    *("?k=%C3%A9&t=a%2Fb~%7E+c", "?\xff=\xfe", "?x=" + "y" * 4000),
]
METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE"]
HOSTS = ["sms.example.org"] * 9 + [
    "evil.example",
    "",
    "a@b/c?d",
    "\xff\xfe",
    "[::1",
    "a b",
    "x:99999",
]
HEADERS = [
    *(
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Proto: http,https",
    ),
    *("X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1;host=evil", "X-Real-Ip: 127.0.0.1"),
    *("X-Forwarded-Prefix: /evil", "X-Original-Url: /metrics", "X-HTTP-Method-Override: DELETE"),
    *("X-Twilio-Signature:", "X-Twilio-Signature: " + "A" * 28, "X-Twilio-Signature: \xe9\xff"),
    *("X-Twilio-Signature: " + "A" * 7000, "Authorization: Basic", "Authorization: Basic ===="),
    *("Authorization: Basic a2FubmVsOng=", "Authorization: Basic \xff", "Authorization: Bearer x"),
    *("Authorization: Digest username=x", "Authorization: Basic " + "QUFB" * 1500),
    *("Content-Type: application/json", "Content-Type: text/plain; charset=\xff"),
    *("Content-Type: application/x-www-form-urlencoded",) * 4,
    *("Content-Type: multipart/form-data", "Content-Type: multipart/form-data; boundary="),
    *("Content-Type: multipart/form-data; boundary=x", "Content-Type: ;;;=", "Content-Type:"),
    *("Content-Type: a/b; charset=utf-7", "Content-Encoding: gzip", "Upgrade: h2c"),
    *("Connection: close", "Connection: Upgrade, HTTP2-Settings", "Cookie: session=x; =; ;;"),
    *("Accept-Language: " + "x," * 900, "Range: bytes=0-", "If-None-Match: *"),
]
BREAKING = [
    *("Transfer-Encoding: identity", "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked"),
    *(
        "Content-Length: -1",
        "Content-Length: 1e3",
        "Content-Length: 5, 6",
        "Content-Length: 99999999",
    ),
    *("no colon at all", " folded: yes", "Bad Name: x", "Nul: a\0b", "X: " + "z" * 9000),
    *("Host: again.example", "Expect: 100-continue", "Expect: 417", "Cookie: session=\x01\x02"),
]
BODIES = [
    *(b"", b"\0", b"\xff\xfe\xfd", b"a=b", b"{}", b"null", b'{"a":' * 3000, b"=" * 3000),
    b"MessageSid=SM1&From=%2B6281234567890&To=%2B15005550006&Body=SALDO",
    b"MessageSid=SM1&From=TELKOMSEL&To=2757&Body=%00%ff%ed%a0%80",
    b"MessageSid=" + b"S" * 5000 + b"&From=x&To=y&Body=z",
    b"Body=SALDO&" + b"&".join(b"k%d=v" % n for n in range(2000)),
    b"--x\r\nContent-Disposition: form-data; name=Body\r\n\r\nSALDO\r\n--x--\r\n",
    b"--x\r\n" * 1500,
    b"--x\r\nContent-Disposition: form-data; name=f; filename=/etc/passwd\r\n\r\n" + b"A" * 9000,
    b"5\r\nSALDO\r\n0\r\n\r\n",
    b"zz\r\nSALDO\r\n",
    b"ffffffffffffffff\r\nSALDO",
    b"x" * 70_000,
]
ENDS = [b"\r\n"] * 30 + [b"\n", b"\r"]
VERSIONS = ["HTTP/1.1"] * 30 + ["HTTP/1.0", "HTTP/9.9", "", "HTTP/2"]


@dataclass(frozen=True, slots=True)
class RawResponse:
    """Holds what came back; status 0 if the connection was closed without a response."""

    status: int
    head: str
    asked: bytes


def requests(seed: int) -> Iterator[bytes]:
    """Yields requests without end, the same for the same seed."""
    chance = Random(seed)
    for number in count():
        raw = _request(chance)
        if number % 17 == 0:  # cut short
            raw = raw[: chance.randrange(len(raw))]
        if number % 23 == 0:  # an octet is another
            at = chance.randrange(len(raw)) if raw else 0
            raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
        yield raw


def ask(port: int, raw: bytes, patience: float = 5.0) -> RawResponse:
    """Sends on a connection of its own, whose sending side is then closed."""
    with socket.create_connection(("127.0.0.1", port), patience) as connection:
        came = b""
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                came += part
        except OSError:
            pass
    came = came.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    head = came.partition(b"\r\n\r\n")[0].decode("latin-1")
    words = head.split(" ", 2)
    return RawResponse(int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, head, raw)


def _request(chance: Random) -> bytes:
    """Makes a request that a server mostly accepts, whatever is in it."""
    path, query = chance.choice(PATHS[:8] * 4 + PATHS), chance.choice(QUERIES)
    method = chance.choice(METHODS + ["POST", "GET"] * 6)
    end, body = chance.choice(ENDS), chance.choice(BODIES)
    headers = [f"Host: {chance.choice(HOSTS)}", *chance.sample(HEADERS, chance.randrange(5))]
    if chance.random() < 0.9:
        headers.append(f"Content-Length: {len(body)}")
    if chance.random() < 0.15:
        headers.insert(chance.randrange(len(headers)), chance.choice(BREAKING))
    lines = [f"{method} {path}{query} {chance.choice(VERSIONS)}".rstrip(), *headers]
    head = end.join(line.encode("utf-8" if "١" in line else "latin-1") for line in lines)
    return head + end * 2 + body
