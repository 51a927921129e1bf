"""Twilio Programmable Messaging.

Webhooks: https://www.twilio.com/docs/messaging/guides/webhook-request
Signature: https://www.twilio.com/docs/usage/security
"""

import hmac
import logging
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1
from json import JSONDecodeError
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from twilio.base.exceptions import (
    TwilioException,
    TwilioRestException,
    TwilioServiceException,
)
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from smsgw import phone
from smsgw.carriers import http
from smsgw.carriers.carrier import (
    Delivery,
    Ending,
    Forged,
    Found,
    IncomingSms,
    Malformed,
    OutgoingSms,
    Report,
    SendError,
    WebhookRequest,
    attempt_named,
)
from smsgw.settings import Settings

LONGEST_SID = 64
TOO_MANY = 429  # "never processed and always safe to retry"
OPTED_OUT = "21610"
LONGEST_VALIDITY = 36_000  # seconds
# Twilio tries for 15 s, and then the fallback address, which only incoming messages have:
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
RETRIES = "#rc=3&rp=ct,5xx&tt=15000"
BOOKS = 100  # of the newest SMS to a phone are looked at

# MessageStatus. `queued`, `sending` and the like are no news: we know that it left us.
DELIVERIES = {
    "sent": Delivery.SENT,
    "delivered": Delivery.DELIVERED,
    "read": Delivery.DELIVERED,
    "undelivered": Delivery.UNDELIVERED,
    "failed": Delivery.UNDELIVERED,
}
# The rest of the statuses: it is in Twilio's hands.
IN_BOOKS = DELIVERIES | dict.fromkeys(("accepted", "scheduled", "queued", "sending"), Delivery.SENT)
FAULTS = (TwilioException, requests.RequestException, JSONDecodeError, ValueError, KeyError)
OPTED = {"STOP": "stop", "START": "start", "HELP": "help"}


class Twilio:
    name = "twilio"

    def __init__(self, settings: Settings, limits: tuple[float, float] | None = None) -> None:
        self._public_url = settings.public_url or ""
        self._addresses = _addresses(self._public_url)
        self._tokens = [token.get_secret_value() for token in settings.twilio_auth_tokens]
        self._account = settings.twilio_account_sid or ""
        self.own_lane = settings.twilio_from or settings.twilio_messaging_service_sid or ""
        limits = limits or (http.CONNECT_LIMIT, http.READ_LIMIT)
        client = LimitedHttpClient(settings.twilio_api_base, limits)
        self._client = Client(self._account, self._tokens[0], http_client=client)

    def verify(self, request: WebhookRequest) -> None:
        """Over the address that Twilio was given, never over what the request says of itself; with
        what is asked of retries or without, which its documentation does not say."""
        target = request.path + (f"?{request.query}" if request.query else "")
        given = request.headers.get("x-twilio-signature", "")
        if not any(
            _equal(given, signature(token, address + target + fragment, request.form))
            for token in self._tokens
            for address in self._addresses
            for fragment in ("", RETRIES)
        ):
            raise Forged

    def read(self, request: WebhookRequest) -> IncomingSms:
        form = _fields(request)
        sid, sender, lane = form.get("MessageSid"), form.get("From"), form.get("To")
        if not sid or not sender or not lane or "Body" not in form or len(sid) > LONGEST_SID:
            raise Malformed("MessageSid, From, To and Body are needed")
        if form.get("AccountSid", self._account) != self._account:
            raise Malformed("the message belongs to another account")
        opted = OPTED.get(form.get("OptOutType", ""))
        return IncomingSms(
            self.name, sid, sender[:LONGEST_SID], lane[:LONGEST_SID], form["Body"], opted
        )

    def read_report(self, request: WebhookRequest) -> Report | None:
        form = _fields(request)
        attempt = attempt_named(parse_qs(request.query).get("out", [""])[-1])
        delivery = DELIVERIES.get(form.get("MessageStatus", ""))
        if delivery is None:
            return None
        sid = form.get("MessageSid", "")[:LONGEST_SID]
        code = form.get("ErrorCode", "")[:20] or None
        return Report(
            *(self.name, attempt, delivery, sid or None, code), is_opted_out=code == OPTED_OUT
        )

    def send(self, sms: OutgoingSms) -> str:
        if phone.is_fictitious(sms.recipient):
            raise SendError(Ending.REFUSED, "fictitious")
        sender = "messaging_service_sid" if _is_service(sms.lane) else "from_"
        seconds = int(sms.lasts.total_seconds())
        try:
            message = self._client.messages.create(
                to=sms.recipient,
                **{sender: sms.lane},
                body=sms.text,
                status_callback=f"{self._public_url}/in/twilio/status?out={sms.attempt_id}{RETRIES}",
                validity_period=min(max(seconds, 1), LONGEST_VALIDITY),
            )
        except FAULTS as error:
            raise send_error(error) from None  # Twilio's words hold the recipient's number
        if not message.sid:
            raise SendError(Ending.UNKNOWN, "no sid")
        return str(message.sid)[:LONGEST_SID]

    def find(self, sms: OutgoingSms) -> list[Found]:
        """By recipient and sender alone: DateSent is empty while an SMS is in Twilio's queue, and
        the newest come first."""
        sender = {} if _is_service(sms.lane) else {"from_": sms.lane}
        try:
            listed = self._client.messages.list(
                to=sms.recipient, **sender, limit=BOOKS, page_size=BOOKS
            )
        except FAULTS as error:
            raise send_error(error) from None
        return [
            Found(
                str(each.sid)[:LONGEST_SID],
                each.date_created,
                each.body == sms.text,
                IN_BOOKS[str(each.status)],
                _code(each.error_code),
            )
            for each in listed
            if str(each.status) in IN_BOOKS and each.date_created
        ]

    def misconfigured(self) -> str | None:
        """What the number's settings at Twilio lack: by default it gives up what meets a restart.
        None where they are well, or belong to a messaging service. Raises SendError."""
        if _is_service(self.own_lane):
            return None
        try:
            numbers = self._client.incoming_phone_numbers.list(phone_number=self.own_lane)
        except FAULTS as error:
            raise send_error(error) from None
        if len(numbers) != 1:
            return f"TWILIO_FROM to a number of this account; {self.own_lane} is none"
        (number,) = numbers
        ours = f"{self._public_url}/in/twilio"
        wanted = {"A message comes in": ours + RETRIES, "Primary handler fails": ours}
        given = (number.sms_url, number.sms_fallback_url)
        lacking = [
            f"{name}: {address}"
            for (name, address), set_ in zip(wanted.items(), given, strict=True)
            if set_ != address
        ]
        return "; ".join(lacking) or None


def signature(token: str, url: str, form: Iterable[tuple[str, str]]) -> str:
    """What Twilio puts into X-Twilio-Signature. A repeated field's equal values count once."""
    text = url + "".join(name + value for name, value in sorted(set(form)))
    octets = text.encode("utf-8", "surrogatepass")
    return b64encode(hmac.digest(token.encode(), octets, sha1)).decode()


def send_error(error: Exception) -> SendError:
    """How a POST ended. Only what surely never reached Twilio may be tried again."""
    if isinstance(error, TwilioRestException | TwilioServiceException):
        status, code = error.status, str(error.code or error.status)
        if status == TOO_MANY:
            return SendError(Ending.RETRY, code)
        ending = Ending.REFUSED if 400 <= status < 500 else Ending.UNKNOWN
        return SendError(ending, code, is_opted_out=code == OPTED_OUT)
    if http.is_unsent(error):
        return SendError(Ending.RETRY, "no connection")
    return SendError(Ending.UNKNOWN, type(error).__name__[:20])


class LimitedHttpClient(HttpClient):
    """Connect and read limits, no retry of a POST, and another host where one is set."""

    def __init__(self, base: str | None, limits: tuple[float, float]) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=False)
        self._session = http.session()
        self._base = base
        self._limits = limits

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        if self._base:
            uri = self._base + urlsplit(uri)._replace(scheme="", netloc="").geturl()
        answer = self._session.request(
            method,
            uri,
            params=params,
            data=data,
            headers=headers,
            auth=auth,
            timeout=self._limits,
            allow_redirects=False,
        )
        return Response(answer.status_code, answer.text, answer.headers)


def _fields(request: WebhookRequest) -> dict[str, str]:
    """NUL is in no SMS, and PostgreSQL takes none."""
    return {name: value.replace("\0", "") for name, value in request.form}


def _is_service(lane: str) -> bool:
    """A messaging service stands for many numbers, and chooses one of them."""
    return lane.startswith("MG")


def _code(error_code: object) -> str | None:
    return str(error_code) if error_code else None


def _addresses(public_url: str) -> list[str]:
    """As configured, and with the scheme's own port said or left out: Twilio signs what it was
    given, and either way of writing it reaches us."""
    parts = urlsplit(public_url)
    port = 443 if parts.scheme == "https" else 80
    if parts.port not in {None, port}:
        return [public_url]
    bare = parts.netloc.removesuffix(f":{port}")
    return [parts._replace(netloc=netloc).geturl() for netloc in (bare, f"{bare}:{port}")]


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
