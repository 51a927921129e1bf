"""A second person approves a copy in the console; who asked for it cannot."""

from flask import Flask

from smsgw.backoffice import access_requests
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import P1, Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import logged_in
from tests.support.conversation import audit_entries, say

COPIES = "/console/waiting/copies/"
NUMBER = "ADU-251031-0001"


def test_a_second_person_approves_a_copy(app: Flask, rt: Runtime) -> None:
    say(rt, P1, "DATA SAYA")
    budi = logged_in(app, rt, Role.AGENT, "budi")
    budi.get(f"{COPIES}{NUMBER}")
    assert f"smsgw cases export {NUMBER}" in budi.text
    assert "/approve" not in budi.page
    access_requests.ask(rt, NUMBER, "shell:ani", "asked by SMS")
    budi.get(f"{COPIES}{NUMBER}")
    assert "shell:ani" in budi.text
    budi.submit("/approve", reason="KTP was checked")
    assert "shell:ani can make the copy within a day" in budi.text
    assert "operator:budi" in budi.text
    assert ("copy approved", f"{NUMBER}: KTP was checked") in audit_entries(rt)
    assert budi.post(f"{COPIES}{NUMBER}/approve", reason="again").status_code == 409
    assert "nothing to approve any more" in budi.text


def test_who_asked_cannot_approve(app: Flask, rt: Runtime) -> None:
    say(rt, P1, "DATA SAYA")
    access_requests.ask(rt, NUMBER, "shell:ani", "asked by SMS")
    ani = logged_in(app, rt, Role.AGENT, "ani")
    ani.get(f"{COPIES}{NUMBER}")
    assert "somebody else has to approve it" in ani.text
    assert "/approve" not in ani.page
    assert ani.post(f"{COPIES}{NUMBER}/approve", reason="mine").status_code == 409


def test_access_requests_are_listed_looked_at_and_closed(
    as_: As, rt: Runtime, clock: Clock
) -> None:
    say(rt, P1, "minta data saya")
    agent = as_(Role.AGENT)
    agent.get(COPIES)
    assert f"{NUMBER} +6281*****7890" in agent.text
    assert "03-11-2025" in agent.text  # 72 hours later
    agent.get(f"{COPIES}{NUMBER}")
    assert "minta data saya" not in agent.text
    agent.post(f"{COPIES}{NUMBER}", reason="my turn")
    assert "minta data saya" in agent.text
    agent.submit("/close", reason="withdrawn")
    assert f"{NUMBER} is closed" in agent.text
    clock.moves(minutes=1)
    agent.get(f"{COPIES}?closed=1")
    assert NUMBER in agent.text
    agent.get(f"/console/messages/reference?reference={NUMBER}")
    assert f"{COPIES}{NUMBER}" in agent.text
