"""Visits the console's pages without scripts: reads pages, fills in forms."""

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from smsgw.backoffice import accounts
from smsgw.backoffice.accounts import Operator
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
FORM = re.compile(r"<form[^>]*>.*?</form>", re.DOTALL)
INPUT = re.compile(r"<(?:input|button)[^>]*>")
AREA = re.compile(r"<textarea([^>]*)>(.*?)</textarea>", re.DOTALL)
SELECT = re.compile(r"<select([^>]*)>(.*?)</select>", re.DOTALL)
LINK = re.compile(r'<a [^>]*href="([^"#]+)')
OF_A_KIND = 3
TAGS = re.compile(r"<[^>]*>")


@dataclass
class Form:
    action: str
    values: dict[str, str]


class Visitor:
    """Keeps cookies and the token of the page it saw last."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.page = ""

    def get(self, address: str) -> TestResponse:
        return self._seen(self.client.get(address))

    def log_in_once(self, address: str) -> TestResponse:
        """Uses an address with its code after #, which browsers do not send."""
        page, _, code = address.partition("#")
        self.get(page)
        return self.submit("/console/login/once", once=code)

    def post(self, address: str, /, **values: object) -> TestResponse:
        """Posts with the token of the page before, and follows a redirect."""
        token = TOKEN.search(self.page)
        data = {"csrf_token": token[1] if token else "", **values}
        return self._seen(self.client.post(address, data=data, follow_redirects=True))

    def form(self, action: str) -> Form:
        """Returns the fields of the form of the last page whose address ends so, as they stand."""
        for found in FORM.findall(self.page):
            to = _attributes(found).get("action", "")
            if to.endswith(action):
                return Form(to, dict(_fields(found)))
        raise AssertionError(f"no form to {action} in this page:\n{self.text}")

    def links(self) -> list[str]:
        """Returns the links of the page seen last."""
        return [html.unescape(each) for each in LINK.findall(self.page)]

    def form_of(self, id_: str) -> Form:
        """Returns the form with that id of the page seen last."""
        for found in FORM.findall(self.page):
            if _attributes(found).get("id") == id_:
                return Form(_attributes(found)["action"], dict(_fields(found)))
        raise AssertionError(f"no form {id_} in this page:\n{self.text}")

    def button(self, name: str, value: str) -> Mapping[str, str]:
        """Returns the attributes of a button of the last page."""
        buttons = map(_attributes, re.findall(r"<button[^>]*>", self.page))
        return next(
            each for each in buttons if (each.get("name"), each.get("value")) == (name, value)
        )

    def submit(self, action: str, **values: object) -> TestResponse:
        form = self.form(action)
        return self.post(form.action, **(form.values | values))

    @property
    def text(self) -> str:
        """Returns what the page seen last says."""
        return " ".join(html.unescape(TAGS.sub(" ", self.page)).split())

    def _seen(self, response: TestResponse) -> TestResponse:
        if response.mimetype == "text/html":
            self.page = response.text
        return response


def logged_in(app: Flask, rt: Runtime, role: Role, name: str = "") -> Visitor:
    """Logs in a new operator of that role."""
    visitor = Visitor(app)
    with rt.writing() as tx:
        made = add_operator(tx, role, name or str(role))
        once = accounts.invite(tx, made.id, "shell:tests")
    response = visitor.log_in_once(f"/console/login/once#{once}")
    assert response.status_code == 200, response.text
    return visitor


class Walk:
    """Yields addresses to visit. Each page adds those that it links to, but only the first few of
    one kind, that is of one route and the same names in the query."""

    def __init__(self, app: Flask, start: str = "/console/") -> None:
        self._routes = app.url_map.bind("localhost")
        self._waiting, self._known = [start], {start}
        self._kinds = Counter[tuple[str, ...]]()

    def __iter__(self) -> Iterator[str]:
        while self._waiting:
            yield self._waiting.pop(0)

    def look(self, page: str) -> None:
        for to in map(html.unescape, LINK.findall(page)):
            if to.startswith("/console/") and to not in self._known:
                self._known.add(to)
                kind = self._kind(to)
                self._kinds[kind] += 1
                if self._kinds[kind] <= OF_A_KIND:
                    self._waiting.append(to)

    def _kind(self, address: str) -> tuple[str, ...]:
        path, _, query = address.partition("?")
        endpoint, _ = self._routes.match(path)
        return (endpoint, *sorted(parse_qs(query)))


def crawl(visitor: Visitor) -> Iterator[tuple[str, TestResponse]]:
    """Visits every page that links lead to."""
    walk = Walk(visitor.client.application)
    for address in walk:
        answer = visitor.get(address)
        yield address, answer
        if answer.mimetype == "text/html":
            walk.look(answer.text)


def add_operator(tx: accounts.Transaction, role: Role, name: str) -> Operator:
    made = accounts.add(tx, name, role, None, "shell:test")
    accounts.set_language(tx, made.id, "en")
    return made


def _attributes(tag: str) -> Mapping[str, str]:
    head = tag[: tag.index(">")]
    return {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', head)}


def _fields(form: str) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for tag in INPUT.findall(form):
        held = _attributes(tag)
        is_off = held.get("type") in {"checkbox", "radio"} and " checked" not in tag
        if tag.startswith("<input") and "name" in held and not is_off:
            fields.append((held["name"], held.get("value", "on" if "type" in held else "")))
    for head, text in AREA.findall(form):
        fields.append((_attributes(f"{head}>")["name"], html.unescape(text.removeprefix("\n"))))
    for head, options in SELECT.findall(form):
        chosen = re.search(r"<option([^>]*) selected", options) or re.search(
            r"<option([^>]*)>", options
        )
        value = _attributes(f"{chosen[1]}>").get("value", "") if chosen else ""
        fields.append((_attributes(f"{head}>")["name"], value))
    return fields
