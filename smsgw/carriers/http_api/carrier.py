"""Speaks to the carrier that a YAML file describes. The carrier calls
https://SMSGW_PUBLIC_URL/in/http with messages and /in/http/status with delivery reports."""

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from pydantic import PlainValidator, ValidationInfo

from smsgw import gsm7, logs, phone
from smsgw.carriers import http
from smsgw.carriers.carrier import (
    Acknowledgement,
    Carrier,
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
from smsgw.carriers.http_api import template, yaml_file
from smsgw.carriers.http_api.definition import (
    Definition,
    Hmac,
    ReportFields,
    Send,
    SharedSecret,
)
from smsgw.carriers.http_api.field_types import is_safe
from smsgw.carriers.http_api.reading import CarrierResponse, at, is_given, items, part_at, text_at
from smsgw.carriers.http_api.template import Template, Values
from smsgw.carriers.http_api.yaml_file import CarrierFile
from smsgw.variables import is_loopback, variable

log = logs.get(__name__)

Read = TypeVar("Read")
LONGEST = 64
TOO_MANY = 429
A_CODE = re.compile(r"[\w.-]{1,20}")
INTERNATIONAL = re.compile(r"[1-9][0-9]{7,14}")  # as most carriers write it, without a plus


def _load(value: str, info: ValidationInfo) -> CarrierFile:
    return yaml_file.load(Path(value), info.context or {})


class HttpSettings(CarrierSettings):
    file: Annotated[CarrierFile, PlainValidator(_load)] | None = variable(
        "SMSGW_HTTP_CARRIER", None, "YAML file of the carrier http; deploy/http/ has examples"
    )

    @property
    def reaches_people(self) -> bool:
        return self.file is None or not is_loopback(_sample_url(self.file.definition.send))

    @property
    def further_variables(self) -> Set[str]:
        return self.file.variables if self.file else frozenset()

    def faults(self) -> Iterator[tuple[str, str]]:
        needed = {"SMSGW_HTTP_CARRIER": self.file, "SMSGW_PUBLIC_URL": self.public_url}
        yield from lacking(needed, "http")
        if self.public_url and not is_safe(self.public_url):
            yield "SMSGW_PUBLIC_URL", "needs https with SMSGW_CARRIER=http"

    def build(self) -> Carrier:
        return HttpApi(self)


class HttpApi:
    name = "http"

    def __init__(self, settings: HttpSettings, limits: tuple[float, float] | None = None) -> None:
        if settings.file is None:
            raise ValueError("there is no SMSGW_HTTP_CARRIER")
        self._definition: Definition = settings.file.definition
        self._send = self._definition.send
        self._base = settings.base_url
        self.default_sender_id = _number(self._definition.from_)
        self._limits = limits or (http.CONNECT_LIMIT, http.READ_LIMIT)
        self._session = http.session()
        self._deliveries = _deliveries(self._definition)

    @property
    def routes(self) -> Sequence[Route]:
        reply = self._definition.acknowledge
        acknowledgement = Acknowledgement(reply.status, reply.body, reply.media_type)
        inbound, reports = self._definition.inbound, self._definition.reports
        messages = "The carrier of SMSGW_HTTP_CARRIER delivers messages."
        found_routes = [Route("http", inbound.methods, Reads.MESSAGES, acknowledgement, messages)]
        if reports:
            summary = "The carrier of SMSGW_HTTP_CARRIER sends delivery reports."
            found_routes.append(
                Route("http/status", reports.methods, Reads.REPORTS, acknowledgement, summary)
            )
        return found_routes

    def verify(self, request: WebhookRequest) -> None:
        how = self._definition.authentication
        is_theirs = (how.secret and _knows(request, how.secret)) or (
            how.hmac and self._signed(request, how.hmac)
        )
        if not is_theirs:
            raise Forged

    def _signed(self, request: WebhookRequest, how: Hmac) -> bool:
        target = request.path + (f"?{request.query}" if request.query else "")
        address = (self._base + target).encode() if how.signs == "url+body" else b""
        given = request.headers.get(how.header.lower(), "")
        return any(
            _equal(
                given, how.prefix + _signature(key.get_secret_value(), address + request.body, how)
            )
            for key in how.key
        )

    def read_messages(self, request: WebhookRequest) -> Sequence[IncomingSms]:
        inbound = self._definition.inbound
        return _read_each(items(request, inbound.format, inbound.list), self._message)

    def _message(self, item: object) -> IncomingSms:
        fields = self._definition.inbound.fields
        paths = {"id": fields.id, "from": fields.from_, "to": fields.to, "text": fields.text}
        for name, path in paths.items():
            if path and not is_given(item, path):
                raise Malformed(f"inbound.fields.{name}: the message has no {path}")
            if path and isinstance(at(item, path), dict | list):
                raise Malformed(f"inbound.fields.{name}: {path} has parts of its own")
        reference, sender = text_at(item, fields.id), text_at(item, fields.from_)
        sender_id = text_at(item, fields.to) if fields.to else self.default_sender_id
        text = text_at(item, fields.text)
        where = self._definition.inbound.parts
        part = part_at(item, where.reference, where.number, where.total) if where else None
        return IncomingSms(
            self.name, reference, _number(sender), _number(sender_id), text, part=part
        )

    def read_reports(self, request: WebhookRequest) -> Sequence[Report]:
        reports = self._definition.reports
        if reports is None:
            return []
        named = parse_qs(request.query).get("out", [""])[-1]
        listed = items(request, reports.format, reports.list)
        return _read_each(listed, lambda item: self._report(item, reports.fields, named))

    def _report(self, item: object, fields: ReportFields, named: str) -> Report | None:
        """Returns None if it is no news, or of an SMS that another system sent. Raises
        Malformed."""
        attempt = text_at(item, fields.attempt) if fields.attempt else named
        delivery = self._deliveries.get(text_at(item, fields.status))
        try:
            attempt_id = attempt_named(attempt)
        except Malformed:
            if fields.attempt:
                return None
            raise
        if not is_given(item, fields.status):
            raise Malformed(f"reports.fields.status: the report has no {fields.status}")
        if delivery is None:
            return None
        reference = text_at(item, fields.id)[:LONGEST] if fields.id else ""
        code = text_at(item, fields.code)[:20] if fields.code else ""
        is_lost = delivery is Delivery.UNDELIVERED
        return Report(
            self.name, attempt_id, delivery, reference or None, code or None if is_lost else None
        )

    def send(self, sms: OutgoingSms) -> str | None:
        if phone.is_fictitious(sms.recipient):
            raise SendError(Ending.REFUSED, "fictitious")
        how = self._send
        encoding = how.encoding.gsm7 if gsm7.is_gsm7(sms.text) else how.encoding.unicode
        values = template.values(sms, self._report_url(sms.attempt_id), encoding)
        try:
            answer = self._session.request(
                how.method,
                how.url.render_url(values),
                params=_rendered(how.query, values),
                headers=_headers(how, values),
                data=_body(how, values),
                timeout=self._limits,
                allow_redirects=False,
            )
        except (requests.RequestException, ValueError) as error:
            raise http.send_error(error) from None  # its words hold the address
        return self._judged(CarrierResponse(answer.status_code, answer.text))

    def _report_url(self, attempt_id: int) -> str:
        query = {"out": str(attempt_id)}
        secret = self._definition.authentication.secret
        if secret and secret.query:
            query[secret.query] = secret.value[0].get_secret_value()
        return f"{self._base}/in/http/status?{urlencode(query)}"

    def _judged(self, answer: CarrierResponse) -> str | None:
        """Returns the carrier's id. Raises SendError."""
        how = self._send
        if any(rule.holds(answer) for rule in how.success):
            return (how.id.of(answer)[:LONGEST] or None) if how.id else None
        code = how.code.of(answer) if how.code else ""
        code = code if A_CODE.fullmatch(code) else str(answer.status)
        listed = {Ending.RETRY: how.retry, Ending.REFUSED: how.refused, Ending.UNKNOWN: how.unknown}
        for ending, rules in listed.items():
            if any(rule.holds(answer) for rule in rules):
                raise SendError(ending, code)
        raise SendError(_ending(answer.status), code)

    def find(self, _sms: OutgoingSms) -> None:
        """Returns None: most carriers of this kind cannot be queried."""

    def misconfigured(self) -> str | None:
        """Checks only whether the carrier answers: only an SMS shows whether it would send."""
        address = (
            urlsplit(_sample_url(self._send))._replace(path="/", query="", fragment="").geturl()
        )
        try:
            self._session.head(address, timeout=self._limits, allow_redirects=False)
        except requests.RequestException as error:
            return f"send.url does not answer ({type(error).__name__}); check it and the network"
        return None


def _read_each(listed: Sequence[object], read: Callable[[object], Read | None]) -> list[Read]:
    """Reads all of a list; a malformed item does not stop the others. Raises Malformed where there
    are no others."""
    found, fault = [], None
    for item in listed:
        try:
            found.append(read(item))
        except Malformed as error:
            fault = error
            log.warning("invalid item in a webhook", why=str(error))
    if fault and not any(found):
        raise fault
    return [each for each in found if each is not None]


def _deliveries(definition: Definition) -> dict[str, Delivery]:
    reports = definition.reports
    if reports is None:
        return {}
    words = {
        Delivery.SENT: reports.sent,
        Delivery.DELIVERED: reports.delivered,
        Delivery.UNDELIVERED: reports.undelivered,
    }
    return {word: delivery for delivery, listed in words.items() for word in listed}


def _knows(request: WebhookRequest, secret: SharedSecret) -> bool:
    if secret.header:
        given = [request.headers.get(secret.header.lower(), "")]
    else:
        given = parse_qs(request.query).get(secret.query or "", [])
    known = [each.get_secret_value() for each in secret.value]
    return any(_equal(one, other) for one in given for other in known)


def _signature(key: str, signed: bytes, how: Hmac) -> str:
    digest = hmac.digest(key.encode(), signed, how.algorithm)
    return digest.hex() if how.encoding == "hex" else b64encode(digest).decode()


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _number(written: str) -> str:
    return (f"+{written}" if INTERNATIONAL.fullmatch(written) else written)[:LONGEST]


def _ending(status: int) -> Ending:
    if status == TOO_MANY:
        return Ending.RETRY
    return Ending.REFUSED if 400 <= status < 500 else Ending.UNKNOWN


def _sample_url(how: Send) -> str:
    return how.url.render_url(template.SAMPLE)


def _rendered(templates: dict[str, Template], values: Values) -> dict[str, str]:
    return {name: each.render(values) for name, each in templates.items()}


def _headers(how: Send, values: Values) -> dict[str, str]:
    headers = {name: each.render(values, template.in_header) for name, each in how.headers.items()}
    if how.json_ is not None:
        headers.setdefault("Content-Type", "application/json")
    if how.raw:
        headers.setdefault("Content-Type", how.raw.type)
    login = how.login
    if login and login.bearer:
        headers["Authorization"] = f"Bearer {login.bearer.render(values, template.in_header)}"
    elif login and login.user and login.password:
        pair = f"{login.user.render(values)}:{login.password.render(values)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return headers


def _body(how: Send, values: Values) -> bytes | dict[str, str] | None:
    if how.raw:
        return how.raw.text.render(values, template.escape_for(how.raw.type)).encode()
    if how.json_ is not None:
        return template.dumped(_json(how.json_, values))
    return _rendered(how.form, values) if how.form is not None else None


def _json(value: Any, values: Values) -> Any:
    if isinstance(value, Template):
        return value.render_json(values)
    if isinstance(value, dict):
        return {key: _json(each, values) for key, each in value.items()}
    return [_json(each, values) for each in value] if isinstance(value, list) else value
