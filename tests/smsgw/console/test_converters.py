"""Checks numbers and characters that no database can hold, wherever an address or a form takes
them."""

import io
import re

import pytest
from flask import Flask

from smsgw.console.converters import IdConverter
from smsgw.storage.tables.operators import Role
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor

WHOLE_LISTS = ("waiting/registrations", "waiting/complaints", "waiting/requests")
WHOLE_LISTS += ("waiting/locked", "waiting/sends", "try/kept", "audit", "versions", "messages")
OWN_PAGE = '<main id="main"'


@pytest.mark.parametrize("number", ["9" * 18, "9" * 19, "9" * 30])
def test_a_too_large_id_is_not_found(app: Flask, as_: As, number: str) -> None:
    visitor = as_(Role.ADMIN)
    visitor.get("/console/account")
    token = visitor.form("/logout").values["csrf_token"]
    walked = 0
    for rule in app.url_map.iter_rules():
        if not any(isinstance(each, IdConverter) for each in rule._converters.values()):
            continue
        address = re.sub(r"<[^>]*>", number, rule.rule)
        for method in {"GET", "POST"} & (rule.methods or set()):
            data = {"csrf_token": token, "reason": "to see", "do": "close"}
            data |= {"refusal": "visit", "role": "viewer"}
            answer = visitor.client.open(address, method=method, data=data)
            is_list = answer.status_code == 303 and len(number) == 18  # which says so
            assert is_list or answer.status_code == 404, (method, address)
            assert is_list or OWN_PAGE in answer.text, (method, address)
            walked += 1
    assert walked > 20


@pytest.mark.parametrize("number", ["9" * 19, "9" * 30, "-" + "9" * 30, "x"])
def test_a_list_continues_after_any_number(as_: As, number: str) -> None:
    visitor = as_(Role.ADMIN)
    for place in WHOLE_LISTS:
        for way in ("after", "before"):
            answer = visitor.get(f"/console/{place}/?{way}={number}")
            assert answer.status_code == 200, (place, way)


def test_any_edition_number_is_accepted(as_: As) -> None:
    visitor = as_(Role.ADMIN)
    visitor.get("/console/draft/")
    for action in ("publish", "discard", "rebase"):
        visitor.get("/console/draft/")
        answer = visitor.post(f"/console/draft/{action}", edition="9" * 19, reason="to see")
        assert answer.status_code == 409, action


def test_a_nul_is_refused_everywhere(as_: As) -> None:
    visitor = as_(Role.ADMIN)
    for address in ("complaints/a%00b", "complaints/?after=%00", "complaints/?%00=1"):
        answer = visitor.get(f"/console/waiting/{address}")
        assert (answer.status_code, OWN_PAGE in answer.text) == (400, True), address
    visitor.get("/console/operators/")
    assert visitor.post("/console/operators/", name="a\0b").status_code == 400
    visitor.get("/console/draft/")
    file = {"file": (io.BytesIO(b"a: \0"), "draft.yaml")}
    assert visitor.post("/console/draft/import", edition="0", **file).status_code == 400


def test_a_nul_is_refused_without_login(visitor: Visitor) -> None:
    visitor.get("/console/login")
    answer = visitor.submit("/console/login", name="a\0b", password="none")
    assert (answer.status_code, OWN_PAGE in answer.text) == (400, True)
