"""Speaks to Twilio Programmable Messaging.

Webhooks: https://www.twilio.com/docs/messaging/guides/webhook-request
Signature: https://www.twilio.com/docs/usage/security
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha1
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator

from smsgw import phone
from smsgw.carriers import http
from smsgw.carriers.carrier import (
    Acknowledgement,
    CarrierRecord,
    CarrierSettings,
    Delivery,
    Ending,
    Forged,
    IncomingSms,
    Malformed,
    OutgoingSms,
    Reads,
    Report,
    Route,
    SendError,
    WebhookRequest,
    attempt_named,
    lacking,
)
from smsgw.carriers.channels import known_channels, number_of, on_channel_of
from smsgw.carriers.twilio_rest import FAULTS, OPTED_OUT, RestClient, send_error
from smsgw.variables import Secrets, Texts, WebAddress, is_loopback, matching, variable

LONGEST_SID = 64
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
OPTED = {"STOP": "stop", "START": "start", "HELP": "help"}
TO_SET = "in Twilio's console, set"
# The reply leaves by REST.
NO_REPLY_HERE = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
Id = Annotated[
    str,
    matching(
        r"[A-Z]{2}[0-9A-Za-z]{1,40}|\+?[0-9]{3,15}",
        "is neither an id such as AC0123… nor a number such as +15005550006",
    ),
]


class TwilioSettings(CarrierSettings):
    account_sid: Id | None = variable("TWILIO_ACCOUNT_SID", None, "Twilio account")
    auth_tokens: Secrets = variable(
        "TWILIO_AUTH_TOKEN", (), "Twilio token; a list, newest first, while one is being rotated"
    )
    sender: Id | None = variable("TWILIO_FROM", None, "number for notifications")
    messaging_service_sid: Id | None = variable(
        "TWILIO_MESSAGING_SERVICE_SID", None, "messaging service instead of TWILIO_FROM"
    )
    api_base: WebAddress | None = variable(
        "TWILIO_API_BASE", None, "another base address for Twilio's REST API"
    )
    channels: Annotated[Texts, AfterValidator(known_channels)] = variable(
        "TWILIO_CHANNELS", (), "channels beside SMS that are answered: whatsapp, rcs"
    )

    @property
    def reaches_people(self) -> bool:
        return not is_loopback(self.api_base)

    def faults(self) -> Iterator[tuple[str, str]]:
        needed = {
            "TWILIO_ACCOUNT_SID": self.account_sid,
            "TWILIO_AUTH_TOKEN": self.auth_tokens,
            "SMSGW_PUBLIC_URL": self.public_url,
        }
        yield from lacking(needed, "twilio")
        if bool(self.sender) == bool(self.messaging_service_sid):
            yield "TWILIO_FROM", "give it, or TWILIO_MESSAGING_SERVICE_SID, and not both"

    def build(self) -> "Twilio":
        return Twilio(self)


class Twilio:
    name = "twilio"
    routes = (
        Route(
            "twilio",
            ("POST",),
            Reads.MESSAGES,
            Acknowledgement(body=NO_REPLY_HERE, media_type="text/xml"),
            "Twilio delivers a message. Also its fallback address.",
        ),
        Route(
            "twilio/status",
            ("POST",),
            Reads.REPORTS,
            Acknowledgement(204, media_type=""),
            "Twilio sends a delivery report.",
        ),
    )

    def __init__(self, settings: TwilioSettings, limits: tuple[float, float] | None = None) -> None:
        self._public_url = settings.public_url or ""
        self._addresses = _addresses(self._public_url)
        self._tokens = [token.get_secret_value() for token in settings.auth_tokens]
        self._account = settings.account_sid or ""
        self._channels = settings.channels
        self.default_sender_id = settings.sender or settings.messaging_service_sid or ""
        limits = limits or (http.CONNECT_LIMIT, http.READ_LIMIT)
        self._rest = RestClient(self._account, self._tokens[0], settings.api_base, limits)

    def verify(self, request: WebhookRequest) -> None:
        """Checks the signature over the address that Twilio was given, never over what the request
        says of itself; with what is asked of retries or without, which its documentation does not
        say."""
        target = request.path + (f"?{request.query}" if request.query else "")
        given = request.headers.get("x-twilio-signature", "")
        if not any(
            _equal(given, signature(token, address + target + fragment, request.form))
            for token in self._tokens
            for address in self._addresses
            for fragment in ("", RETRIES)
        ):
            raise Forged

    def read_messages(self, request: WebhookRequest) -> Sequence[IncomingSms]:
        form = _fields(request)
        sid, sender, sender_id = form.get("MessageSid"), form.get("From"), form.get("To")
        if not sid or not sender or not sender_id or "Body" not in form:
            raise Malformed("MessageSid, From, To and Body are needed")
        if form.get("AccountSid", self._account) != self._account:
            raise Malformed("the message belongs to another account")
        opted = OPTED.get(form.get("OptOutType", ""))
        sender = number_of(sender, self._channels)
        to = sender_id[:LONGEST_SID]
        return [IncomingSms(self.name, sid, sender[:LONGEST_SID], to, form["Body"], opted)]

    def read_reports(self, request: WebhookRequest) -> Sequence[Report]:
        form = _fields(request)
        attempt = attempt_named(parse_qs(request.query).get("out", [""])[-1])
        delivery = DELIVERIES.get(form.get("MessageStatus", ""))
        if delivery is None:
            return []
        sid = form.get("MessageSid", "")[:LONGEST_SID]
        code = form.get("ErrorCode", "")[:20] or None
        is_opted_out = code == OPTED_OUT
        return [Report(self.name, attempt, delivery, sid or None, code, is_opted_out)]

    def send(self, sms: OutgoingSms) -> str:
        if phone.is_fictitious(sms.recipient):
            raise SendError(Ending.REFUSED, "fictitious")
        sender = "MessagingServiceSid" if _is_service(sms.sender_id) else "From"
        seconds = int(sms.lasts.total_seconds())
        fields = {
            "To": on_channel_of(sms.sender_id, sms.recipient),
            sender: sms.sender_id,
            "Body": sms.text,
            "StatusCallback": f"{self._public_url}/in/twilio/status?out={sms.attempt_id}{RETRIES}",
            "ValidityPeriod": min(max(seconds, 1), LONGEST_VALIDITY),
        }
        try:
            message = self._rest.create_message(fields)
        except FAULTS as error:
            raise send_error(error) from None  # Twilio's words hold the recipient's number
        if not message.get("sid"):
            raise SendError(Ending.UNKNOWN, "no sid")
        return str(message["sid"])[:LONGEST_SID]

    def find(self, sms: OutgoingSms) -> list[CarrierRecord]:
        """Searches by recipient and sender only: DateSent is empty while an SMS is in Twilio's
        queue, and the newest come first."""
        sender = {} if _is_service(sms.sender_id) else {"from_": sms.sender_id}
        try:
            listed = self._rest.client.messages.list(
                to=on_channel_of(sms.sender_id, sms.recipient),
                **sender,
                limit=BOOKS,
                page_size=BOOKS,
            )
        except FAULTS as error:
            raise send_error(error) from None
        return [
            CarrierRecord(
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
        """Returns what the number's settings lack: by default Twilio gives up what meets a restart.
        A messaging service has settings of its own, which are not looked at."""
        if not self._public_url.startswith("https://"):
            return "SMSGW_PUBLIC_URL should be https, or texts and signatures travel in the clear"
        if _is_service(self.default_sender_id):
            return None
        try:
            numbers = self._rest.client.incoming_phone_numbers.list(
                phone_number=self.default_sender_id
            )
        except FAULTS as error:
            raise send_error(error) from None
        if len(numbers) != 1:
            ours = self.default_sender_id
            return f"{TO_SET} TWILIO_FROM to a number of this account; {ours} is none"
        (number,) = numbers
        ours = f"{self._public_url}/in/twilio"
        wanted = {"A message comes in": ours + RETRIES, "Primary handler fails": ours}
        given = (number.sms_url, number.sms_fallback_url)
        unset = [
            f"{name}: {address}"
            for (name, address), set_ in zip(wanted.items(), given, strict=True)
            if set_ != address
        ]
        return f"{TO_SET} {'; '.join(unset)}" if unset else None


def signature(token: str, url: str, form: Iterable[tuple[str, str]]) -> str:
    """Returns what Twilio puts into X-Twilio-Signature. A repeated field's equal values count
    once."""
    text = url + "".join([name + value for name, value in sorted(set(form))])
    octets = text.encode("utf-8", "surrogatepass")
    return b64encode(hmac.digest(token.encode(), octets, sha1)).decode()


def _fields(request: WebhookRequest) -> dict[str, str]:
    """Returns the fields without NUL, which is in no SMS and which PostgreSQL does not take."""
    return {name: value.replace("\0", "") for name, value in request.form}


def _is_service(sender_id: str) -> bool:
    """Tells whether this is a messaging service, which chooses one of several numbers."""
    return sender_id.startswith("MG")


def _code(error_code: object) -> str | None:
    return str(error_code) if error_code else None


def _addresses(public_url: str) -> list[str]:
    """Returns the address with the scheme's port and without: Twilio signs what it was given."""
    parts = urlsplit(public_url)
    port = 443 if parts.scheme == "https" else 80
    if parts.port not in {None, port}:
        return [public_url]
    bare = parts.netloc.removesuffix(f":{port}")
    return [parts._replace(netloc=netloc).geturl() for netloc in (bare, f"{bare}:{port}")]


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
