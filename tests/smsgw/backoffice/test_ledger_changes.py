"""Changes of the ledger are made at once or on their day, each once, whoever dies in between."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import event, update

from smsgw import http_client
from smsgw.backoffice import ledger_changes
from smsgw.backoffice.ledger_changes import AlreadyPlanned, LedgerChange, LedgerRefuses
from smsgw.ledger import reference_tables
from smsgw.ledger.http_ledger import HttpLedger
from smsgw.ledger.reference_tables import LedgerRow, RowChanged
from smsgw.ledger.service_client import ServiceClient
from smsgw.operations import integrity
from smsgw.runtime import Runtime
from smsgw.storage import keys
from smsgw.storage.tables.operators import planned_changes
from tests.conftest import Clock
from tests.support.conversation import audit_entries
from tests.support.ledger_service import BY_SECRET

ANI = "operator:ani"
NOVEMBER = date(2025, 11, 1)


def office(rt: Runtime, code: str = "JKT01") -> LedgerRow:
    rows = reference_tables.rows(rt.ledger.engine, "offices")
    return next(row for row in rows if row.key == code)


def edited(row: LedgerRow, **fields: str) -> LedgerChange:
    return LedgerChange(row, replace(row, fields={**row.fields, **fields}))


def planned(rt: Runtime) -> list[ledger_changes.PlannedChange]:
    with rt.reading() as tx:
        return ledger_changes.planned(tx)


def test_a_change_is_made_at_once_and_audited(rt: Runtime) -> None:
    assert ledger_changes.make(rt, edited(office(rt), phone="021-9", hours=""), ANI)
    assert office(rt).fields["phone"] == "021-9"
    told = "offices JKT01: phone: 021-5550101 → 021-9; hours: Sen-Jum 08.00-15.30 → –"
    assert audit_entries(rt) == [("ledger changed", told)]
    assert planned(rt) == []


def test_a_planned_change_is_made_on_its_day(rt: Runtime, clock: Clock) -> None:
    ledger_changes.plan(rt, edited(office(rt), phone="021-9"), NOVEMBER, ANI)
    ledger_changes.make_due(rt)
    assert office(rt).fields["phone"] == "021-5550101"
    assert [each.holds_from for each in planned(rt)] == [NOVEMBER]
    clock.moves(hours=15)  # it is midnight in Jakarta at 17:00 UTC
    ledger_changes.make_due(rt)
    ledger_changes.make_due(rt)
    assert office(rt).fields["phone"] == "021-9"
    assert planned(rt) == []
    assert [act for act, _ in audit_entries(rt)] == ["ledger change planned", "ledger changed"]


def test_a_planned_change_leaves_other_fields_alone(rt: Runtime, clock: Clock) -> None:
    ledger_changes.plan(rt, edited(office(rt), phone="021-9"), NOVEMBER, ANI)
    ledger_changes.make(rt, edited(office(rt), hours="Sen-Kam"), ANI)
    clock.moves(days=1)
    ledger_changes.make_due(rt)
    fields = office(rt).fields
    assert (fields["phone"], fields["hours"]) == ("021-9", "Sen-Kam")


def test_a_change_ends_after_its_last_day(rt: Runtime, clock: Clock) -> None:
    hours = office(rt).fields["hours"]
    last = date(2025, 11, 2)
    ledger_changes.plan(rt, edited(office(rt), hours="09.00-14.00"), NOVEMBER, ANI, last)
    ledger_changes.make(rt, LedgerChange(office(rt, "JKT02"), None), ANI, last)
    shown = []
    for _ in range(4):
        ledger_changes.make_due(rt)
        codes = {row.key for row in reference_tables.rows(rt.ledger.engine, "offices")}
        shown.append((office(rt).fields["hours"], "JKT02" in codes))
        clock.moves(days=1)
    short = "09.00-14.00"
    assert shown == [(hours, False), (short, False), (short, False), (hours, True)]
    assert planned(rt) == []


def test_a_field_with_a_planned_change_is_left_alone_until_then(rt: Runtime) -> None:
    ledger_changes.plan(rt, edited(office(rt), phone="021-9"), NOVEMBER, ANI)
    for change in (edited(office(rt), phone="021-7"), LedgerChange(office(rt), None)):
        with pytest.raises(AlreadyPlanned):
            ledger_changes.make(rt, change, ANI)
        with pytest.raises(AlreadyPlanned):
            ledger_changes.plan(rt, change, date(2025, 12, 1), ANI)
    ledger_changes.make(rt, edited(office(rt), hours="Sen-Kam"), ANI)
    ledger_changes.make(rt, edited(office(rt, "JKT02"), phone="021-8"), ANI)
    assert len(planned(rt)) == 1


def test_a_planned_change_overwrites_nothing(rt: Runtime, clock: Clock) -> None:
    ledger_changes.plan(rt, edited(office(rt), phone="021-9"), NOVEMBER, ANI)
    ledger_changes.plan(rt, edited(office(rt, "JKT02"), phone="021-8"), NOVEMBER, ANI)
    imported = edited(office(rt), phone="021-7")
    reference_tables.apply(rt.ledger.engine, imported.before, imported.after)
    clock.moves(days=1)
    ledger_changes.make_due(rt)
    assert office(rt).fields["phone"] == "021-7"
    assert office(rt, "JKT02").fields["phone"] == "021-8"
    (left,) = planned(rt)
    assert left.fault == "changed"
    with rt.writing() as tx:
        assert ledger_changes.withdraw(tx, left.id, "operator:budi")
        assert not ledger_changes.withdraw(tx, left.id, "operator:budi")
    assert planned(rt) == []


def test_a_change_that_is_no_longer_possible_is_withdrawn(rt: Runtime) -> None:
    shown = office(rt)
    ledger_changes.make(rt, edited(shown, phone="021-7"), ANI)
    with pytest.raises(RowChanged):
        ledger_changes.make(rt, edited(shown, phone="021-8"), ANI)
    assert office(rt).fields["phone"] == "021-7"
    assert planned(rt) == []
    assert audit_entries(rt)[-1][0] == "ledger change withdrawn"


def test_who_dies_before_the_audit_is_followed_by_the_clock(rt: Runtime) -> None:
    """The ledger was changed, and the plan is still there."""
    change = edited(office(rt), phone="021-9")
    ledger_changes.plan(rt, change, date(2025, 10, 31), ANI)
    reference_tables.apply(rt.ledger.engine, change.before, change.after)
    ledger_changes.make_due(rt)
    assert planned(rt) == []
    assert [act for act, _ in audit_entries(rt)] == ["ledger change planned", "ledger changed"]


@pytest.fixture
def read_only(rt: Runtime) -> Iterator[None]:
    """Makes the ledger's sessions as those of a role that may only read."""
    says = (
        "PRAGMA query_only=ON"
        if rt.ledger.engine.dialect.name == "sqlite"
        else ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    )

    @event.listens_for(rt.ledger.engine, "connect")
    def restrict(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(says)
        connection.commit()  # type: ignore[attr-defined]

    rt.ledger.engine.dispose()
    yield
    event.remove(rt.ledger.engine, "connect", restrict)


def test_a_ledger_that_refuses_is_told_from_one_that_is_away(rt: Runtime, read_only: None) -> None:
    with pytest.raises(LedgerRefuses):
        ledger_changes.make(rt, edited(office(rt), phone="021-9"), ANI)
    assert planned(rt) == []
    ledger_changes.plan(rt, edited(office(rt), phone="021-9"), date(2025, 10, 31), ANI)
    ledger_changes.make_due(rt)
    assert [each.fault for each in planned(rt)] == ["refused"]


def test_a_plan_that_nobody_signed_is_not_carried_out(rt: Runtime, clock: Clock) -> None:
    ledger_changes.plan(rt, edited(office(rt), phone="021-9"), NOVEMBER, ANI)
    with rt.writing() as tx:
        forged = planned(rt)[0].change.after
        assert forged is not None
        text = '{"phone": "0900-1"}'
        tx.connection.execute(update(planned_changes).values(after=text))
    clock.moves(days=1)
    ledger_changes.make_due(rt)
    assert office(rt).fields["phone"] == "021-5550101"
    assert planned(rt) == []
    with rt.writing() as tx:
        found = list(integrity.findings(tx, keys.key_wrapper(rt.settings), rt.rows_since))
    assert [each for each in found if each.startswith("planned_changes")] != []


def test_a_ledger_that_is_a_service_is_not_changed(rt: Runtime, clock: Clock) -> None:
    change = edited(office(rt), phone="021-9")
    ledger_changes.plan(rt, change, NOVEMBER, ANI)
    client = ServiceClient("http://127.0.0.1:9", BY_SECRET, http_client.Client((1.0, 1.0)), 1.0)
    served = replace(rt, ledger=HttpLedger(client))
    with pytest.raises(LedgerRefuses):
        ledger_changes.make(served, edited(office(rt), hours="Sen-Kam"), ANI)
    clock.moves(days=1)
    ledger_changes.make_due(served)
    assert [each.fault for each in planned(rt)] == ["refused"]
