"""The audit log is filtered by person, act, day, phone and case, is downloaded as a file, and
records failed logins."""

import csv
import io

import pytest
from flask import Flask

from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.operators import Role
from tests.conftest import Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor, logged_in

PAGE = "/console/audit/"
PASSWORD = "correct horse battery"


@pytest.fixture
def admin(as_: As, rt: Runtime, clock: Clock) -> Visitor:
    """Logs in after acts of several days."""
    for day, (actor, act, phone, message, detail) in enumerate(
        (
            ("operator:ani", Act.LOOKED, 7, 3, "caller asks"),
            ("operator:budi", Act.CASE_ANSWERED, 8, 4, "ADU-251031-0006"),
            ("operator:ani", Act.PUBLISHED, None, None, "100% sure"),
            ("participant", Act.DISCLOSED, 7, 5, "=saldo.balance"),
        )
    ):
        with rt.writing() as tx:
            audit.note(tx, act, actor, phone_id=phone, message_id=message, detail=detail)
        clock.moves(days=1)
        assert day < 4
    return as_(Role.ADMIN)


ROWS = ("caller asks", "ADU-251031-0006", "100% sure", "=saldo.balance")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("actor=ani", [0, 2]),
        ("actor=operator:BUDI", [1]),
        ("act=published", [2]),
        ("act=CASE_ANSWERED", [1]),
        ("act=looked&actor=budi", []),
        ("detail=adu-251031", [1]),
        ("detail=100%25", [2]),
        ("detail=%25", [2]),
        ("phone=7", [0, 3]),
        ("message=4", [1]),
        ("since=2025-11-01", [1, 2, 3]),
        ("until=2025-11-01", [0, 1]),
        ("since=2025-11-01&until=2025-11-01", [1]),
        ("act=nothing&phone=x", [0, 1, 2, 3]),
    ],
)
def test_rows_can_be_filtered(admin: Visitor, asked: str, expected: list[int]) -> None:
    assert admin.get(f"{PAGE}?{asked}").status_code == 200
    rows = admin.page.partition("<tbody>")[2]
    assert [each for each in ROWS if each in rows] == [ROWS[each] for each in expected]
    assert ("ignored: act, phone" in admin.text) == ("nothing" in asked)
    exported = admin.client.get(f"{PAGE}export.csv?{asked}").text
    found = list(csv.DictReader(io.StringIO(exported)))
    details = [row["detail"].removeprefix("'") for row in found if row["act"] != "exported"]
    assert [each for each in reversed(details) if each in ROWS] == [ROWS[each] for each in expected]


def test_the_export_holds_no_formula_and_is_audited(admin: Visitor) -> None:
    exported = admin.client.get(f"{PAGE}export.csv?phone=7").text
    assert exported.splitlines()[0] == "number,at,actor,act,detail,message_id,phone_id"
    assert "'=saldo.balance" in exported
    admin.get(PAGE)
    assert "operator:admin exported audit: phone=7" in admin.text


def test_rows_link_to_their_subject(admin: Visitor) -> None:
    admin.get(PAGE)
    assert 'href="/console/messages/3"' in admin.page
    assert 'href="/console/messages/phones/7"' in admin.page


def test_the_next_page_keeps_the_filter(admin: Visitor, rt: Runtime) -> None:
    with rt.writing() as tx:
        for number in range(101):
            audit.note(tx, Act.SAID, "shell:test", detail=f"number {number}.")
    admin.get(f"{PAGE}?act=said")
    assert "number 100." in admin.text
    assert "number 0." not in admin.text
    older = next(each for each in admin.links() if "before=" in each)
    admin.get(older)
    assert "number 0." in admin.text
    assert "caller asks" not in admin.text


@pytest.mark.parametrize("role", [each for each in Role if each is not Role.ADMIN])
def test_only_admins_see_the_audit_log(as_: As, role: Role) -> None:
    visitor = as_(role)
    for address in (PAGE, f"{PAGE}export.csv"):
        assert visitor.client.get(address).status_code == 403


def failures(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        rows = audit.page(tx, None, 1000, audit.AuditFilters(act=Act.LOGIN_FAILED))
    assert {row.actor for row in rows} <= {"nobody"}
    return [row.detail for row in reversed(rows)]


def test_a_failed_login_is_audited_without_the_typed_text(app: Flask, rt: Runtime) -> None:
    known = logged_in(app, rt, Role.AGENT, "ani")
    known.get("/console/account")
    known.submit("/console/account/password", new=PASSWORD)
    known.submit("/console/account/password", old="guessed here too", new=PASSWORD)
    stranger = Visitor(app)
    for name, password in (("ANI", "guessed"), ("my password", "typed above"), ("", "")):
        stranger.get("/console/login")
        stranger.submit("/console/login", name=name, password=password)
    stranger.get("/console/login/once")
    stranger.submit("/console/login/once", once="guessed")
    assert failures(rt) == [
        "ani, from 127.0.0.1: old password wrong",
        "ani, from 127.0.0.1: name or password wrong",
        "a name that is nobody's, from 127.0.0.1: name or password wrong",
        "a name that is nobody's, from 127.0.0.1: name or password wrong",
        "a name that is nobody's, from 127.0.0.1: one-time code wrong",
    ]
    admin = logged_in(app, rt, Role.ADMIN)
    admin.get(f"{PAGE}?act=login+failed")
    assert "nobody login failed ani, from 127.0.0.1" in admin.text
    assert "guessed" not in admin.page
    assert "my password" not in admin.page


def test_guessing_does_not_fill_the_audit_log(app: Flask, rt: Runtime, clock: Clock) -> None:
    """Guesses many names, codes and one name; each operator's failures are still recorded."""
    logged_in(app, rt, Role.AGENT, "ani")
    stranger = Visitor(app)
    stranger.get("/console/login/once")
    form = stranger.form("/console/login/once").values
    for number in range(30):
        stranger.client.post("/console/login/once", data=form | {"once": f"code {number}"})
    for number in range(25):
        guess = form | {"name": f"name {number}", "password": "guess"}
        stranger.client.post("/console/login", data=guess)
    assert len(failures(rt)) == 20
    for _ in range(30):
        stranger.client.post("/console/login", data=form | {"name": "ani", "password": "guess"})
    assert len(failures(rt)) == 40
    assert failures(rt)[-1].startswith("ani, ")
    clock.moves(minutes=61)
    stranger.client.post("/console/login", data=form | {"name": "ani", "password": "guess"})
    assert len(failures(rt)) == 41
