"""A slice of participants is read at once, and says what each look-up by itself would."""

from collections.abc import Sequence

import pytest
from sqlalchemy import event, text

from handlers.ports import LedgerDown
from smsgw.ledger import optional_views
from smsgw.ledger.http_ledger import HttpLedger
from smsgw.ledger.service_client import Credentials, ServiceClient
from smsgw.ledger.slice_ledger import SliceLedger
from smsgw.runtime import Runtime
from tests.conftest import P1_NKP, P2_NKP
from tests.support.bound_phones import bind_many, nkp
from tests.support.ledger_service import InProcess, LedgerService, ledger_of

NOBODY = "10000000001"
NAMES = ("participant", "balance", "last_contribution", "claims", "programs")
NKPS = (P1_NKP, P2_NKP, NOBODY, "21000000017")


def statements(rt: Runtime) -> list[str]:
    made: list[str] = []

    def note(*given: object) -> None:
        if str(given[2]).startswith("SELECT"):
            made.append(str(given[2]))

    event.listen(rt.ledger.engine, "before_cursor_execute", note)
    return made


def test_a_slice_says_what_each_look_up_says(rt: Runtime) -> None:
    made = statements(rt)
    slice_ = SliceLedger(rt.ledger, NAMES, NKPS)
    assert len(made) == len(NAMES)
    for each in NKPS:
        assert slice_.participant(each) == rt.ledger.participant(each)
        assert slice_.balance(each, rt.today) == rt.ledger.balance(each, rt.today)
        assert slice_.last_contribution(each) == rt.ledger.last_contribution(each)
        assert slice_.claims(each) == rt.ledger.claims(each)
        assert slice_.programs(each) == rt.ledger.programs(each)


def test_a_thousand_are_read_by_one_statement(rt: Runtime) -> None:
    bind_many(rt, 1000)
    made = statements(rt)
    slice_ = SliceLedger(rt.ledger, ["balance"], [nkp(index) for index in range(1000)])
    totals = [slice_.balance(nkp(index), rt.today) for index in range(1000)]
    assert [each.total for each in totals if each] == [1_000_000 + i for i in range(1000)]
    assert len(made) == 1


def test_a_ledger_that_refuses_is_away_for_the_slice(rt: Runtime) -> None:
    with rt.ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE balances RENAME TO gone"))
    with pytest.raises(LedgerDown):
        SliceLedger(rt.ledger, ["balance"], NKPS)
    with rt.ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO balances"))


def test_a_ledger_by_http_is_asked_for_fifty_at_a_time(rt: Runtime) -> None:
    bind_many(rt, 120)
    service = LedgerService(engine=rt.ledger.engine)
    ledger = ledger_of(service, InProcess(service))
    nkps: Sequence[str] = [nkp(index) for index in range(120)]
    slice_ = SliceLedger(ledger, ["balance"], nkps)
    assert all(slice_.balance(each, rt.today) for each in nkps)
    assert len(service.requests) == 3


def test_a_service_has_no_further_views() -> None:
    client = ServiceClient("https://127.0.0.1:9", Credentials(token="x" * 16), InProcess, 1.0)  # type: ignore[arg-type]
    ledger = HttpLedger(client)
    assert not optional_views.has_changes(ledger)
    assert optional_views.offices_of(ledger, NKPS) == {}
