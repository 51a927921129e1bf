"""A copy of a person's data is made by one person, approved by another, and holds nobody else's."""

import json
import re
from typing import Any

import pytest

from smsgw.backoffice import access_requests
from smsgw.backoffice.access_requests import NotApproved, NotHandedOut, SamePerson
from smsgw.operations import integrity
from smsgw.registry import case_exports
from smsgw.runtime import Runtime
from smsgw.storage import keys
from smsgw.storage.tables.cases import case_exports as _case_exports
from tests.conftest import P1, STRANGER, Clock
from tests.support.conversation import audit_entries, say, with_ledger_down

NUMBER = "ADU-251031-0001"
ANI, BUDI = "shell:ani", "operator:budi"


def test_a_second_person_approves_before_the_copy_is_made(rt: Runtime) -> None:
    say(rt, P1, "DATA SAYA")
    with pytest.raises(NotApproved, match="ask for the copy first"):
        access_requests.make_copy(rt, NUMBER, ANI, "asked by SMS")
    waits_for = access_requests.ask_unless_approved(rt, NUMBER, ANI, "asked by SMS")
    assert "approve-export ADU-251031-0001" in (waits_for or "")
    for same in (ANI, "operator:ani"):
        with pytest.raises(SamePerson, match="somebody else"):
            access_requests.approve(rt, NUMBER, same, "fine")
    with pytest.raises(NotApproved, match="nobody has approved"):
        access_requests.make_copy(rt, NUMBER, ANI, "asked by SMS")
    assert access_requests.approve(rt, NUMBER, BUDI, "KTP was checked") == ANI
    with pytest.raises(NotApproved, match="ask for the copy first"):
        access_requests.make_copy(rt, NUMBER, BUDI, "not who asked")
    assert access_requests.ask_unless_approved(rt, NUMBER, ANI, "asked by SMS") is None
    made = access_requests.make_copy(rt, NUMBER, ANI, "asked by SMS")
    assert NUMBER in (made.sent.text if made.sent else "")
    details = dict(audit_entries(rt))
    assert details["copy asked for"] == f"{NUMBER}: asked by SMS"
    assert details["copy approved"] == f"{NUMBER}: KTP was checked"
    assert re.search(r"asked by SMS \(1 phone, 1 messages, 1 replies", details["copy made"] or "")


def test_the_copy_can_be_made_again_for_a_day_and_the_person_is_told_once(
    rt: Runtime, clock: Clock
) -> None:
    say(rt, P1, "DATA SAYA")
    assert approved_copy(rt).sent is not None
    assert access_requests.make_copy(rt, NUMBER, ANI, "the file was lost").sent is None
    clock.moves(hours=25)
    with pytest.raises(NotApproved, match="older than a day"):
        access_requests.make_copy(rt, NUMBER, ANI, "the file was lost")
    with pytest.raises(NotHandedOut, match="is closed"):
        access_requests.ask_unless_approved(rt, NUMBER, ANI, "the file was lost")


def test_asking_anew_voids_an_approval(rt: Runtime) -> None:
    say(rt, P1, "DATA SAYA")
    access_requests.ask(rt, NUMBER, ANI, "why")
    access_requests.approve(rt, NUMBER, BUDI, "why")
    access_requests.ask(rt, NUMBER, "shell:citra", "why")
    with pytest.raises(NotApproved, match="nobody has approved"):
        access_requests.make_copy(rt, NUMBER, "shell:citra", "why")


def test_an_approval_is_for_one_request(rt: Runtime) -> None:
    """Both were asked for at the same instant."""
    say(rt, P1, "DATA SAYA")
    say(rt, STRANGER, "DATA SAYA")
    other = NUMBER.replace("0001", "0002")
    for each in (NUMBER, other):
        access_requests.ask(rt, each, ANI, "why")
    access_requests.approve(rt, NUMBER, BUDI, "why")
    with pytest.raises(NotApproved, match="nobody has approved"):
        access_requests.make_copy(rt, other, ANI, "why")
    assert access_requests.make_copy(rt, NUMBER, ANI, "why").sent is not None


def test_who_approves_approves_what_they_have_seen(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "DATA SAYA")
    access_requests.ask(rt, NUMBER, ANI, "why")
    with rt.reading() as tx:
        seen = case_exports.one(tx, 1)
    assert seen is not None
    clock.moves(seconds=1)
    access_requests.ask(rt, NUMBER, "shell:citra", "why")
    with rt.writing() as tx:
        assert not case_exports.approve(tx, seen, BUDI)
    with pytest.raises(NotApproved, match="nobody has approved"):
        access_requests.make_copy(rt, NUMBER, "shell:citra", "why")


def test_an_approval_that_we_did_not_write_counts_for_nothing(rt: Runtime) -> None:
    say(rt, P1, "DATA SAYA")
    access_requests.ask(rt, NUMBER, ANI, "why")
    with rt.writing() as tx:
        forged = {"approved_by": BUDI, "approved_at": tx.now}
        tx.connection.execute(_case_exports.update().values(forged))
    with pytest.raises(NotApproved):
        access_requests.make_copy(rt, NUMBER, ANI, "why")
    with rt.reading(streams=True) as tx:
        found = list(integrity.findings(tx, keys.key_wrapper(rt.settings), rt.rows_since))
        assert "case_exports: row 1 was changed, or not written by us" in found
        assert case_exports.one(tx, 1) is None


@pytest.mark.parametrize(
    ("text", "number", "message"),
    [
        ("HAPUS DATA", NUMBER, "is no access request"),
        ("LAPOR kantor tutup", NUMBER, "is no access request"),
        ("DATA SAYA", "ADU-251031-0009", "is no access request"),
    ],
)
def test_no_copy_is_asked_for_without_an_access_request(
    rt: Runtime, text: str, number: str, message: str
) -> None:
    say(rt, P1, text)
    with pytest.raises(NotHandedOut, match=message):
        access_requests.ask_unless_approved(rt, number, ANI, "why")


def test_nothing_is_handed_out_while_the_ledger_is_away(rt: Runtime) -> None:
    """It says whether the number is still the participant's."""
    say(rt, P1, "DATA SAYA")
    access_requests.ask(rt, NUMBER, ANI, "why")
    access_requests.approve(rt, NUMBER, BUDI, "why")
    with pytest.raises(NotHandedOut, match="ledger cannot be read"):
        access_requests.make_copy(with_ledger_down(rt), NUMBER, ANI, "why")
    assert access_requests.make_copy(rt, NUMBER, ANI, "why").sent is not None


def test_a_repeat_gets_the_same_number(rt: Runtime, clock: Clock) -> None:
    first = say(rt, STRANGER, "DATA SAYA")
    clock.moves(minutes=10)
    assert NUMBER in first.reply.text
    assert NUMBER in say(rt, STRANGER, "MY DATA").reply.text


def approved_copy(rt: Runtime, number: str = NUMBER) -> access_requests.Copy:
    access_requests.ask(rt, number, ANI, "asked by SMS")
    access_requests.approve(rt, number, BUDI, "KTP was checked")
    return access_requests.make_copy(rt, number, ANI, "asked by SMS")


def contents(copy: access_requests.Copy) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(copy.text)
    return read


def test_the_copy_says_which_times_it_covers_and_holds_no_octets(rt: Runtime) -> None:
    say(rt, P1, "DATA SAYA")
    read = contents(approved_copy(rt))
    assert (read["format"], read["request"]) == (1, NUMBER)
    assert read["made_at"] == "2025-10-31T10:00:00+07:00"
    assert read["periods"][-1]["until"] is None
    assert read["messages"][0]["text"] == "DATA SAYA"
    assert read["processing"]
    assert "\\x" not in repr(read)
