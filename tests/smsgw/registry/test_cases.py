"""Checks the deadlines of cases."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from handlers.changes import CaseKind
from smsgw import settings
from smsgw.backoffice import accounts
from smsgw.registry import cases
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import P1, STRANGER
from tests.support.conversation import say

JAKARTA = ZoneInfo("Asia/Jakarta")
FRIDAY = datetime(2025, 10, 31, 16, 0, tzinfo=JAKARTA)
COMPLAINT = "ADU-251031-0001"


@pytest.mark.parametrize(
    ("opened", "holidays", "last"),
    [
        (FRIDAY, "", date(2025, 11, 7)),
        (FRIDAY + timedelta(days=1), "", date(2025, 11, 7)),
        (FRIDAY - timedelta(days=4), "", date(2025, 11, 3)),
        (FRIDAY, "2025-11-05, 2025-11-08", date(2025, 11, 10)),
    ],
)
def test_a_complaint_has_five_working_days(opened: datetime, holidays: str, last: date) -> None:
    days = settings.load({"SMSGW_HOLIDAYS": holidays}).holidays
    due = cases.due("complaint", opened, days)
    assert (due.date(), due.tzinfo) == (last, JAKARTA)
    assert due + timedelta(seconds=1) >= due.replace(hour=23, minute=59)


def test_a_data_request_has_72_hours() -> None:
    assert cases.due("data_request", FRIDAY, ()) == FRIDAY + timedelta(hours=72)


def test_open_cases_are_listed_by_kind_in_pages(rt: Runtime) -> None:
    for sender, text in ((P1, "LAPOR satu"), (STRANGER, "HAPUS DATA"), (STRANGER, "LAPOR dua")):
        say(rt, sender, text)
    with rt.writing() as tx:
        ani = accounts.add(tx, "ani", Role.AGENT, None, "shell:test")
        assert cases.assign(tx, COMPLAINT, ani.id)
        (first,) = cases.waiting(tx, CaseKind.COMPLAINT, 0, 1)
        (second,) = cases.waiting(tx, CaseKind.COMPLAINT, first.id, 5)
        (request,) = cases.waiting(tx, CaseKind.DATA_REQUEST, 0, 5)
        assert (first.number, first.assigned, first.language) == (COMPLAINT, "ani", "id")
        assert (second.number, second.assigned) == ("ADU-251031-0003", None)
        assert request.number == "ADU-251031-0002"
        assert cases.one(tx, CaseKind.COMPLAINT, request.number) is None
        assert cases.close(tx, COMPLAINT)
        assert not cases.assign(tx, COMPLAINT, ani.id)
        assert cases.one(tx, CaseKind.COMPLAINT, COMPLAINT).closed_at is not None
