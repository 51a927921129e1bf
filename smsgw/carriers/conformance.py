"""Checks that a carrier does what `smsgw/carriers/carrier.py` asks of it, whoever wrote it.

The tests of a carrier that is a plug-in call it with examples of what that carrier sends:

    def test_it_conforms() -> None:
        assert list(conformance.faults(EXAMPLES)) == []
"""

import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from smsgw.carriers.carrier import (
    Carrier,
    Ending,
    Forged,
    IncomingSms,
    Malformed,
    OutgoingSms,
    Reads,
    Report,
    SendError,
    WebhookRequest,
)

A_NAME = re.compile(r"[a-z][a-z0-9_]{0,19}")
METHODS = {"GET", "POST"}
# What a stranger, a newer version of the carrier or a broken proxy makes of a field or a body.
ODD_VALUES = ("", " ", "\0", "é" * 1000, "-1", "٣", "9" * 30)
ODD_BODIES = (b"", b"\xff", b"[]", b"{}", b"null", b"1", b'"a"', b"{" * 1000)
PATIENCE = 0.5  # seconds between two looks of the listener

Read = Callable[[WebhookRequest], Sequence[Any]]


@dataclass(frozen=True)
class Examples:
    """Holds what a carrier sends and receives.

    `build` makes the carrier with its interface at an address such as http://127.0.0.1:8001.
    Requests are as the carrier sends them, signed or with their password.
    """

    build: Callable[[str], Carrier]
    messages: Sequence[tuple[WebhookRequest, Sequence[IncomingSms]]]
    reports: Sequence[tuple[WebhookRequest, Sequence[Report]]]
    forged: Sequence[WebhookRequest]
    malformed: Sequence[WebhookRequest]  # messages of the carrier that lack what they need
    sms: OutgoingSms


def faults(examples: Examples) -> Iterator[str]:
    """Yields what the carrier does wrong."""
    with _closed() as address:
        carrier = examples.build(address)
        yield from _declaration_faults(carrier)
        yield from _webhook_faults(carrier, examples)
        yield from _oddity_faults(carrier, examples)
        yield from _ending_faults(carrier, examples.sms, Ending.RETRY, "no connection")
    with _silent() as address:
        carrier = examples.build(address)
        yield from _ending_faults(carrier, examples.sms, Ending.UNKNOWN, "no answer")


def _declaration_faults(carrier: Carrier) -> Iterator[str]:
    if not A_NAME.fullmatch(carrier.name):
        yield f"its name {carrier.name!r} is not 1 to 20 of a to z, 0 to 9 and _"
    if not carrier.default_sender_id:
        yield "its default_sender_id is empty"
    if not any(route.reads is Reads.MESSAGES for route in carrier.routes):
        yield "no route receives messages"
    for route in carrier.routes:
        if route.path.split("/")[0] != carrier.name:
            yield f"the route {route.path} does not begin with the carrier's name"
        if not route.methods or not METHODS.issuperset(route.methods):
            yield f"the route {route.path} has other methods than GET and POST"
        if not 200 <= route.acknowledgement.status < 300:
            yield f"the route {route.path} acknowledges with {route.acknowledgement.status}"


def _webhook_faults(carrier: Carrier, examples: Examples) -> Iterator[str]:
    for request, messages in examples.messages:
        yield from _reading_faults(carrier, carrier.read_messages, request, messages)
    for request, reports in examples.reports:
        yield from _reading_faults(carrier, carrier.read_reports, request, reports)
    for request in (*examples.forged, *(_bare(request) for request, _ in examples.messages)):
        if _raised(carrier.verify, request) != Forged.__name__:
            yield f"verify accepts {request}"
    for request in examples.malformed:
        if _raised(carrier.read_messages, request) != Malformed.__name__:
            yield f"read_messages accepts {request}"


def _reading_faults(
    carrier: Carrier, read: Read, request: WebhookRequest, expected: Sequence[object]
) -> Iterator[str]:
    if (raised := _raised(carrier.verify, request)) is not None:
        yield f"verify raises {raised} for {request}"
    if list(read(request)) != list(expected):
        yield f"{read.__name__} returns {list(read(request))}, not {list(expected)}"


def _oddity_faults(carrier: Carrier, examples: Examples) -> Iterator[str]:
    """Yields what is raised, other than Malformed, where a request is not as it should be."""
    for read, given in (
        (carrier.read_messages, examples.messages),
        (carrier.read_reports, examples.reports),
    ):
        for request, _ in given:
            for odd in _odd(request):
                if _raised(read, odd) not in {None, Malformed.__name__}:
                    yield f"{read.__name__} raises {_raised(read, odd)} for {odd}"


def _odd(request: WebhookRequest) -> Iterator[WebhookRequest]:
    yield replace(request, query="")
    for place, (name, _) in enumerate(request.form):
        before, after = request.form[:place], request.form[place + 1 :]
        yield replace(request, form=(*before, *after))
        for value in ODD_VALUES:
            yield replace(request, form=(*before, (name, value), *after))
    if request.body:
        yield from (replace(request, body=body) for body in ODD_BODIES)
        yield replace(request, body=request.body[:-2])


def _ending_faults(carrier: Carrier, sms: OutgoingSms, ending: Ending, why: str) -> Iterator[str]:
    try:
        carrier.send(sms)
    except SendError as error:
        if error.ending is not ending:
            yield f"send ends as {error.ending} where there is {why}, not as {ending}"
        if sms.recipient.strip("+") in str(error) or sms.text in str(error):
            yield "the error of send holds the recipient or the text"
    except Exception as error:
        yield f"send raises {type(error).__name__} where there is {why}, not SendError"
    else:
        yield f"send returns where there is {why}"
    if _raised(carrier.find, sms) not in {None, SendError.__name__}:
        yield f"find raises {_raised(carrier.find, sms)} where there is {why}, not SendError"


def _bare(request: WebhookRequest) -> WebhookRequest:
    return replace(request, headers={}, query="")


def _raised(call: Callable[[Any], object], value: object) -> str | None:
    """Returns the name of what is raised."""
    try:
        call(value)
    except Exception as error:
        return type(error).__name__
    return None


@contextmanager
def _closed() -> Iterator[str]:
    """Yields an address that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def _silent() -> Iterator[str]:
    """Yields the address of a server that takes what it is sent and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        is_over = threading.Event()
        thread = threading.Thread(target=_hang_up, args=(listener, is_over))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            is_over.set()
            thread.join()


def _hang_up(listener: socket.socket, is_over: threading.Event) -> None:
    while not is_over.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        with connection:
            connection.settimeout(PATIENCE)
            connection.recv(65536)
