"""Nothing that was typed is lost: when a session ends, and when another language is chosen."""

import html
from collections.abc import Callable

import pytest
from flask import Flask

from smsgw.backoffice import accounts
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import P1, Clock
from tests.support.console_client import Visitor, logged_in
from tests.support.conversation import say

PASSWORD = "correct horse battery"
SAID = "Kami sudah menegur perusahaan, mohon tunggu."
SALDO = "/console/keywords/saldo"
NUMBER = "ADU-251031-0001"
COMPLAINT = f"/console/waiting/complaints/{NUMBER}"


@pytest.fixture
def ani(app: Flask, rt: Runtime) -> Visitor:
    """Logs in an admin with a password, who looks at a complaint."""
    visitor = logged_in(app, rt, Role.ADMIN, "ani")
    visitor.get("/console/account")
    visitor.submit("/console/account/password", new=PASSWORD)
    say(rt, P1, "LAPOR gaji saya belum dibayar")
    return visitor


def idle(visitor: Visitor, rt: Runtime, clock: Clock) -> None:
    clock.moves(hours=2, seconds=1)


def ended_elsewhere(visitor: Visitor, rt: Runtime, clock: Clock) -> None:
    with rt.writing() as tx:
        accounts.log_out_everywhere(tx, 1)


def cookie_gone(visitor: Visitor, rt: Runtime, clock: Clock) -> None:
    visitor.client.delete_cookie("smsgw", path="/console")


Ends = Callable[[Visitor, Runtime, Clock], None]


@pytest.mark.parametrize("ends", [idle, ended_elsewhere, cookie_gone])
def test_an_answer_typed_when_the_session_had_ended_is_sent_after_the_login(
    ani: Visitor, rt: Runtime, clock: Clock, ends: Ends
) -> None:
    """It is kept behind a wrong password too."""
    ani.get(COMPLAINT)
    form = ani.form("/answer")
    ends(ani, rt, clock)
    ani.post(form.action, **form.values | {"said": SAID, "closes": "yes"})
    assert "What you typed is kept" in ani.text or "Yang Anda ketik tersimpan" in ani.text
    ani.submit("/console/login", name="ani", password="wrong")
    ani.submit("/console/login", name="ani", password=PASSWORD)
    assert SAID in ani.text
    with rt.reading() as tx:
        assert "case answered" not in [row.act for row in accounts.audit.page(tx, None, 100)]
    ani.submit("/answer")
    assert "The answer is queued." in ani.text
    assert "case is closed" in ani.text


def test_a_form_from_before_another_login_is_sent_with_one_press(
    ani: Visitor, rt: Runtime, app: Flask
) -> None:
    """The login happened in another tab."""
    ani.get(SALDO)
    form = ani.form(SALDO)
    form.values["w.balance.id"] = "Saldo\nJHT {nkp} per {as_of}: {total}. 'Quoted' & <b>"
    ani.get("/console/login")
    ani.submit("/console/login", name="ani", password=PASSWORD)
    ani.post(form.action, **form.values)
    assert "Not sent yet" in ani.text
    assert ani.form(SALDO).values.items() >= {"was": form.values["was"]}.items()
    ani.submit(SALDO)
    assert "is saved in the draft" in ani.text
    assert "'Quoted' &amp; &lt;b&gt;" in html.escape(html.unescape(ani.page), quote=False)


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("/console/account/password", {"old": PASSWORD, "new": "a password that is typed"}),
        ("/console/login/once", {"once": "a code that is typed"}),
    ],
)
def test_no_page_holds_a_password(
    ani: Visitor, clock: Clock, address: str, form: dict[str, str]
) -> None:
    ani.get("/console/account")
    clock.moves(hours=3)
    ani.post(address, **form)
    assert not any(each in ani.page for each in form.values())


@pytest.mark.parametrize(
    ("token", "headers"),
    [("", {}), ("x", {}), (None, {"Sec-Fetch-Site": "cross-site"})],
)
def test_a_form_from_another_site_is_dropped(
    ani: Visitor, clock: Clock, token: str | None, headers: dict[str, str]
) -> None:
    ani.get(COMPLAINT)
    form = ani.form("/answer").values | {"said": SAID}
    if token is not None:
        form["csrf_token"] = token
    clock.moves(hours=3)
    answer = ani.client.post(f"{COMPLAINT}/answer", data=form, headers=headers)
    assert answer.status_code in {400, 401}
    assert SAID not in answer.text


def test_typed_text_is_not_sent_to_another_site(ani: Visitor) -> None:
    ani.post("/console/logout")
    ani.get("/console/login")
    form = {"name": "ani", "password": PASSWORD, "again:said": SAID}
    ani.post("/console/login", again="https://evil.example/", **form)
    assert "evil" not in ani.page


def test_typing_after_the_session_ended_keeps_the_page(ani: Visitor, clock: Clock) -> None:
    """The page stays, with a sentence on top; so do the parts that refresh by themselves."""
    ani.get(SALDO)
    form = ani.form(SALDO).values
    clock.moves(hours=2, seconds=1)
    parts = {"HX-Request": "true"}
    for answer in (
        ani.client.post(f"{SALDO}/preview", data=form, headers=parts),
        ani.client.post(f"{COMPLAINT}/typed", data=form | {"said": SAID}, headers=parts),
        ani.client.get("/console/", headers=parts),
        ani.client.get("/console/alarms", headers=parts),
    ):
        assert answer.status_code == 200
        assert "HX-Redirect" not in answer.headers
        assert answer.headers["HX-Retarget"] == "#alarms"
        assert "Your session has ended" in answer.text or "Sesi Anda berakhir" in answer.text
    ani.get("/console/login")
    ani.submit("/console/login", name="ani", password=PASSWORD)
    answer = ani.client.post(f"{SALDO}/preview", data=form, headers=parts)
    assert "You logged in again" in answer.text


TYPED = [
    (COMPLAINT, "answer", "said", SAID),
    (SALDO, "editing", "w.balance.id", "Saldo {total}, lain."),
    (SALDO, "editing", "aliases", "DUITKU"),
    ("/console/wordings/misread", "editing", "w.unknown.id", "Tidak tahu."),
    ("/console/draft/text", "whole", "text", "keywords: {lain: 1}"),
    ("/console/keywords/a-new-one", "new", "poster", "LIBUR"),
]


@pytest.mark.parametrize(("address", "form", "field", "text"), TYPED)
def test_changing_the_language_keeps_the_form(
    ani: Visitor, address: str, form: str, field: str, text: str
) -> None:
    """The form is sent along with the button."""
    ani.get(address)
    button = ani.button("speaks", "id")
    assert button["form"] == form
    held = ani.form_of(form)
    ani.post(button["formaction"], **held.values | {field: text, "speaks": "id"})
    assert '<html lang="id">' in ani.page
    assert ani.form_of(form).values[field] == text
    assert ani.form_of(form).values.get("was") == held.values.get("was")
    assert '<html lang="id">' in ani.get("/console/").text


def test_the_language_can_change_on_a_page_shown_by_a_form(ani: Visitor) -> None:
    """Somebody who is logged in does not get the login page."""
    for address, where in (
        ("/console/messages/1", "/console/messages/1"),
        ("/console/messages/number", "/console/messages/"),
        ("/console/try/say", "/console/try/"),
        ("/console/nowhere/at/all", "/console/"),
    ):
        ani.get("/console/messages/1")
        ani.post(address, reason="to help", number="1")
        to = ani.form("/console/language").values["to"]
        assert to == where
        ani.submit("/console/language", language="en")
        assert ani.client.get(to).status_code == 200
    ani.post("/console/language", language="en")
    assert "Messages today" in ani.text
