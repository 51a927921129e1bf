"""Amounts and days of payment, each in its own place."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from grammar import Command
from handlers import HANDLERS
from handlers.question import Bound, Caller, Question, Reply
from smsgw.configuration import compiler
from smsgw.runtime import Runtime
from tests.conftest import P1, P1_NKP


def answer_of(rt: Runtime, keyword: str, today: date, **fields: str) -> Reply:
    now = datetime.combine(today, time(), UTC)
    command = Command(keyword, fields, keyword.upper(), "")
    caller = Caller(P1, bound=(Bound(P1_NKP),))
    return HANDLERS[keyword].answer(
        Question(command, caller, rt.ledger, compiler.load_shipped().usage, now)
    )


def test_a_balance_names_each_sum_for_what_it_is(rt: Runtime) -> None:
    values = answer_of(rt, "saldo", date(2025, 10, 31)).values
    sums = [values[name] for name in ("contributions", "returns", "total")]
    assert sums == [Decimal(98765432), Decimal(24691357), Decimal(123456789)]


@pytest.mark.parametrize(
    ("today", "arrears"),
    [(date(2025, 11, 15), None), (date(2025, 11, 16), 1), (date(2025, 12, 16), 2)],
)
def test_paying_on_the_due_day_is_not_arrears(
    rt: Runtime, today: date, arrears: int | None
) -> None:
    values = answer_of(rt, "iuran", today).values
    assert values["arrears"] == arrears
