"""Checks what a reply changes, where no shipped words bring it about."""

from datetime import UTC, datetime, timedelta

import pytest

from grammar import Command
from handlers import HANDLERS, decision
from handlers.changes import Ask
from handlers.question import Bound, Caller, Question
from smsgw.configuration import compiler
from smsgw.runtime import Runtime
from smsgw.storage.tables.ledger import participants
from tests.conftest import P1, P1_NKP, P2, P2_NKP

TODAY = datetime(2025, 10, 31, 10, tzinfo=UTC)
FIELDS = {"nkp": P1_NKP, "code": "BCDFG", "switch": "off", "language": "en", "text": "GAJI"}
# They cannot be a slip of what changes something: they are said to a question, or read a page.
ANSWERS = {"ya", "tidak", "lanjut", "ulang"}


@pytest.mark.parametrize("keyword", sorted(HANDLERS.keys() - ANSWERS))
def test_an_uncertain_reading_changes_nothing(rt: Runtime, keyword: str) -> None:
    """An operator may give any keyword a word that another is one slip away from."""
    command = Command(keyword, FIELDS, keyword.upper(), "", is_slip=True)
    caller = Caller(P1, bound=(Bound(P1_NKP),))
    inquiry = decision.Inquiry(compiler.load_shipped(), command, keyword, caller)
    decided = decision.decide(inquiry, rt.ledger, TODAY, timedelta(days=60))
    assert decided.reply is not None
    assert {type(change) for change in decided.reply.changes} <= {Ask}


def test_a_missing_field_is_not_an_empty_field_of_the_ledger(rt: Runtime) -> None:
    """An operator may leave NIK and birth date out of the poster."""
    with rt.ledger.engine.begin() as connection:
        holes = participants.update().where(participants.c.nkp == P2_NKP)
        connection.execute(holes.values(nik=None, birth_date=None))
    command = Command("daftar", {"nkp": P2_NKP}, "DAFTAR", "")
    reply = HANDLERS["daftar"].answer(
        Question(command, Caller(P2), rt.ledger, compiler.load_shipped().usage, TODAY)
    )
    assert reply.outcome == "not_linked"
