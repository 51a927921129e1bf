"""Speaks to Kannel 1.4.5, the gateway to a real short number (deploy/kannel/kannel.conf).

An SMS comes in by get-url or post-url, a reply goes out by sendsms, a status report comes by
dlr-url; https://www.kannel.org/download/1.4.5/userguide-1.4.5/userguide.html, chapters 6 and 7.
Kannel signs nothing, so its calls carry a password; it counts 200 and 202 alone as success.
"""

import hmac
import math
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import unquote, unquote_to_bytes, urlencode, urlsplit

import requests
from pydantic import AfterValidator, SecretStr
from urllib3.util import make_headers

from smsgw import gsm7, http_client, phone
from smsgw.carriers import http
from smsgw.carriers.carrier import (
    Acknowledgement,
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
from smsgw.variables import (
    Secrets,
    Texts,
    WebAddress,
    is_loopback,
    matching,
    variable,
)

LONGEST = 64
LONGEST_SHORT_CODE = 6
EVERY_REPORT = 31  # bits: delivered, failed, buffered, taken by the centre, refused by it
ACCEPTED = 202  # "0: Accepted for delivery" and "3: Queued for later delivery" alike
NO_RECEIVER, FORBIDDEN = 400, 403
QUEUE_FULL = 503  # "Temporal failure, try again later."
# type, as %d tells it. 4 (buffered) is no news.
DELIVERIES = {
    "1": Delivery.DELIVERED,
    "2": Delivery.UNDELIVERED,
    "8": Delivery.SENT,
    "16": Delivery.UNDELIVERED,
}
CHARSETS = {"UTF-16BE": "utf-16-be", "8-BIT": "latin-1"}
REASON = re.compile(r"\bNACK/(0x[0-9a-f]+)|\berr:(\w+)")


ACKNOWLEDGED = Acknowledgement()


def _fit_an_address(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not all(re.fullmatch(r"[\w.~-]{12,}", each.get_secret_value(), re.A) for each in value):
        raise ValueError("needs 12 characters or more, each a letter, a digit, or of . _ ~ -")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(each)) for each in value)
    except ValueError:
        raise ValueError("is a list of addresses, such as 10.0.0.7,10.1.0.0/16") from None


class KannelSettings(CarrierSettings):
    sendsms_url: WebAddress | None = variable(
        "KANNEL_SENDSMS_URL", None, "sendsms, such as http://127.0.0.1:13013/cgi-bin/sendsms"
    )
    username: str | None = variable("KANNEL_USERNAME", None, "Kannel's sendsms-user")
    password: SecretStr | None = variable("KANNEL_PASSWORD", None, "its password")
    sender: Annotated[str, matching(r"\+?[0-9]{3,15}", "must be a number such as 2757")] | None = (
        variable("KANNEL_FROM", None, "short number, for notifications")
    )
    inbound_passwords: Annotated[Secrets, AfterValidator(_fit_an_address)] = variable(
        "KANNEL_INBOUND_PASSWORD",
        (),
        "password of Kannel's calls to us; a list, newest first, while one is being rotated",
    )
    inbound_networks: Annotated[Texts, AfterValidator(_networks)] = variable(
        "KANNEL_INBOUND_NETWORKS",
        (),
        "addresses that Kannel calls from, such as 10.0.0.7,10.1.0.0/16; unset: any",
    )

    @property
    def reaches_people(self) -> bool:
        return not is_loopback(self.sendsms_url)

    def faults(self) -> Iterator[tuple[str, str]]:
        needed = {
            "KANNEL_SENDSMS_URL": self.sendsms_url,
            "KANNEL_USERNAME": self.username,
            "KANNEL_PASSWORD": self.password,
            "KANNEL_FROM": self.sender,
            "KANNEL_INBOUND_PASSWORD": self.inbound_passwords,
        }
        return lacking(needed, "kannel")

    def build(self) -> "Kannel":
        return Kannel(self)


class Kannel:
    name = "kannel"
    routes = (
        Route(
            "kannel",
            ("GET", "POST"),
            Reads.MESSAGES,
            ACKNOWLEDGED,
            "Kannel delivers a message, by get-url or post-url.",
        ),
        Route(
            "kannel/status",
            ("GET",),
            Reads.REPORTS,
            ACKNOWLEDGED,
            "Kannel sends a delivery report (dlr-url).",
        ),
    )

    def __init__(self, settings: KannelSettings, limits: tuple[float, float] | None = None) -> None:
        self.default_sender_id = settings.sender or ""
        self._address = settings.sendsms_url or ""
        self._user = settings.username or ""
        secret = settings.password
        self._password = secret.get_secret_value() if secret else ""
        self._networks = [ip_network(each) for each in settings.inbound_networks]
        self._inbound = [each.get_secret_value() for each in settings.inbound_passwords]
        self._limits = limits or (http.CONNECT_LIMIT, http.READ_LIMIT)
        self._session = http.session()
        self._client = http_client.Client(self._limits)
        self._headers = _basic_authentication(self._address)
        base = urlsplit(settings.base_url)
        self._reports = base._replace(
            netloc=f"kannel:{self._inbound[0]}@{base.netloc}", path=f"{base.path}/in/kannel/status"
        ).geturl()

    def verify(self, request: WebhookRequest) -> None:
        """Checks HTTP Basic authentication, whose user does not count, and where the request comes
        from."""
        if not self._may_call(request.address):
            raise Forged
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            _, _, password = b64decode(given, validate=True).partition(b":")
        except (NotBase64, ValueError):
            raise Forged from None
        known = [hmac.compare_digest(password, each.encode()) for each in self._inbound]
        if kind.lower() != "basic" or not any(known):
            raise Forged

    def _may_call(self, address: str) -> bool:
        try:
            return not self._networks or any(ip_address(address) in each for each in self._networks)
        except ValueError:
            return False

    def read_messages(self, request: WebhookRequest) -> Sequence[IncomingSms]:
        fields = _fields(request)
        reference, sender, sender_id = (_text(fields, name) for name in ("id", "from", "to"))
        if not reference or not sender or not sender_id:
            raise Malformed("id, from and to are needed; see deploy/kannel/kannel.conf")
        charset = CHARSETS.get(_text(fields, "charset").upper(), "utf-8")
        text = fields.get("text", b"").decode(charset, "replace").replace("\0", "")
        return [IncomingSms(self.name, reference, sender[:LONGEST], _sender_id(sender_id), text)]

    def read_reports(self, request: WebhookRequest) -> Sequence[Report]:
        fields = _fields(request)
        attempt, kind = attempt_named(_text(fields, "out")), _text(fields, "type")
        delivery = DELIVERIES.get(kind)
        if delivery is None:
            return []
        if delivery is not Delivery.UNDELIVERED:
            return [Report(self.name, attempt, delivery)]
        reason = REASON.search(_text(fields, "answer"))
        code = (reason[1] or reason[2]) if reason else None
        return [Report(self.name, attempt, delivery, code=code)]

    def send(self, sms: OutgoingSms) -> None:
        """Returns no id, since Kannel gives none: its reports name the attempt."""
        if phone.is_fictitious(sms.recipient):
            raise SendError(Ending.REFUSED, "fictitious")
        parameters = {
            "username": self._user,
            "password": self._password,
            "from": sms.sender_id,
            "to": sms.recipient,
            "text": sms.text,
            "validity": str(max(1, math.ceil(sms.lasts.total_seconds() / 60))),
            "dlr-mask": str(EVERY_REPORT),
            "dlr-url": f"{self._reports}?out={sms.attempt_id}&type=%d&answer=%A",
        }
        if not gsm7.is_gsm7(sms.text):  # left alone, Kannel would put question marks
            parameters |= {"coding": "2", "charset": "UTF-8"}
        address = f"{self._address}?{urlencode(parameters)}"
        try:
            answer = self._client.request("GET", address, headers=self._headers)
        except http_client.FAULTS as error:
            raise http.send_error(error) from None  # its words hold the address and the password
        if answer.status != ACCEPTED:
            raise SendError(_ending(answer.status), str(answer.status))

    def misconfigured(self) -> str | None:
        """Returns what is wrong with sendsms: without a receiver it sends nothing, but knows its
        users."""
        asked = {"username": self._user, "password": self._password}
        try:
            answer = self._session.get(
                self._address, params=asked, timeout=self._limits, allow_redirects=False
            )
        except requests.RequestException as error:
            return f"KANNEL_SENDSMS_URL does not answer ({type(error).__name__}); start smsbox"
        if answer.status_code == FORBIDDEN:
            return "sendsms refuses KANNEL_USERNAME and KANNEL_PASSWORD; see its sendsms-user group"
        if answer.status_code != NO_RECEIVER:
            return "KANNEL_SENDSMS_URL is not sendsms, whose path is /cgi-bin/sendsms"
        return None

    def find(self, _sms: OutgoingSms) -> None:
        """Returns None: Kannel keeps no books."""


def _ending(status: int) -> Ending:
    if status == QUEUE_FULL:
        return Ending.RETRY  # it says that it has not taken it
    return Ending.REFUSED if 400 <= status < 500 else Ending.UNKNOWN


def _basic_authentication(address: str) -> Mapping[str, str]:
    """Returns the header for an address such as http://user:password@host."""
    parts = urlsplit(address)
    if parts.username is None:
        return {}
    return make_headers(basic_auth=unquote(f"{parts.username}:{parts.password or ''}"))


def _fields(request: WebhookRequest) -> Mapping[str, bytes]:
    """Returns octets, since a text may be in another charset. With post-url the body is the
    text."""
    pairs = (part.partition("=") for part in request.query.split("&"))
    fields = {name: unquote_to_bytes(value.replace("+", " ")) for name, _, value in pairs}
    if request.body:
        header = Message()
        header["Content-Type"] = request.headers.get("content-type", "")
        charset = header.get_content_charset("utf-8").upper()
        fields = {"text": request.body, "charset": charset.encode(), **fields}
    return fields


def _text(fields: Mapping[str, bytes], name: str) -> str:
    return fields.get(name, b"").decode("utf-8", "replace").replace("\0", "").strip()


def _sender_id(number: str) -> str:
    """Removes the plus that some SMS centres put before a short number."""
    bare = number.removeprefix("+")
    return bare if len(bare) <= LONGEST_SHORT_CODE else number[:LONGEST]
