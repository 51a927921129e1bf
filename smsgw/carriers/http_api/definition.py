"""Describes what the YAML file has, and which parts of it go together."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from smsgw.carriers.http_api.field_types import (
    Format,
    Json,
    Methods,
    PickOf,
    PlacedError,
    Secrets,
    Statuses,
    Text,
    Texts,
    Url,
    as_list,
    regex,
)
from smsgw.carriers.http_api.reading import CarrierResponse, Pick
from smsgw.carriers.http_api.template import Template

A_SENDER = r"\+?[0-9]{3,15}|[A-Za-z][A-Za-z0-9 ]{2,10}"
Model = TypeVar("Model", bound="Part")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def only_one(self: Model, *names: str, of: str) -> Model:
        given = [name for name in names if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}; give one {of}")
        return self


class Rule(Part):
    """Says which answers are meant: those that fulfil every condition given here."""

    status: Statuses = ()
    path: str | None = None
    equals: Texts = ()
    matches: Annotated[re.Pattern[str], PlainValidator(regex)] | None = None  # in the body

    @model_validator(mode="after")
    def _has_meaning(self) -> "Rule":
        if bool(self.path) != bool(self.equals):
            raise ValueError("path and equals go together")
        if not (self.status or self.path or self.matches):
            raise ValueError("says nothing: give status, path with equals, or matches")
        return self

    def holds(self, answer: CarrierResponse) -> bool:
        return (
            (not self.status or answer.status in self.status)
            and (not self.path or Pick(path=self.path).of(answer) in self.equals)
            and (not self.matches or self.matches.search(answer.text) is not None)
        )


Rules = Annotated[tuple[Rule, ...], BeforeValidator(as_list)]


class Login(Part):
    bearer: Text | None = None
    user: Text | None = None
    password: Text | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Login":
        if bool(self.user) != bool(self.password) or bool(self.user) == bool(self.bearer):
            raise ValueError("is either bearer, or user and password")
        return self


class RawBody(Part):
    """Holds a body as it is sent; `type` says how values in it are escaped."""

    type: str
    text: Text


class TextEncoding(Part):
    """Says what {encoding} stands for."""

    gsm7: str
    unicode: str


class Send(Part):
    method: Literal["GET", "POST", "PUT"] = "POST"
    url: Url
    query: dict[str, Text] = {}
    headers: dict[str, Text] = {}
    login: Login | None = None
    form: dict[str, Text] | None = None
    json_: Json | None = Field(None, alias="json")
    raw: RawBody | None = None
    encoding: TextEncoding = TextEncoding(gsm7="gsm7", unicode="unicode")
    success: Rules
    refused: Rules = ()
    retry: Rules = ()
    unknown: Rules = ()
    id: PickOf | None = None
    code: PickOf | None = None

    @model_validator(mode="after")
    def _has_one_body(self) -> "Send":
        return self.only_one("form", "json_", "raw", of="body")

    @model_validator(mode="after")
    def _says_what_to_whom(self) -> "Send":
        if "text" not in self.placeholders:
            raise ValueError("has no {text}, so that no SMS would hold its text")
        if not self.placeholders & {"to", "to_digits", "to_national"}:
            raise ValueError(
                "has none of {to}, {to_digits} and {to_national}, so no SMS would reach anybody"
            )
        return self

    @property
    def placeholders(self) -> frozenset[str]:
        """Returns what stands in braces anywhere in the request."""
        parts = (self.url, self.query, self.headers, self.login, self.form, self.json_, self.raw)
        return frozenset().union(*(each.placeholders for each in _templates(parts)))


def _templates(value: object) -> Iterator[Template]:
    if isinstance(value, Template):
        yield value
    elif isinstance(value, Part):
        yield from _templates([each for _, each in value])
    elif isinstance(value, dict):
        yield from _templates([*value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _templates(each)


class MessageFields(Part):
    id: str
    from_: str = Field(alias="from")
    to: str | None = None  # without it, all come to the number under `from`
    text: str


class Webhook(Part):
    methods: Methods = ("POST",)
    format: Format = "json"
    list: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "Webhook":
        if "GET" in self.methods and self.format != "query":
            raise ValueError("a GET has no body; use format: query")
        if self.list and self.format != "json":
            raise ValueError("only JSON has a list")
        return self


class PartFields(Part):
    """Says where a request names the part of a long message that it brings."""

    reference: str
    number: str
    total: str


class Inbound(Webhook):
    fields: MessageFields
    parts: PartFields | None = None


class ReportFields(Part):
    attempt: str | None = None  # where {id} comes back; else {report_url} names it
    status: str
    id: str | None = None
    code: str | None = None


class Reports(Webhook):
    fields: ReportFields
    sent: Texts = ()
    delivered: Texts
    undelivered: Texts

    @model_validator(mode="after")
    def _is_clear(self) -> "Reports":
        words = [*self.sent, *self.delivered, *self.undelivered]
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ValueError(f"has {twice[0]} with two meanings")
        return self


class SharedSecret(Part):
    header: str | None = None
    query: str | None = None
    value: Secrets

    @model_validator(mode="after")
    def _is_somewhere(self) -> "SharedSecret":
        if bool(self.header) == bool(self.query):
            raise ValueError("stands either in a header or in a query parameter")
        return self


class Hmac(Part):
    header: str
    key: Secrets
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    signs: Literal["body", "url+body"] = "body"
    prefix: str = ""  # before the signature, such as sha256=


class Authentication(Part):
    secret: SharedSecret | None = None
    hmac: Hmac | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Authentication":
        if bool(self.secret) == bool(self.hmac):
            raise ValueError("is either secret or hmac")
        return self


class Acknowledge(Part):
    status: int = Field(200, ge=200, le=299)
    body: str = ""
    media_type: str = "text/plain"


class Definition(Part):
    from_: Annotated[str, BeforeValidator(str), Field(alias="from", pattern=f"^({A_SENDER})$")]
    send: Send
    inbound: Inbound
    reports: Reports | None = None
    authentication: Authentication
    acknowledge: Acknowledge = Acknowledge()

    @model_validator(mode="after")
    def _can_be_checked(self) -> "Definition":
        hmac, sections = self.authentication.hmac, (self.inbound, self.reports)
        if hmac and any(each and each.format == "form" for each in sections):
            raise ValueError("hmac signs a body of JSON or an address, not a form; use secret")
        if hmac and hmac.signs == "body" and any(e and e.format == "query" for e in sections):
            raise ValueError("hmac over the body signs nothing of a query; use signs: url+body")
        return self

    @model_validator(mode="after")
    def _reports_find_their_attempt(self) -> "Definition":
        if self.reports is None:
            return self
        attempt, sent = self.reports.fields.attempt, self.send.placeholders
        if attempt and "id" not in sent:
            raise PlacedError(
                ("reports", "fields", "attempt"),
                "send has no {id}, so that none comes back; put it there",
            )
        if not attempt and self.reports.list:
            raise PlacedError(
                ("reports", "list"),
                "needs fields.attempt, as {report_url} names one attempt for all of the list",
            )
        if not attempt and "report_url" not in sent:
            raise PlacedError(
                ("reports", "fields"),
                "attempt is missing; give it, or put {report_url} under send",
            )
        return self
