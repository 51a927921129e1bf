"""The overview shows the service level in words, not in colours alone."""

import re

from smsgw import responder
from smsgw.carriers.carrier import Ending, IncomingSms
from smsgw.messaging import dispatch
from smsgw.messaging.hourly_counts import Tallies
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import P1, P2, STRANGER, Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor
from tests.support.conversation import say
from tests.support.sender_ids import SENDER_ID, Failing, with_carrier

SECTION = re.compile("<h2>(?:Service level|Tingkat layanan)</h2>(.*?)</section>", re.DOTALL)
CELLS = re.compile("<t[dh][^>]*>(.*?)</t[dh]>", re.DOTALL)


def tables(viewer: Visitor) -> list[list[list[str]]]:
    """Returns the cells of the rows of the section's tables, heads aside."""
    viewer.get("/console/")
    section = SECTION.search(viewer.page)
    assert section is not None
    bodies = re.findall("<tbody>(.*?)</tbody>", section[1], re.DOTALL)
    return [[cells(row) for row in re.findall("<tr>.*?</tr>", body, re.DOTALL)] for body in bodies]


def cells(row: str) -> list[str]:
    return [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in CELLS.findall(row)]


def count(rt: Runtime, clock: Clock) -> None:
    clock.moves(seconds=10)
    Tallies(rt).step()


def test_a_day_without_messages_has_no_figure(as_: As) -> None:
    viewer = as_(Role.VIEWER)
    assert tables(viewer) == []
    section = SECTION.search(viewer.page)
    assert section is not None
    assert "no messages" in section[1]
    assert "100%" not in section[1]


def test_each_level_says_whether_its_goal_was_met(as_: As, rt: Runtime, clock: Clock) -> None:
    for sender in (P1, P2):
        say(rt, sender, "SALDO")
    dispatch.drain(with_carrier(rt, Failing(Ending.REFUSED)), "simulator", SENDER_ID)
    count(rt, clock)
    clock.moves(days=1)
    say(rt, STRANGER, "SALDO")
    dispatch.drain(rt, "simulator", SENDER_ID)
    count(rt, clock)
    levels, days = tables(as_(Role.VIEWER))
    met = ["100% goal met"] * 2
    assert levels == [["simulator", *met, *["66,6% goal missed"] * 2]]
    assert days == [
        ["01-11-2025", "simulator", "1", *met],
        ["31-10-2025", "simulator", "2", *["50% goal missed"] * 2],
    ]


def test_each_carrier_has_its_own_level(as_: As, rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    dispatch.drain(rt, "simulator", SENDER_ID)
    count(rt, clock)
    clock.moves(days=1)
    responder.respond(rt, IncomingSms("kannel", "1", P2, SENDER_ID, "SALDO"))
    count(rt, clock)
    levels, _ = tables(as_(Role.VIEWER))
    missed = ["0% goal missed"] * 2
    assert levels == [
        ["kannel", *missed, *missed],
        ["simulator", "no messages", *["100% goal met"] * 2],
        ["all", *missed, *["50% goal missed"] * 2],
    ]


def test_the_words_are_indonesian_too(as_: As, rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    count(rt, clock)
    operator = as_(Role.VIEWER)
    operator.get("/console/")
    operator.post("/console/language", language="id")
    (row,), _ = tables(operator)
    assert row == ["simulator", *["0% target tidak tercapai"] * 4]
