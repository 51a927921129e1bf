"""An officer sees what was sent beside the ledger, for a reason, and decides."""

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select, update

from smsgw.app import create_app
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.operators import Role
from smsgw.storage.tables.phones import registrations
from smsgw.storage.tables.security import audit
from tests.conftest import P2, P2_NKP, STRANGER, Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor, logged_in
from tests.support.conversation import audit_entries, say

PAGE = "/console/waiting/registrations/"
DAFTAR = f"DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1993#{P2_NKP}"
OTHERS = "DAFTAR SALDO#3171011708900000#BUDI SANTOSO#17-08-1990#19012345678"
ALONE = "DAFTAR SALDO#3578012505880000#AGUS WIJAYA#25-05-1988#21000000017"
RIGHT = DAFTAR.replace("1993", "1992")


def looked_at(visitor: Visitor, number: int = 1) -> None:
    visitor.get(f"{PAGE}{number}")
    assert visitor.submit(f"/registrations/{number}", reason="she called").status_code == 200


def test_the_registration_is_compared_with_the_ledger(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    visitor = as_(Role.AGENT)
    visitor.get(PAGE)
    assert "+6289*****0000" in visitor.text
    looked_at(visitor)
    for expected in (
        f"NKP the same {P2_NKP} {P2_NKP}",
        "Birth date differs 10-10-1993 10-10-1992",
        "E-mail not sent – ",
        f"Phone differs {STRANGER} {P2}",
    ):
        assert expected in visitor.text
    assert audit_entries(rt)[-1] == ("looked", "she called")
    with rt.reading() as tx:
        about = select(audit.c.subject).where(audit.c.act == "looked")
        assert tx.connection.execute(about).scalar_one() == tx.vault.hash(P2_NKP, "nkp")


def test_viewing_a_deleted_registration_is_not_audited(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    with rt.writing() as tx:
        tx.connection.execute(update(registrations).values(given=None))
    visitor = as_(Role.AGENT)
    visitor.get(f"{PAGE}1")
    assert visitor.submit("/registrations/1", reason="she called").status_code == 404
    assert "looked" not in dict(audit_entries(rt))


def test_a_decision_needs_its_own_reason(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    visitor = as_(Role.AGENT)
    looked_at(visitor)
    for action in ("/accept", "/refuse"):
        assert visitor.form(action).values["reason"] == ""


def test_without_a_reason_nothing_is_shown(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    visitor = as_(Role.AGENT)
    visitor.get(f"{PAGE}1")
    assert visitor.submit("/registrations/1", reason=" ").status_code == 400
    assert P2_NKP not in visitor.text
    assert "looked" not in dict(audit_entries(rt))


@pytest.mark.parametrize(
    "reason", ["NIK 3273055010920000", "call 0812-3456 789", "wrote from a@b.id"]
)
def test_a_reason_with_personal_data_is_refused(as_: As, rt: Runtime, reason: str) -> None:
    say(rt, STRANGER, DAFTAR)
    visitor = as_(Role.AGENT)
    visitor.get(f"{PAGE}1")
    assert visitor.submit("/registrations/1", reason=reason).status_code == 400
    assert "without personal data" in visitor.text
    assert "looked" not in dict(audit_entries(rt))


@pytest.mark.parametrize(
    "reason",
    [
        "as in ADU-251031-0042",
        "called 31-10-2025 12.30",
        "away 31-10-2025 - 1/11/2025",
        "open 08.00-12.00, 13:00-16:30",
    ],
)
def test_a_reason_may_name_a_case_days_and_hours(as_: As, rt: Runtime, reason: str) -> None:
    """Each has as many digits as a personal number."""
    say(rt, STRANGER, DAFTAR)
    visitor = as_(Role.AGENT)
    visitor.get(f"{PAGE}1")
    assert visitor.submit("/registrations/1", reason=reason).status_code == 200


def test_viewers_do_not_see_who_waits(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    visitor = as_(Role.VIEWER)
    visitor.get(f"{PAGE}1")
    assert "+6289*****0000" in visitor.text
    assert "Show" not in visitor.text
    assert visitor.post(f"{PAGE}1", reason="curious").status_code == 403


def test_an_accepted_phone_may_ask_for_the_balance(as_: As, rt: Runtime, clock: Clock) -> None:
    say(rt, STRANGER, RIGHT)
    visitor = as_(Role.AGENT)
    looked_at(visitor)
    visitor.submit("/accept", reason="KTP seen")
    assert "The phone is registered" in visitor.text
    assert "Nobody is waiting" in visitor.text
    assert "accepted" in visitor.get(f"{PAGE}1").text
    assert "Rp" not in say(rt, STRANGER, "SALDO").reply.text
    clock.moves(hours=12)
    assert "Rp" in say(rt, STRANGER, "SALDO").reply.text


def test_a_refusal_sends_the_chosen_reason(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    visitor = as_(Role.AGENT)
    looked_at(visitor)
    assert visitor.submit("/refuse", refusal="rude", reason="no reason").status_code == 400
    looked_at(visitor)
    visitor.submit("/refuse", refusal="differs", reason="another year")
    assert "The registration is refused" in visitor.text
    assert ("registration refused", "differs: another year") in audit_entries(rt)


def test_a_late_decision_says_that_another_was_first(app: Flask, rt: Runtime) -> None:
    say(rt, STRANGER, RIGHT)
    ani, budi = (logged_in(app, rt, Role.AGENT, name) for name in ("ani", "budi"))
    looked_at(ani)
    looked_at(budi)
    ani.submit("/accept", reason="KTP seen")
    assert budi.submit("/refuse", reason="no KTP").status_code == 409
    assert "Nothing was changed: another officer" in budi.text
    assert "registration refused" not in dict(audit_entries(rt))


def test_an_unavailable_ledger_is_reported_and_the_form_kept(rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    nowhere = SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db"))
    visitor = logged_in(create_app(replace(rt, ledger=nowhere)), rt, Role.AGENT)
    looked_at(visitor)
    assert "ledger is unavailable" in visitor.text
    assert P2_NKP in visitor.text
    answer = visitor.post(f"{PAGE}1/accept", reason="KTP seen")
    assert answer.status_code == 503
    assert visitor.form("/registrations/1").values["reason"] == "KTP seen"


def test_a_long_list_has_several_pages(as_: As, rt: Runtime) -> None:
    for number in range(51):
        say(rt, f"+62857{number:08}", DAFTAR)
    visitor = as_(Role.VIEWER)
    visitor.get(PAGE)
    assert "Next" in visitor.text
    visitor.get(f"{PAGE}?after=50")
    assert "+6285*****0050" in visitor.text
    assert "Next" not in visitor.text


def test_differing_details_need_two_officers(app: Flask, rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    ani, budi = (logged_in(app, rt, Role.AGENT, name) for name in ("ani", "budi"))
    looked_at(ani)
    ani.submit("/accept", reason="KTP seen")
    assert "a second officer must decide" in ani.text
    looked_at(ani)
    assert ani.submit("/accept", reason="KTP seen").status_code == 409
    assert "a second officer must decide" in ani.text
    assert "Rp" not in say(rt, STRANGER, "SALDO").reply.text
    looked_at(budi)
    budi.submit("/accept", reason="KTP seen too")
    assert "The phone is registered" in budi.text


def test_accepting_needs_a_look_first(as_: As, rt: Runtime) -> None:
    """The page hides the button; a post without it is asked to look first."""
    say(rt, STRANGER, RIGHT)
    visitor = as_(Role.AGENT)
    visitor.get(f"{PAGE}1")
    assert visitor.post(f"{PAGE}1/accept", reason="data cocok").status_code == 409
    assert "Look at the details first" in visitor.text
    assert say(rt, STRANGER, "SALDO").verdict.outcome == "not_registered"


def test_registrations_for_the_same_nkp_are_marked(as_: As, rt: Runtime) -> None:
    """The list and each page show it, before anybody looks or accepts."""
    phones = [f"+62857000000{number:02}" for number in range(5)]
    for sender, text in zip(phones, (DAFTAR, RIGHT, DAFTAR, OTHERS, OTHERS), strict=True):
        say(rt, sender, text)
    say(rt, STRANGER, ALONE)
    visitor = as_(Role.VIEWER)
    visitor.get(PAGE)
    assert visitor.text.count("3 phones (A)") == 3
    assert visitor.text.count("2 phones (B)") == 2
    assert P2_NKP not in visitor.page
    visitor.get(f"{PAGE}2")
    assert "2 other phones ask for the same NKP" in visitor.text
    assert {f"{PAGE}1", f"{PAGE}3"} <= set(visitor.links())
    visitor.get(f"{PAGE}4")
    assert "Another phone asks for the same NKP" in visitor.text
    visitor.get(f"{PAGE}6")
    assert "same NKP" not in visitor.text
    say(rt, phones[4], ALONE)  # a new one of that phone takes the place of the other
    visitor.get(PAGE)
    assert visitor.text.count("2 phones (B)") == 2
    visitor.get(f"{PAGE}4")
    assert "same NKP" not in visitor.text
