"""Complaints are answered and closed; who wants their data erased has it erased."""

import pytest
from flask import Flask
from sqlalchemy import update

from smsgw.backoffice import accounts
from smsgw.runtime import Runtime
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.operators import Role
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from tests.conftest import P1, P1_NKP, STRANGER, Clock
from tests.smsgw.console.conftest import As
from tests.support import ciphertext
from tests.support.console_client import logged_in
from tests.support.conversation import audit_entries, say

COMPLAINTS, REQUESTS = "/console/waiting/complaints/", "/console/waiting/requests/"
FIRST = "ADU-251031-0001"
WRITTEN = "LAPOR gaji saya tidak dibayar PT Maju"


def last_text(rt: Runtime) -> str:
    with rt.reading() as tx:
        return ciphertext.texts(tx, Ciphertext.REPLY)[-1]


def test_overdue_cases_are_marked(as_: As, rt: Runtime, clock: Clock) -> None:
    """A complaint of a Friday is due on the next one."""
    say(rt, P1, WRITTEN)
    visitor = as_(Role.VIEWER)
    visitor.get(COMPLAINTS)
    assert f"{FIRST} +6281*****7890" in visitor.text
    assert "07-11-2025" in visitor.text
    assert "overdue" not in visitor.text
    clock.moves(days=8)
    visitor = as_(Role.AGENT)
    visitor.get(COMPLAINTS)
    assert "07-11-2025 overdue" in visitor.text


def test_a_complaint_is_read_for_a_reason_assigned_answered_and_closed(
    app: Flask, rt: Runtime
) -> None:
    say(rt, P1, WRITTEN)
    logged_in(app, rt, Role.AGENT, "budi")
    logged_in(app, rt, Role.VIEWER, "wati")
    visitor = logged_in(app, rt, Role.AGENT, "ani")
    visitor.get(f"{COMPLAINTS}{FIRST}")
    assert "gaji" not in visitor.text
    visitor.post(f"{COMPLAINTS}{FIRST}", reason="my turn", said="Sudah kami")
    assert visitor.form("/answer").values["said"] == "Sudah kami"
    assert f"{P1} " in visitor.text
    assert WRITTEN in visitor.text
    assert ">budi<" in visitor.page
    assert "wati" not in visitor.page
    visitor.submit("/assign")
    assert "ani is now responsible" in visitor.text
    visitor.submit("/answer", said="Sudah kami tegur, terima kasih.", closes="yes")
    assert "The answer is queued" in visitor.text
    assert "closed" in visitor.text
    assert last_text(rt) == f"Aduan {FIRST}: Sudah kami tegur, terima kasih."
    acts = [act for act, _ in audit_entries(rt)]
    assert acts[-4:] == ["looked", "case assigned", "case answered", "case closed"]
    visitor.submit(f"/{FIRST}", reason="once more")
    assert "Sudah kami tegur" in visitor.text
    assert FIRST not in visitor.get(COMPLAINTS).text


def test_only_helping_roles_can_be_assigned(as_: As, rt: Runtime) -> None:
    say(rt, P1, WRITTEN)
    as_(Role.VIEWER)
    visitor = as_(Role.AGENT)
    visitor.get(f"{COMPLAINTS}{FIRST}")
    for nobody in ("1", "99", "x"):
        assert visitor.post(f"{COMPLAINTS}{FIRST}/assign", to=nobody).status_code == 400


def test_an_answer_is_previewed_while_typing(as_: As, rt: Runtime) -> None:
    say(rt, P1, WRITTEN)
    visitor = as_(Role.AGENT)
    visitor.get(f"{COMPLAINTS}{FIRST}")
    form = visitor.form("/answer")
    part = visitor.client.post(
        f"{COMPLAINTS}{FIRST}/typed",
        data=form.values | {"said": "x" * 200},
        headers={"HX-Request": "true"},
    ).text
    assert "<html" not in part
    assert "223 characters, 2 of at most 3 segments, Rp700" in part
    visitor.post(f"{COMPLAINTS}{FIRST}/typed", said="lihat bit.ly <b>")
    assert "An SMS must not contain links" in visitor.text
    assert "<html" in visitor.page
    assert visitor.form("/answer").values["said"] == "lihat bit.ly <b>"
    assert "<b>" not in visitor.page.replace("<b></b>", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "There is no text."),
        ("buka bit.ly", "An SMS must not contain links"),
        ("baik 👍", "An SMS cannot contain this character: 👍"),
        ("baik\x07", "An SMS cannot contain this character: U+0007"),
        ("x" * 500, "It is too long."),
    ],
)
def test_an_unsendable_answer_is_kept_in_the_form(
    as_: As, rt: Runtime, text: str, why: str
) -> None:
    say(rt, P1, WRITTEN)
    before = last_text(rt)
    visitor = as_(Role.AGENT)
    visitor.get(f"{COMPLAINTS}{FIRST}")
    assert visitor.submit("/answer", said=text).status_code == 400
    assert f"The answer was not sent. {why}" in visitor.text
    assert visitor.form("/answer").values["said"] == text
    assert last_text(rt) == before


def test_a_second_officer_sees_that_it_was_answered(app: Flask, rt: Runtime) -> None:
    """The page says when, and shows the text for a reason; a form made before that sends
    nothing."""
    say(rt, P1, WRITTEN)
    ani, budi = (logged_in(app, rt, Role.AGENT, name) for name in ("ani", "budi"))
    for each in (ani, budi):
        each.get(f"{COMPLAINTS}{FIRST}")
    ani.submit("/answer", said="Kami periksa.")
    for said in ("Baik.", "Baik."):
        assert budi.post(f"{COMPLAINTS}{FIRST}/answer", said=said, answers="0").status_code == 409
    assert "another answer was sent in the meantime" in budi.text
    assert "Answers sent 31-10-2025" in budi.text
    assert "Kami periksa" not in budi.text
    assert last_text(rt) == f"Aduan {FIRST}: Kami periksa."
    assert budi.form("/answer").values["said"] == "Baik."
    budi.post(f"{COMPLAINTS}{FIRST}", reason="what was said", said="Baik.")
    assert "Kami periksa." in budi.text
    budi.submit("/answer")
    assert last_text(rt) == f"Aduan {FIRST}: Baik."


def test_a_closed_case_of_a_forgotten_phone_can_be_looked_at(as_: As, rt: Runtime) -> None:
    say(rt, P1, WRITTEN)
    visitor = as_(Role.AGENT)
    visitor.get(f"{COMPLAINTS}{FIRST}")
    visitor.submit("/close", reason="by telephone")
    with rt.writing() as tx:
        tx.connection.execute(update(phones).values(number=None))
        tx.connection.execute(update(messages).values(text=None))
    visitor.get(f"{COMPLAINTS}{FIRST}")
    assert visitor.submit(f"/{FIRST}", reason="a question").status_code == 200
    assert "The text has been deleted" in visitor.text


def test_a_second_answer_is_refused(app: Flask, rt: Runtime) -> None:
    say(rt, P1, WRITTEN)
    ani, budi = (logged_in(app, rt, Role.AGENT, name) for name in ("ani", "budi"))
    for each in (ani, budi):
        each.get(f"{COMPLAINTS}{FIRST}")
    ani.submit("/close", reason="by telephone")
    assert (f"{FIRST} is closed") in ani.text
    assert budi.submit("/answer", said="Baik.").status_code == 409
    assert "has just been closed" in budi.text
    assert "Not sent Baik." in budi.text
    assert ("case closed", f"{FIRST}: by telephone") in audit_entries(rt)


@pytest.mark.parametrize("confirmed", [FIRST.lower(), "0899-0000-0000", STRANGER])
def test_data_is_erased_after_confirmation(as_: As, rt: Runtime, confirmed: str) -> None:
    say(rt, STRANGER, "HAPUS DATA")
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(state="delivered"))
    visitor = as_(Role.AGENT)
    visitor.get(f"{REQUESTS}{FIRST}")
    for wrong in ("", P1, "ADU-251031-0002"):
        assert visitor.submit("/erase", confirmed=wrong).status_code == 400
    assert "Nothing was erased" in visitor.text
    visitor.submit("/erase", confirmed=confirmed)
    assert f"{FIRST} is complete" in visitor.text
    assert FIRST in last_text(rt)
    assert ("erased", FIRST) in audit_entries(rt)
    assert "selesai" in say(rt, STRANGER, f"STATUS {FIRST}").reply.text


@pytest.mark.parametrize(
    ("first", "message"),
    [("/erase", "It has already been carried out."), ("/close", "It is already closed.")],
)
def test_a_settled_request_is_not_erased_again(
    as_: As, rt: Runtime, first: str, message: str
) -> None:
    say(rt, STRANGER, "HAPUS DATA")
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(state="delivered"))
    visitor = as_(Role.AGENT)
    visitor.get(f"{REQUESTS}{FIRST}")
    visitor.submit(first, confirmed=FIRST, reason="as was asked")
    address = f"{REQUESTS}{FIRST}/erase"
    visitor.get("/console/account")
    assert visitor.post(address, confirmed=FIRST).status_code == 409
    assert message in visitor.text
    assert "being sent or unresolved" not in visitor.text


def test_nothing_is_erased_while_an_sms_is_being_sent(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, "HAPUS DATA")
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(state="sending"))
    visitor = as_(Role.AGENT)
    visitor.get(f"{REQUESTS}{FIRST}")
    assert visitor.submit("/erase", confirmed=FIRST).status_code == 409
    assert "being sent or unresolved" in visitor.text
    assert FIRST in visitor.get(REQUESTS).text


def test_a_withdrawn_request_is_closed(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, "HAPUS DATA")
    visitor = as_(Role.AGENT)
    visitor.get(f"{REQUESTS}{FIRST}")
    visitor.submit("/close", reason="wrote by mistake")
    assert f"{FIRST} is closed" in visitor.text
    assert "Nobody is waiting" in visitor.text


def test_a_complaint_cannot_be_erased(as_: As, rt: Runtime) -> None:
    say(rt, P1, WRITTEN)
    visitor = as_(Role.AGENT)
    assert visitor.get(f"{REQUESTS}{FIRST}").status_code == 404
    visitor.get(REQUESTS)
    visitor.get("/console/account")
    assert visitor.post(f"{REQUESTS}{FIRST}/erase", confirmed=FIRST).status_code == 404


def test_answered_and_unanswered_complaints_are_distinguished(
    as_: As, rt: Runtime, clock: Clock
) -> None:
    """The list, the page and the overview show it."""
    for sender in (P1, STRANGER):
        say(rt, sender, WRITTEN)
    visitor = as_(Role.AGENT)
    visitor.get(f"{COMPLAINTS}{FIRST}")
    visitor.submit("/answer", said="Sudah kami tegur, terima kasih.")
    clock.moves(minutes=5)
    visitor.get(f"{COMPLAINTS}{FIRST}")
    assert "answered 5 m ago not closed yet" in visitor.text
    visitor.get(COMPLAINTS)
    untouched, _, answered = visitor.page.partition(FIRST)[2].partition("0002")[::-1]
    assert "answered 5 m ago" in answered
    assert "not yet" in untouched
    visitor.get("/console/")
    assert "Complaints not answered: 1 2" in visitor.text


def test_a_closed_case_is_found(as_: As, rt: Runtime) -> None:
    """It is in a list, and found by its number, however a caller spells it."""
    say(rt, P1, WRITTEN)
    say(rt, P1, "HAPUS DATA")
    say(rt, P1, "YA")
    visitor = as_(Role.AGENT)
    visitor.get(f"{COMPLAINTS}{FIRST}")
    visitor.submit(f"{FIRST}/close", reason="settled by telephone")
    assert FIRST not in visitor.text.partition("is closed")[2]
    visitor.get(f"{COMPLAINTS}?closed=1")
    assert FIRST in visitor.text
    visitor.get(f"{REQUESTS}?closed=1")
    assert FIRST not in visitor.text
    for written in (FIRST, " adu-251031-0001 ", "ADU2510310001", "ADU 251031 0001"):
        visitor.get(COMPLAINTS)
        form = visitor.form("/messages/reference")
        answer = visitor.client.get(form.action, query_string={"reference": written})
        assert answer.location == f"{COMPLAINTS}{FIRST}"
    for unknown in ("ADU-251031-0099", "ADU-1", "ADU"):
        query = {"reference": unknown}
        assert (
            visitor.client.get("/console/messages/reference", query_string=query).status_code == 404
        )


def test_closed_cases_are_paged(as_: As, rt: Runtime) -> None:
    with rt.writing() as tx:
        row = {"kind": "complaint", "phone_id": 1, "message_id": 1, "text_hash": b""}
        row |= {"opened_at": tx.now, "closed_at": tx.now}
        rows = [row | {"number": f"ADU-251030-{number:04}"} for number in range(60)]
        tx.connection.execute(cases.insert(), rows)
    visitor = as_(Role.VIEWER)
    visitor.get(f"{COMPLAINTS}?closed=1")
    assert "ADU-251030-0059" in visitor.text
    assert "ADU-251030-0009" not in visitor.text
    visitor.get(next(each for each in visitor.links() if "after=" in each))
    assert "ADU-251030-0009" in visitor.text
    assert "ADU-251030-0059" not in visitor.text


@pytest.mark.parametrize(
    "again",
    ["Sudah kami tegur.", "  Sudah  kami\ntegur. ", "sudah kami tegur", "Sudah kami tegur…"],
)
def test_the_same_answer_is_not_sent_twice(as_: As, rt: Runtime, again: str) -> None:
    """The Back button would send it again, where a browser keeps the text."""
    say(rt, P1, WRITTEN)
    visitor = as_(Role.AGENT)
    visitor.get(f"{COMPLAINTS}{FIRST}")
    visitor.submit("/answer", said="Sudah kami tegur.")
    visitor.get(f"{COMPLAINTS}{FIRST}")
    assert visitor.submit("/answer", said=again).status_code == 409
    assert "was already sent" in visitor.text
    assert visitor.submit("/answer", said="Sudah kami tegur lagi.").status_code == 200
    assert [act for act, _ in audit_entries(rt)].count("case answered") == 2


def test_an_undelivered_answer_can_be_resent(as_: As, rt: Runtime) -> None:
    say(rt, P1, WRITTEN)
    visitor = as_(Role.AGENT)
    visitor.get(f"{COMPLAINTS}{FIRST}")
    visitor.submit("/answer", said="Sudah kami tegur.")
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(state="undelivered"))
    visitor.get(f"{COMPLAINTS}{FIRST}")
    assert visitor.submit("/answer", said="Sudah kami tegur.").status_code == 200


def test_a_viewed_case_can_be_reopened_for_a_while(as_: As, rt: Runtime, clock: Clock) -> None:
    """A browser goes back to it, and requests the page again."""
    say(rt, P1, WRITTEN)
    say(rt, STRANGER, f"DAFTAR SALDO#3171011708900000#BUDI SANTOSO#17-08-1990#{P1_NKP}")
    visitor = as_(Role.AGENT)
    for address, shown in (
        ("/console/messages/phones/1", WRITTEN),
        ("/console/messages/1", WRITTEN),
        (f"{COMPLAINTS}{FIRST}", WRITTEN),
        ("/console/waiting/registrations/1", "BUDI SANTOSO"),
    ):
        visitor.get(address)
        assert shown not in visitor.page
        form = visitor.form("/logout").values | {"reason": "caller asks"}
        looks = [act for act, _ in audit_entries(rt)].count("looked")
        answer = visitor.client.post(address, data=form)
        assert (answer.status_code, answer.location) == (303, address)
        for _ in range(2):
            assert shown in visitor.get(address).text
        assert [act for act, _ in audit_entries(rt)].count("looked") == looks + 1
        clock.moves(minutes=16)
        assert shown not in visitor.get(address).text


def test_a_viewed_case_is_open_only_to_its_viewer(app: Flask, rt: Runtime) -> None:
    say(rt, P1, WRITTEN)
    ani, budi = (logged_in(app, rt, Role.AGENT, name) for name in ("ani", "budi"))
    ani.get("/console/messages/1")
    ani.submit("/messages/1", reason="caller asks")
    assert WRITTEN in ani.text
    assert WRITTEN not in budi.get("/console/messages/1").text
    ani.post("/console/logout")
    with rt.writing() as tx:
        row = accounts.find(tx, "ani")
        once = accounts.invite(tx, row.id, "shell:tests")
    ani.log_in_once(f"/console/login/once#{once}")
    assert WRITTEN not in ani.get("/console/messages/1").text
