"""Admins add operators, give them roles and one-time logins, and let nobody lock everybody out."""

import re

import pytest
from flask import Flask
from sqlalchemy import select

from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role, operators
from smsgw.storage.tables.security import audit
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor

PASSWORD, OTHER_PASSWORD = "correct horse battery", "another horse battery"


def id_of(rt: Runtime, name: str) -> int:
    with rt.reading() as tx:
        wanted = select(operators.c.id).where(operators.c.name == name)
        return int(tx.connection.execute(wanted).scalar_one())


@pytest.fixture
def admin(as_: As) -> Visitor:
    visitor = as_(Role.ADMIN)
    visitor.get("/console/operators/")
    return visitor


def invited(admin: Visitor) -> str:
    found = re.search(r"http://localhost(/console/login/once#[^<]+)", admin.page)
    assert found is not None
    return found[1]


def test_a_new_operator_logs_in_once_with_the_link(admin: Visitor, app: Flask) -> None:
    admin.submit("/console/operators/", name="rina", role="agent")
    newcomer = Visitor(app)
    newcomer.log_in_once(invited(admin))
    assert "rina" in newcomer.text
    assert newcomer.get("/console/operators/").status_code == 403
    assert "/login/once#" not in admin.get("/console/operators/").text


@pytest.mark.parametrize("name", ["", "x" * 41, "admin", "ADMIN", "<b>"])
def test_an_invalid_name_is_refused(admin: Visitor, name: str) -> None:
    assert admin.submit("/console/operators/", name=name, role="viewer").status_code == 400
    assert "and a free name" in admin.text


def test_a_changed_role_applies_immediately(admin: Visitor, as_: As, rt: Runtime) -> None:
    viewer = as_(Role.VIEWER)
    admin.get("/console/operators/")
    admin.submit(f"/console/operators/{id_of(rt, 'viewer')}/role", role="admin")
    assert "viewer is now admin" in admin.text
    assert viewer.get("/console/").status_code == 303


def test_an_operator_is_disabled_and_enabled(
    admin: Visitor, as_: As, rt: Runtime, app: Flask
) -> None:
    viewer, number = as_(Role.VIEWER), id_of(rt, "viewer")
    admin.get("/console/operators/")
    admin.submit(f"/console/operators/{number}/disable")
    assert viewer.get("/console/").status_code == 303
    admin.submit(f"/console/operators/{number}/enable")
    admin.submit(f"/console/operators/{number}/invite")
    again = Visitor(app)
    assert again.log_in_once(invited(admin)).status_code == 200


@pytest.mark.parametrize(("what", "values"), [("disable", {}), ("role", {"role": "viewer"})])
def test_the_only_admin_keeps_the_role(
    admin: Visitor, rt: Runtime, what: str, values: dict[str, str]
) -> None:
    answer = admin.submit(f"/console/operators/{id_of(rt, 'admin')}/{what}", **values)
    assert answer.status_code == 409
    assert "the only admin" in admin.text


def test_an_unknown_role_is_refused(admin: Visitor) -> None:
    assert admin.submit("/console/operators/", name="rina", role="god").status_code == 400
    assert "rina" not in admin.get("/console/operators/").text


def test_a_disabled_operator_gets_no_login_link(admin: Visitor, as_: As, rt: Runtime) -> None:
    """The form is from a page that was loaded before."""
    as_(Role.VIEWER)
    number = id_of(rt, "viewer")
    admin.get("/console/operators/")
    admin.submit(f"/console/operators/{number}/disable")
    assert admin.post(f"/console/operators/{number}/invite").status_code == 409
    assert "/login/once#" not in admin.text


def test_an_unknown_operator_is_not_found(admin: Visitor) -> None:
    for what in ("role", "invite", "disable", "enable"):
        assert admin.post(f"/console/operators/999/{what}", role="viewer").status_code == 404


def test_admin_actions_are_audited_and_paged(admin: Visitor, rt: Runtime) -> None:
    admin.submit("/console/operators/", name="rina", role="agent")
    admin.get("/console/audit/")
    assert "operator:admin operator added rina: agent" in admin.text
    with rt.writing() as tx:
        row = {"at": tx.now, "actor": "shell:test", "act": "said", "mac": b""}
        rows = [row | {"salt": number.to_bytes(16)} for number in range(100)]
        tx.connection.execute(audit.insert(), rows)
    assert "operator added" not in admin.get("/console/audit/").text
    older = re.search(r"/console/audit/\?before=\d+", admin.page)
    assert older is not None
    admin.get(older[0])
    assert "operator added rina: agent" in admin.text


def test_settings_are_shown_without_secrets(admin: Visitor, rt: Runtime) -> None:
    admin.get("/console/settings/")
    assert "SMSGW_SEGMENT_RUPIAH 350" in admin.text
    assert rt.settings.secret_key is not None
    assert rt.settings.secret_key.get_secret_value() not in admin.page


def password_set(visitor: Visitor, password: str = PASSWORD) -> None:
    visitor.get("/console/account")
    assert visitor.submit("/console/account/password", new=password).status_code == 200


def test_an_admin_resets_a_forgotten_password(
    admin: Visitor, as_: As, rt: Runtime, app: Flask
) -> None:
    """The one-time login works without the old password, which never works again."""
    forgetful = as_(Role.AGENT)
    password_set(forgetful)
    admin.get("/console/operators/")
    admin.submit(f"/console/operators/{id_of(rt, 'agent')}/invite")
    assert "The old password no longer works" in admin.text
    assert forgetful.get("/console/").status_code == 303  # whoever has it open is out
    again = Visitor(app)
    again.get("/console/login")
    assert "An admin resets it" in again.text or "Admin meresetnya" in again.text
    again.submit("/console/login", name="agent", password=PASSWORD)
    assert again.get("/console/").status_code == 303
    again.log_in_once(invited(admin))
    assert "Set one now" in again.text
    assert "old" not in again.form("/console/account/password").values
    password_set(again, OTHER_PASSWORD)
    tomorrow = Visitor(app)
    tomorrow.get("/console/login")
    tomorrow.submit("/console/login", name="agent", password=OTHER_PASSWORD)
    assert tomorrow.get("/console/account").status_code == 200


@pytest.mark.parametrize(("what", "values"), [("disable", {}), ("role", {"role": "viewer"})])
@pytest.mark.parametrize(
    ("other", "has_password"),
    [(each, True) for each in ("invited", "came once", "disabled", "logs in")]
    + [(each, False) for each in ("invited", "came once", "logs in")],
)
def test_the_last_admin_who_can_log_in_cannot_be_disabled(
    admin: Visitor,
    rt: Runtime,
    app: Flask,
    what: str,
    values: dict[str, str],
    other: str,
    has_password: bool,
) -> None:
    """An admin who was only invited does not count."""
    if has_password:
        password_set(admin)
        admin.get("/console/operators/")
    admin.submit("/console/operators/", name="audi", role="admin")
    audi = Visitor(app)
    if other != "invited":
        audi.log_in_once(invited(admin))
    if other in {"disabled", "logs in"}:
        password_set(audi)
    admin.get("/console/operators/")
    if other == "disabled":
        admin.submit(f"/console/operators/{id_of(rt, 'audi')}/disable")
    answer = admin.submit(f"/console/operators/{id_of(rt, 'admin')}/{what}", **values)
    assert (answer.status_code == 409) == (other != "logs in")
    assert ("only admin who can log in" in admin.text) == (other != "logs in")


def test_an_operator_who_never_logged_in_can_be_disabled(admin: Visitor, rt: Runtime) -> None:
    """Nobody else has a password, and nobody loses one."""
    admin.submit("/console/operators/", name="audi", role="admin")
    admin.submit(f"/console/operators/{id_of(rt, 'audi')}/disable")
    assert "audi is disabled" in admin.text
