"""Reads a carrier's request from the octets that came, and writes its answer.

Only the plainest form of a request is read here, in a fraction of the time that a server and a web
framework take. Whatever is written in another way is None, and is theirs to read or to refuse.

    request = method " /in/" *VCHAR " HTTP/1.1" CRLF 1*(header CRLF) CRLF [body]
    header  = 1*(ALPHA / DIGIT / "-") ":" *(SP / HTAB) *(VCHAR / SP / HTAB)
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes
from wsgiref.handlers import format_date_time

from smsgw.carriers.carrier import WebhookRequest

LARGEST = 16 * 1024  # octets of a whole request
MOST_HEADERS = 100
LONGEST_LINE = 8190  # octets, as gunicorn's limit_request_line
HEAD = re.compile(rb"(GET|POST) (/in/[!-~]*) HTTP/1\.1((?:\r\n[A-Za-z0-9-]+:[\t -~]*)+)\r\n\r\n")
LENGTH = re.compile(r"\d{1,5}", re.ASCII)
# What changes how a request is read, or how the connection goes on.
UNUSUAL = {"transfer-encoding", "expect", "upgrade", "trailer", "te", "content-encoding"}
FORM = "application/x-www-form-urlencoded"

Form = tuple[tuple[str, str], ...]


class RawRequest(NamedTuple):
    """Holds one request, and how many octets it has."""

    method: str
    size: int
    is_last: bool  # the client closes the connection afterwards
    webhook: WebhookRequest


def read(seen: bytes, address: str) -> RawRequest | None:
    """Reads the first request of what came from `address`. Returns None if it did not come whole,
    or if it is not of the plainest form."""
    found = HEAD.match(seen)
    if found is None or len(found[2]) > LONGEST_LINE - len(b"POST  HTTP/1.1"):
        return None
    headers = _headers(found[3].decode("ascii"))
    if headers is None:
        return None
    length = headers.get("content-length", "0")
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not LENGTH.fullmatch(length) or media_type.startswith("multipart/"):
        return None
    size = found.end() + int(length)
    if len(seen) < size:
        return None
    body = seen[found.end() : size]
    form, body = (read_form(body), b"") if media_type == FORM else ((), body)
    path, _, query = found[2].decode("ascii").partition("?")
    webhook = WebhookRequest(path, query, headers, form, body, address)
    return RawRequest(
        found[1].decode(), size, headers.get("connection", "").lower() == "close", webhook
    )


def _headers(lines: str) -> Mapping[str, str] | None:
    """Returns headers by their names in lower case. None if a name comes twice, or says more than
    is understood here."""
    pairs = [line.partition(":") for line in lines.split("\r\n")[1:]]
    headers = {name.lower(): value.strip(" \t") for name, _, value in pairs}
    is_plain = (
        len(headers) == len(pairs) <= MOST_HEADERS
        and "host" in headers
        and UNUSUAL.isdisjoint(headers)
        and headers.get("connection", "keep-alive").lower() in {"keep-alive", "close"}
    )
    return headers if is_plain else None


def read_form(body: bytes) -> Form:
    """Reads a form as werkzeug does, in less time; what no form can be read of has none."""
    try:
        text = body.decode().replace("+", " ")
    except UnicodeDecodeError:
        return ()
    fields = [field.partition("=") for field in text.split("&") if field]
    return tuple(
        [
            (
                _unescape(name) if "%" in name else name,
                _unescape(value) if "%" in value else value,
            )
            for name, _, value in fields
        ]
    )


def _unescape(text: str) -> str:
    if text.isascii():  # as `unquote` does it, which looks for parts in ASCII first
        return unquote_to_bytes(text).decode("utf-8", "werkzeug.url_quote")
    return unquote(text, errors="werkzeug.url_quote")


def write(
    status: int, headers: Mapping[str, str], body: bytes, *, second: int, is_last: bool
) -> bytes:
    """Writes an answer of that second, since 1970."""
    if status != HTTPStatus.NO_CONTENT:
        headers = {**headers, "Content-Length": str(len(body))}
    connection = "close" if is_last else "keep-alive"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    head += f"Date: {format_date_time(second)}\r\n"
    return f"{head}Connection: {connection}\r\n{lines}\r\n".encode("latin-1") + body
