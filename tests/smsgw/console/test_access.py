"""Requests every route in every role, and checks what each page shows to whom."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask, session
from flask.sessions import NullSession
from werkzeug.routing import IntegerConverter, Rule

from smsgw import responder
from smsgw.backoffice.accounts import MAY
from smsgw.carriers.carrier import IncomingSms
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import P1, STRANGER
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor, crawl
from tests.support.leak_scan import personal

# All that a message leaves behind for somebody to see to, and the texts that nobody is shown.
TRAFFIC = (
    (P1, "SALDO 19012345678"),
    (P1, "tolong saldo saya dong pak, Budi Santoso"),
    (P1, "LAPOR gaji saya tidak dibayar PT Maju Jaya sejak Maret"),
    (P1, "HAPUS DATA"),
    (P1, "gimana nih kabar si Joko Widagdo"),
    ("+6285612345678", "SALDO 20098765432"),
    ("+6285612345678", "DATA SAYA"),
    (STRANGER, "DAFTAR SALDO#3171011708900000#BUDI SANTOSO#17-08-1990#19012345678"),
    (STRANGER, "SALDO 21000000017"),
    (STRANGER, "SALDO 21000000025"),
    (STRANGER, "SALDO 19012345678"),
)
TEXTS = {text for _, text in TRAFFIC if len(text) > len("HAPUS DATA")}
WITHOUT_LOGIN = {"login.static_file", "login.form", "login.log_in"}
WITHOUT_LOGIN |= {"login.once_form", "login.log_in_once"}
WITHOUT_LOGIN |= {"login.log_out", "login.set_language"}
PAGES_AT_LEAST = 8


@pytest.fixture
def traffic(rt: Runtime) -> None:
    for number, (sender, text) in enumerate(TRAFFIC):
        assert responder.respond(rt, IncomingSms("simulator", str(number), sender, "2757", text))


def routes(app: Flask) -> Iterator[tuple[str, str, Rule]]:
    """Yields each method with an address, its variables filled in."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("console."):
            variables = {name: _some(rule, name) for name in rule.arguments}
            built = rule.build(variables, append_unknown=False)
            assert built is not None
            for method in sorted({"GET", "POST"} & (rule.methods or set())):
                yield method, built[1], rule


def _some(rule: Rule, name: str) -> object:
    """Returns an id of something that exists, or a name."""
    return 1 if isinstance(rule._converters[name], IntegerConverter) else "saldo"


def test_pages_need_a_login(app: Flask, visitor: Visitor) -> None:
    visitor.get("/console/login")
    token = {"csrf_token": visitor.form("/console/login").values["csrf_token"]}
    asked = 0
    for method, address, rule in routes(app):
        if rule.endpoint.removeprefix("console.") in WITHOUT_LOGIN:
            continue
        answer = visitor.client.open(address, method=method, data=token)
        assert answer.status_code == 303, (method, address)
        assert answer.location.startswith("/console/login"), (method, address)
        asked += 1
    assert asked > PAGES_AT_LEAST


@pytest.mark.parametrize("role", Role)
def test_each_route_is_open_to_its_roles(app: Flask, as_: As, traffic: None, role: Role) -> None:
    """No empty form causes a server error."""
    visitor = as_(role)
    walked = 0
    for method, address, rule in routes(app):
        if rule.endpoint.removeprefix("console.") in WITHOUT_LOGIN | {"login.log_out_everywhere"}:
            continue
        permission = app.view_functions[rule.endpoint].permission  # type: ignore[attr-defined]
        if method == "POST":
            visitor.get("/console/account")  # for its token
        answer = visitor.get(address) if method == "GET" else visitor.post(address)
        assert answer.status_code < 500, (method, address)
        assert (answer.status_code == 403) == (permission not in MAY[role]), (method, address)
        walked += 1
    assert walked > PAGES_AT_LEAST


@pytest.mark.parametrize("role", Role)
def test_no_page_shows_personal_data(as_: As, rt: Runtime, traffic: None, role: Role) -> None:
    """Every page that is linked is checked, and exports too; only an operator who gives a reason
    sees a text or a number."""
    numbers = {sender for sender, _ in TRAFFIC}
    needles = personal() | TEXTS | numbers | {each.removeprefix("+62") for each in numbers}
    needles |= {"Joko", "Widagdo"}
    pages = 0
    for address, answer in crawl(as_(role)):
        pages += 1
        assert answer.status_code == 200, address
        shown = answer.text.casefold()
        found = [each for each in needles if each.casefold() in shown]
        assert found == [], address
        assert not re.search(r"\d{16}|\+?62\d{8,}", answer.text), address
        assert "unsafe" not in answer.headers["Content-Security-Policy"], address
    assert pages >= (PAGES_AT_LEAST if role is Role.ADMIN else 2)


def test_a_webhook_has_no_session(app: Flask) -> None:
    for path, has_one in (("/in/twilio", False), ("/healthz", False), ("/console/login", True)):
        with app.test_request_context(path):
            assert isinstance(session, NullSession) is not has_one
