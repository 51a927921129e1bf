"""Calls a ledger that is a service, and says why it did not answer."""

import hmac
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Protocol

from urllib3.exceptions import NewConnectionError

from smsgw import http_client
from smsgw.http_client import Answer, Bounds, Headers, TooLarge
from smsgw.ledger.faults import CONNECTING, FaultKind, LookUpFault, Unanswered
from smsgw.ledger_access import LedgerAccess
from smsgw.storage import deadlines

TIMESTAMP, SIGNATURE = "Smsgw-Timestamp", "Smsgw-Signature"
MOST = 4 * 1024 * 1024  # octets of an answer
DIED_WITHIN = 0.5  # seconds: a dead connection shows at once
APART = timedelta(minutes=2)  # clocks whose difference is worth a word; the service allows five

SLOW = {408, 429, 504}
AWAY = {502, 503}
# What holds for every look-up, and what to do about it.
EVERYWHERE = {
    401: "it does not know us; check LEDGER_API_SECRET or LEDGER_API_TOKEN on both sides",
    403: "it lets us in nowhere; check LEDGER_API_SECRET or LEDGER_API_TOKEN on both sides",
    404: "it has no such path; LEDGER_URL is the address before /look-ups",
    405: "it takes no such request; LEDGER_URL is the address before /look-ups",
}
REDIRECTS = "it redirects, which is not followed; set LEDGER_URL to where the service is"
UNTRUSTED = "its certificate is not trusted; check the name in LEDGER_URL, or set LEDGER_API_CA"


class Transport(Protocol):
    """Sends a request, as http_client.Client does."""

    def request(
        self,
        method: str,
        address: str,
        body: bytes | None = None,
        headers: Headers = http_client.NO_HEADERS,
        bounds: Bounds | None = None,
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """Holds how a service knows us: by a secret that signs, or by a token."""

    secret: bytes | None = None
    token: str | None = None

    def headers(self, body: bytes, now: float) -> dict[str, str]:
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token}"}
        timestamp = str(int(now))
        return {TIMESTAMP: timestamp, SIGNATURE: signature(self.secret or b"", timestamp, body)}


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    return hmac.digest(secret, timestamp.encode() + b"." + body, sha256).hex()


class ServiceClient:
    """Posts to a service, or gets from it, within `limit` seconds."""

    def __init__(
        self,
        address: str,
        credentials: Credentials,
        transport: Transport,
        limit: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._address = address.rstrip("/")
        self._credentials = credentials
        self._transport = transport
        self._limit = limit
        self._now = now

    def ask(self, name: str, path: str, body: bytes | None = None) -> Answer:
        """Returns a 200. `name` is the look-up; without `body`, nothing is posted. Raises
        Unanswered."""
        started = time.monotonic()
        bounds = Bounds(started + deadlines.left(self._limit), MOST)
        try:
            answer = self._send(path, body, bounds)
        except http_client.FAULTS as error:
            is_late = time.monotonic() >= bounds.until
            raise Unanswered(_fault(name, error, is_late=is_late)) from None
        if answer.status != 200:
            raise Unanswered(self._refusal(name, answer)) from None
        return answer

    def _send(self, path: str, body: bytes | None, bounds: Bounds) -> Answer:
        """Sends again if the connection had died: the service closes those that are idle."""
        started = time.monotonic()
        try:
            return self._send_once(path, body, bounds)
        except ConnectionError:
            if time.monotonic() - started > DIED_WITHIN:
                raise
        return self._send_once(path, body, bounds)

    def _send_once(self, path: str, body: bytes | None, bounds: Bounds) -> Answer:
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "smsgw",
            **self._credentials.headers(body or b"", self._now()),
        }
        method = "GET" if body is None else "POST"
        return self._transport.request(method, self._address + path, body, headers, bounds)

    def _refusal(self, name: str, answer: Answer) -> LookUpFault:
        status = answer.status
        if status in AWAY:
            return LookUpFault(name, FaultKind.AWAY, "HTTP", str(status))
        if status in SLOW:
            return LookUpFault(name, FaultKind.SLOW, "HTTP", str(status))
        detail = REDIRECTS if 300 <= status < 400 else EVERYWHERE.get(status)
        if status == 401 and (skew := self._skew(answer.headers)):
            detail = skew
        where = CONNECTING if detail else name
        return LookUpFault(where, FaultKind.REFUSED, "HTTP", str(status), detail)

    def _skew(self, headers: Headers) -> str | None:
        """Returns what to say where both clocks are too far apart for a signature."""
        try:
            theirs = parsedate_to_datetime(headers.get("Date", ""))
        except (TypeError, ValueError):
            return None
        apart = datetime.fromtimestamp(self._now(), UTC) - theirs.replace(tzinfo=UTC)
        if self._credentials.secret is None or abs(apart) < APART:
            return None
        way = "ahead of" if apart > timedelta() else "behind"
        by = timedelta(seconds=round(abs(apart).total_seconds()))
        return f"this machine's clock is {by} {way} the service's; set whichever is wrong"


def connect(access: LedgerAccess, address: str, limit: float) -> ServiceClient:
    """Returns a client for LEDGER_URL. It connects when it is asked."""
    secret, token = access.ledger_secret, access.ledger_token
    credentials = Credentials(
        secret.get_secret_value().encode() if secret else None,
        token.get_secret_value() if token else None,
    )
    certificates = access.ledger_certificates
    transport = http_client.Client((limit, limit), str(certificates) if certificates else None)
    return ServiceClient(address, credentials, transport, limit)


def _fault(name: str, error: Exception, *, is_late: bool) -> LookUpFault:
    """Says what an error means. None of its words is repeated: they may hold what was sent."""
    cause = error.__cause__ if isinstance(error, NewConnectionError) else error
    what = type(cause or error).__name__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return LookUpFault(CONNECTING, FaultKind.REFUSED, what, None, UNTRUSTED)
    if isinstance(error, NewConnectionError):
        return LookUpFault(CONNECTING, FaultKind.AWAY, what)
    if isinstance(error, TooLarge):
        detail = f"its answer has more than {MOST} octets"
        return LookUpFault(name, FaultKind.REFUSED, what, None, detail)
    if isinstance(error, TimeoutError) or is_late:
        return LookUpFault(name, FaultKind.SLOW, what)
    return LookUpFault(name, FaultKind.AWAY, what)
