"""Locks are opened, and sends in doubt decided, for a reason."""

import pytest
from sqlalchemy import select

from smsgw.carriers.carrier import Ending, SendError
from smsgw.messaging import leases
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.operators import Role
from smsgw.storage.tables.security import audit
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER
from tests.smsgw.console.conftest import As
from tests.support.conversation import audit_entries, say

LOCKED, SENDS = "/console/waiting/locked/", "/console/waiting/sends/"
DAFTAR = f"DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992#{P2_NKP}"


def states(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        return list(tx.connection.execute(select(replies.c.state).order_by(replies.c.id)).scalars())


def about(rt: Runtime) -> str | None:
    """Returns whom the last row of the audit is about."""
    with rt.reading() as tx:
        last = select(audit.c.subject).order_by(audit.c.id.desc()).limit(1)
        subject = tx.connection.execute(last).scalar_one()
        return next((nkp for nkp in (P1_NKP, P2_NKP) if tx.vault.hash(nkp, "nkp") == subject), None)


def in_doubt(rt: Runtime) -> None:
    say(rt, P1, "SALDO")
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "simulator", "2757", 1)
        leases.record(tx, [leases.SendResult(claim, error=SendError(Ending.UNKNOWN, "busy"))])


def test_a_phone_is_unlocked(as_: As, rt: Runtime) -> None:
    for number in range(3):
        say(rt, P1, f"SALDO 3000000000{number * 2}")
    visitor = as_(Role.AGENT)
    visitor.get("/console/")
    assert "Locked phones 1" in visitor.text
    visitor.get(LOCKED)
    assert "+6281*****7890 3 31-10-2025" in visitor.text
    address = visitor.form("/phones/1").action
    assert visitor.post(address, reason="").status_code == 400
    visitor.get(LOCKED)
    visitor.submit("/phones/1", reason="a slip of the card")
    assert "The phone is unlocked" in visitor.text
    assert "+6281*****7890" not in visitor.text
    assert audit_entries(rt)[-1] == ("unlocked", "a slip of the card")
    visitor.post(address, reason="once more")
    assert "It was no longer locked" in visitor.text
    assert say(rt, P1, f"IURAN {P2_NKP}").verdict.outcome == "not_linked"


def test_a_participant_is_unlocked(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    say(rt, P2, "BUKAN SAYA")
    visitor = as_(Role.AGENT)
    visitor.get(LOCKED)
    assert "*******5432 +6285*****5678" in visitor.text
    visitor.submit("/participants", reason="she came to the office")
    assert "Codes can be sent" in visitor.text
    assert "*******5432" not in visitor.text
    assert audit_entries(rt)[-1] == ("unlocked", "she came to the office")
    assert about(rt) == P2_NKP


def test_viewers_see_locks_but_cannot_unlock(as_: As, rt: Runtime) -> None:
    for number in range(3):
        say(rt, P1, f"SALDO 3000000000{number * 2}")
    visitor = as_(Role.VIEWER)
    visitor.get(LOCKED)
    assert "+6281*****7890" in visitor.text
    assert "Unlock" not in visitor.text
    visitor.get("/console/account")
    assert visitor.post(f"{LOCKED}phones/1", reason="curious").status_code == 403


@pytest.mark.parametrize(
    ("wanted", "message", "state", "act"),
    [
        ("resend", "The reply is queued again", "queued", "resent"),
        ("close", "Closed without resending", "refused", "closed"),
    ],
)
def test_an_unknown_send_is_resent_or_closed(
    as_: As, rt: Runtime, wanted: str, message: str, state: str, act: str
) -> None:
    in_doubt(rt)
    visitor = as_(Role.AGENT)
    visitor.get("/console/")
    assert "Unknown sends 1" in visitor.text
    assert "simulator 2757: in doubt 1" in visitor.text
    visitor.get(SENDS)
    assert "+6281*****7890" in visitor.text
    assert "being checked" in visitor.text
    address = visitor.form("/sends/1").action
    assert visitor.post(address, reason="he called").status_code == 400
    assert visitor.get(SENDS).status_code == 200
    visitor.post(address, reason="he called", do=wanted)
    assert message in visitor.text
    assert states(rt) == [state]
    assert audit_entries(rt)[-1] == (act, "reply 1: he called")
    visitor.post(address, reason="he called", do=wanted)
    assert "It is already resolved" in visitor.text


def test_an_unknown_send_is_not_resent_after_an_opt_out(as_: As, rt: Runtime) -> None:
    in_doubt(rt)
    visitor = as_(Role.AGENT)
    visitor.get(SENDS)
    say(rt, P1, "STOP")
    assert visitor.submit("/sends/1", reason="he called", do="resend").status_code == 409
    assert "The phone has opted out since." in visitor.text
    assert states(rt)[0] == "unknown"
    assert "resent" not in {act for act, _ in audit_entries(rt)}


def test_a_resend_is_audited_with_its_subject(as_: As, rt: Runtime) -> None:
    in_doubt(rt)
    visitor = as_(Role.AGENT)
    visitor.get(SENDS)
    visitor.submit("/sends/1", reason="he called", do="resend")
    with rt.reading() as tx:
        row = tx.connection.execute(select(audit).where(audit.c.act == "resent")).one()
        assert row.subject == tx.vault.hash(P1_NKP, "nkp")
    assert (row.message_id, row.phone_id) == (1, 1)
