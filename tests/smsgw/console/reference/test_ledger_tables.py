"""Offices, rates and contacts are changed at once or from a day on; who is second is told."""

import pytest
from flask import Flask
from sqlalchemy import text

from smsgw.backoffice import ledger_changes
from smsgw.console.reference import row_form
from smsgw.console.translations import indonesian
from smsgw.ledger import reference_tables
from smsgw.ledger.csv_format import FILES
from smsgw.ledger.rules import Longest
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import STRANGER, Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor, logged_in
from tests.support.conversation import audit_entries, say

OFFICES, RATES, CONTACTS = (f"/console/reference/{name}/" for name in reference_tables.NAMES)
MADE = "The change is made. It takes effect within a minute."


def address(rt: Runtime, table: str, key: str) -> str:
    rows = reference_tables.rows(rt.ledger.engine, table)
    return f"/console/reference/{table}/{next(row.name for row in rows if row.key == key)}"


def opened(visitor: Visitor, rt: Runtime, table: str, key: str) -> str:
    """Opens the form of a row, and returns where it goes."""
    row = address(rt, table, key)
    assert visitor.get(row).status_code == 200
    return row


def test_a_changed_office_is_replied(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.PUBLISHER)
    row = opened(visitor, rt, "offices", "JKT01")
    visitor.submit(row, address="  Jl. Baru\t9 ", phone="021-7")
    assert MADE in visitor.text
    assert "JKT01 Jakarta Sudirman Jakarta Jl. Baru 9 021-7" in visitor.text
    assert "Jl. Baru 9" in say(rt, STRANGER, "KANTOR JAKARTA").reply.text
    detail = "address: Jl. Jend. Sudirman Kav. 1 → Jl. Baru 9; phone: 021-5550101 → 021-7"
    assert ("ledger changed", f"offices JKT01: {detail}") in audit_entries(rt)


def test_a_row_is_added_found_and_deleted(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.PUBLISHER)
    visitor.get(CONTACTS + "new")
    visitor.submit("/new", channel="telegram", value="@layanan")
    assert MADE in visitor.text
    visitor.get(CONTACTS + "?q=LAYANAN")
    assert "Rows: 1 Channel Value Opening hours Note telegram @layanan" in visitor.text
    row = opened(visitor, rt, "contacts", "telegram")
    visitor.submit(f"{row}/delete")
    visitor.get(CONTACTS)
    assert "telegram" not in visitor.text
    assert visitor.get(row).status_code == 404
    assert "This row was deleted meanwhile" in visitor.text


@pytest.mark.parametrize(
    ("table", "typed", "says"),
    [
        ("offices", {"code": ""}, "Code: is empty"),
        ("offices", {"code": "JAKARTA-PUSAT"}, "Code: has 13 characters, 10 at most"),
        ("offices", {"code": "X1", "name": "x" * 501}, "Name: has 501 characters, 500 at most"),
        ("offices", {"code": "JKT01"}, "JKT01 already exists. Change that row instead."),
        ("offices", {"code": "X1", "holds_from": "1-1-2026"}, "Holds from: must be a date such"),
        ("offices", {"code": "X1", "holds_from": "2025-10-30"}, "Holds from: must not be in the"),
        ("offices", {"code": "X1", "holds_until": "2025-10-30"}, "Holds until: must not be in the"),
        (
            "contacts",
            {"channel": "x", "holds_from": "2025-12-02", "holds_until": "2025-12-01"},
            "Holds until: must not be before the first day",
        ),
        ("offices", {"code": "JKT01", "holds_from": "2026-01-01"}, "JKT01 already exists."),
        ("rates", {"value": "3,7"}, "Value: must be a number such as 0.30"),
        ("rates", {"effective_from": "1 Mei"}, "In force from: must be a date such as 2025-09-30"),
    ],
)
def test_a_mistake_is_named_and_what_was_typed_stays(
    as_: As, rt: Runtime, table: str, typed: dict[str, str], says: str
) -> None:
    if table == "rates":
        key = {"program": "JHT", "category": "PU", "item": "new", "effective_from": "2026-01-01"}
        typed = key | typed
    visitor = as_(Role.PUBLISHER)
    visitor.get(f"/console/reference/{table}/new")
    assert visitor.submit("/new", **typed).status_code in {400, 409}
    assert says in visitor.text
    values = visitor.form("/new").values
    assert {name: values[name] for name in typed} == typed
    assert not [act for act, _ in audit_entries(rt) if act == "ledger changed"]


def test_the_import_says_the_same(app: Flask) -> None:
    """Each rule of these tables has its Indonesian."""
    for table in reference_tables.NAMES:
        for kind in FILES[table].kinds.values():
            for rule in kind.rules:
                assert isinstance(rule, Longest) or rule.says in indonesian(), rule
    with app.test_request_context("/console/"):
        labels = row_form.labels()
    assert {name for table in reference_tables.NAMES for name in FILES[table].kinds} <= set(labels)


def test_a_new_rate_leaves_the_one_in_force(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.PUBLISHER)
    visitor.get(RATES + "?q=wage_cap")
    assert "JP in force PU wage_cap 2025-03-01 10547400" in visitor.text
    assert "JP not yet in force PU wage_cap 2026-03-01" in visitor.text
    row = opened(visitor, rt, "rates", "JKM PU employer 2015-07-01")
    assert visitor.form(row).values["effective_from"] == ""
    assert visitor.submit(row, value="0.40", effective_from="2025-10-30").status_code == 400
    assert "In force from: must not be in the past" in visitor.text
    visitor.submit(row, value="0.40", effective_from="2025-11-01")
    assert MADE in visitor.text
    visitor.get(RATES + "?q=JKM PU employer")
    assert "JKM in force PU employer 2015-07-01 0.30" in visitor.text
    assert "JKM not yet in force PU employer 2025-11-01 0.40" in visitor.text


def test_a_rate_that_is_to_come_is_changed_itself(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.PUBLISHER)
    row = opened(visitor, rt, "rates", "JP PU wage_cap 2026-03-01")
    visitor.submit(row, value="11000000")
    visitor.get(RATES + "?q=wage_cap 2026")
    assert "2026-03-01 11000000" in visitor.text
    assert "Rows: 1 " in visitor.text


def test_who_is_second_is_told_and_overwrites_nothing(app: Flask, rt: Runtime) -> None:
    first = logged_in(app, rt, Role.PUBLISHER, "ani")
    second = logged_in(app, rt, Role.PUBLISHER, "budi")
    row = opened(first, rt, "offices", "JKT01")
    opened(second, rt, "offices", "JKT01")
    first.submit(row, phone="021-1")
    assert second.submit(row, phone="021-2").status_code == 409
    assert "Nothing of yours is saved. It now says: Telephone: 021-1" in second.text
    assert second.form(row).values["phone"] == "021-2"
    assert first.get(OFFICES).status_code == 200
    assert "021-1" in first.text
    opened(second, rt, "offices", "JKT01")
    opened(first, rt, "offices", "JKT01")
    first.submit(row, phone="021-3")
    assert second.submit(f"{row}/delete").status_code == 409
    assert "It now says: Telephone" not in second.text  # nothing was typed
    opened(first, rt, "offices", "JKT01")
    first.submit(row)
    assert "Nothing is changed." in first.text


def test_a_change_is_planned_made_on_its_day_or_taken_back(
    as_: As, rt: Runtime, clock: Clock
) -> None:
    visitor = as_(Role.PUBLISHER)
    for key, phone in (("JKT01", "021-1"), ("JKT02", "021-2")):
        row = opened(visitor, rt, "offices", key)
        visitor.submit(row, phone=phone, holds_from="2025-11-03")
        assert "The change is planned." in visitor.text
    opened(visitor, rt, "offices", "JKT02")
    assert visitor.submit(row, phone="021-3").status_code == 409
    assert "is planned for 03-11-2025. Take it back first." in visitor.text
    row = opened(visitor, rt, "offices", "BDG01")
    visitor.submit(f"{row}/delete", holds_from="2025-11-04")
    assert "03-11-2025 JKT01 Telephone: 021-5550101 021-1 operator:publisher" in visitor.text
    assert "04-11-2025 BDG01 is deleted" in visitor.text
    visitor.submit("/planned/2")
    assert "The planned change is taken back." in visitor.text
    assert visitor.post(OFFICES + "planned/2").status_code == 200
    assert "It is no longer planned." in visitor.text
    clock.moves(days=5)
    ledger_changes.make_due(rt)
    visitor = as_(Role.VIEWER)
    visitor.get(OFFICES)
    assert "021-1" in visitor.text
    assert "021-2" not in visitor.text
    assert "BDG01" not in visitor.text
    assert "Planned changes" not in visitor.text


def test_viewers_look(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(OFFICES)
    assert "JKT01 Jakarta Sudirman" in visitor.text
    assert "Add a row" not in visitor.text
    row = address(rt, "offices", "JKT01")
    assert visitor.get(row).status_code == 403
    assert visitor.post(row, phone="1").status_code == 403
    assert visitor.post(f"{row}/delete").status_code == 403
    assert visitor.post(OFFICES + "new", code="X").status_code == 403


@pytest.fixture
def foreign(rt: Runtime) -> Runtime:
    """Makes the ledger somebody else's: our tables' version is gone."""
    with rt.ledger.engine.begin() as connection:
        connection.execute(text("DROP TABLE ledger_version"))
    return rt


def test_a_ledger_of_somebody_else_is_only_shown(as_: As, foreign: Runtime) -> None:
    visitor = as_(Role.ADMIN)
    row = address(foreign, "offices", "JKT01")
    for page, shown in ((OFFICES, "Jakarta Sudirman"), (RATES, "wage_cap"), (CONTACTS, "whatsapp")):
        visitor.get(page)
        assert "Change them where that ledger is kept" in visitor.text
        assert shown in visitor.text
        assert "Add a row" not in visitor.text
        assert visitor.get(f"{page}new").status_code == 404
    assert visitor.get(row).status_code == 404
    assert visitor.post(row, phone="1").status_code == 404


def test_a_ledger_that_is_away_is_said(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.PUBLISHER)
    row = opened(visitor, rt, "offices", "JKT01")
    with rt.ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE offices RENAME TO gone"))
    for answer in (visitor.get(OFFICES), visitor.post(row, phone="1")):
        assert answer.status_code == 503
        assert "The ledger does not answer" in visitor.text


def test_a_long_list_has_pages(as_: As, rt: Runtime) -> None:
    insert = "INSERT INTO offices (code, name, city) VALUES (:code, 'Cabang', 'Kota')"
    with rt.ledger.engine.begin() as connection:
        connection.execute(text(insert), [{"code": f"A{n:03}"} for n in range(120)])
    visitor = as_(Role.PUBLISHER)
    visitor.get(OFFICES + "?q=cabang")
    assert "Rows: 120 " in visitor.text
    assert "A049" in visitor.text
    assert "A050" not in visitor.text
    (further,) = [link for link in visitor.links() if "after=" in link]
    visitor.get(further)
    assert "A050 Cabang" in visitor.text
    assert "A049" not in visitor.text
