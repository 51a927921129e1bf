"""Checks who can log in, how often they may try, and how sessions end."""

import re
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select

from smsgw import settings
from smsgw.app import create_app
from smsgw.backoffice import accounts
from smsgw.console import access
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role, sessions
from smsgw.storage.tables.security import audit
from tests.conftest import Clock
from tests.smsgw.console.conftest import As
from tests.support.accounts import PASSWORD, add_operator
from tests.support.console_client import Visitor


def log_in(visitor: Visitor, name: str = "ani", password: str = PASSWORD) -> int:
    visitor.get("/console/login")
    return visitor.submit("/console/login", name=name, password=password).status_code


def test_the_right_password_logs_in(visitor: Visitor, rt: Runtime) -> None:
    add_operator(rt)
    assert visitor.get("/console/").location == "/console/login?to=%2Fconsole%2F"
    assert log_in(visitor) == 200
    assert "Ringkasan" in visitor.text
    with rt.reading() as tx:
        acts = tx.connection.execute(select(audit.c.act, audit.c.actor)).all()
    assert ("logged in", "operator:ani") in [tuple(each) for each in acts]


def test_login_leads_to_the_requested_page(visitor: Visitor, rt: Runtime) -> None:
    add_operator(rt)
    visitor.client.get("/console/account", follow_redirects=True)
    visitor.get("/console/login?to=/console/account")
    visitor.submit("/console/login", name="ani", password=PASSWORD)
    assert "Akun Anda" in visitor.text


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "/"])
def test_login_does_not_redirect_to_other_sites(visitor: Visitor, rt: Runtime, to: str) -> None:
    add_operator(rt)
    visitor.get(f"/console/login?to={to}")
    form = visitor.form("/console/login")
    form.values |= {"to": to, "name": "ani", "password": PASSWORD}
    assert visitor.client.post(form.action, data=form.values).location == "/console/"


@pytest.mark.parametrize(("name", "password"), [("ani", "wrong"), ("budi", PASSWORD), ("", "")])
def test_a_failed_login_does_not_say_why(
    visitor: Visitor, rt: Runtime, name: str, password: str
) -> None:
    add_operator(rt)
    assert log_in(visitor, name, password) == 403
    assert "Nama atau kata sandi salah." in visitor.text
    assert "budi" not in visitor.text


def test_guessing_a_password_is_limited(app: Flask, rt: Runtime, clock: Clock) -> None:
    """The limit is for a name, from any address, for a quarter of an hour; other names are not
    affected."""
    add_operator(rt)
    for number in range(10):
        visitor = Visitor(app)
        visitor.client.environ_base["REMOTE_ADDR"] = f"10.0.0.{number}"
        assert log_in(visitor, password="wrong") == 403
    assert log_in(visitor) == 429
    assert "15 menit" in visitor.text
    add_operator(rt, "budi")
    assert log_in(visitor, "budi") == 200
    clock.moves(minutes=16)
    assert log_in(Visitor(app)) == 200


def test_guessing_many_names_is_limited(app: Flask, visitor: Visitor) -> None:
    """The limit is for an address, except a proxy's, which everybody shares."""
    visitor.client.environ_base["REMOTE_ADDR"] = "36.66.0.1"
    tries = [log_in(visitor, f"name {number}", "wrong") for number in range(21)]
    assert tries == [403] * 20 + [429]
    behind_a_proxy = Visitor(app)
    tries = [log_in(behind_a_proxy, f"other {number}", "wrong") for number in range(21)]
    assert tries == [403] * 21


def test_a_one_time_login_works_once_and_only_by_post(app: Flask, rt: Runtime) -> None:
    ani = add_operator(rt)
    with rt.writing() as tx:
        once = accounts.invite(tx, ani.id, "shell:tests")
    visitor, second = Visitor(app), Visitor(app)
    for each in (visitor, second):
        each.get("/console/login/once")
        each.get("/console/login/once")
    assert visitor.submit("/console/login/once", once=once).status_code == 200
    assert "Ringkasan" in visitor.text
    assert second.submit("/console/login/once", once=once).status_code == 403
    assert "sudah dipakai" in second.text


@pytest.mark.parametrize("typed", [" {} \n", "http://localhost/console/login/once#{}"])
def test_a_code_may_be_pasted_with_what_is_around_it(
    visitor: Visitor, rt: Runtime, typed: str
) -> None:
    ani = add_operator(rt)
    with rt.writing() as tx:
        once = accounts.invite(tx, ani.id, "shell:tests")
    visitor.get("/console/login/once")
    assert visitor.submit("/console/login/once", once="wrong").status_code == 403
    assert "Kode ini salah" in visitor.text
    assert visitor.submit("/console/login/once", once=typed.format(once)).status_code == 200
    assert "Ringkasan" in visitor.text


@pytest.mark.parametrize(
    "address",
    ["/console/login?once={}", "/console/login/once?once={}", "/console/login/once/{}"],
)
def test_a_code_in_the_request_line_is_refused(visitor: Visitor, rt: Runtime, address: str) -> None:
    """Proxies log request lines. Neither a GET nor a POST to such an address works."""
    ani = add_operator(rt)
    with rt.writing() as tx:
        once = accounts.invite(tx, ani.id, "shell:tests")
    visitor.get("/console/login")
    seen = visitor.client.get(address.format(once), follow_redirects=True)
    assert once not in re.sub(r'name="to" value="[^"]*"', "", seen.text)
    visitor.post(address.format(once), once="")
    assert visitor.get("/console/").status_code == 303
    with rt.reading() as tx:
        assert tx.connection.execute(select(sessions)).all() == []
    assert visitor.log_in_once(f"/console/login/once#{once}").status_code == 200  # not used up


def test_a_one_time_login_asks_for_a_password(visitor: Visitor, rt: Runtime) -> None:
    """The page uses the language that was chosen before."""
    with rt.writing() as tx:
        rina = accounts.add(tx, "rina", Role.AGENT, None, "shell:test")
        once = accounts.invite(tx, rina.id, "shell:tests")
    visitor.get("/console/login")
    visitor.submit("/console/language", language="en")
    visitor.log_in_once(f"/console/login/once#{once}")
    assert "Set one now" in visitor.text


def test_a_name_may_be_typed_in_capitals(visitor: Visitor, rt: Runtime) -> None:
    add_operator(rt)
    assert log_in(visitor, "ANI") == 200


def test_a_one_time_login_ends_after_a_day(visitor: Visitor, rt: Runtime, clock: Clock) -> None:
    ani = add_operator(rt)
    with rt.writing() as tx:
        once = accounts.invite(tx, ani.id, "shell:tests")
    clock.moves(hours=25)
    assert visitor.log_in_once(f"/console/login/once#{once}").status_code == 403


def test_a_form_without_its_token_does_nothing(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.VIEWER)
    for address in ("/console/logout", "/console/account/everywhere", "/console/account/password"):
        for form in ({"new": "a new password here"}, {"csrf_token": "x"}):
            answer = visitor.client.post(address, data=form)
            assert answer.status_code == 400
            assert "Nothing was changed" in answer.text
    assert visitor.get("/console/").status_code == 200


def test_login_starts_a_new_session(visitor: Visitor, rt: Runtime) -> None:
    """A cookie planted before the login is worth nothing after it."""
    add_operator(rt)
    visitor.get("/console/login")
    before = visitor.client.get_cookie("smsgw", path="/console")
    log_in(visitor)
    after = visitor.client.get_cookie("smsgw", path="/console")
    assert before.value != after.value
    visitor.client.set_cookie("smsgw", before.value, path="/console")
    assert visitor.get("/console/").status_code == 303


def test_logout_ends_the_session(as_: As) -> None:
    """A kept copy of the cookie no longer works."""
    visitor = as_(Role.VIEWER)
    kept = visitor.client.get_cookie("smsgw", path="/console")
    visitor.submit("/console/logout")
    visitor.client.set_cookie("smsgw", kept.value, path="/console")
    assert visitor.get("/console/").status_code == 303


def test_logout_everywhere_ends_all_sessions(app: Flask, rt: Runtime) -> None:
    add_operator(rt)
    here, there = Visitor(app), Visitor(app)
    assert log_in(here) == log_in(there) == 200
    here.get("/console/account")
    here.submit("/console/account/everywhere")
    assert there.get("/console/").status_code == 303
    with rt.reading() as tx:
        assert tx.connection.execute(select(sessions)).all() == []


def test_changing_the_password_ends_other_sessions(app: Flask, rt: Runtime) -> None:
    add_operator(rt)
    here, there = Visitor(app), Visitor(app)
    log_in(here)
    log_in(there)
    here.get("/console/account")
    wrong = here.submit("/console/account/password", old="wrong", new="another password")
    assert wrong.status_code == 403
    short = here.submit("/console/account/password", old=PASSWORD, new="short")
    assert short.status_code == 400
    here.submit("/console/account/password", old=PASSWORD, new="another password")
    assert "Kata sandi sudah diganti" in here.text
    assert there.get("/console/").status_code == 303
    assert here.get("/console/").status_code == 200
    assert log_in(Visitor(app), password="another password") == 200


def test_a_first_password_needs_no_old_one(as_: As) -> None:
    visitor = as_(Role.AGENT)
    visitor.get("/console/account")
    visitor.submit("/console/account/password", new="the first password")
    assert "Password changed" in visitor.text


def test_a_disabled_operator_is_logged_out(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.VIEWER)
    with rt.writing() as tx:
        accounts.disable(tx, "viewer", "shell:test")
    assert visitor.get("/console/").status_code == 303


def test_unused_sessions_end(as_: As, clock: Clock) -> None:
    visitor = as_(Role.VIEWER)
    for _ in range(4):
        clock.moves(minutes=100)
        assert visitor.get("/console/").status_code == 200
    clock.moves(minutes=121)
    assert visitor.get("/console/").status_code == 303


def test_the_cookie_is_protected(app: Flask, rt: Runtime) -> None:
    answer = Visitor(app).get("/console/login")
    cookie = answer.headers["Set-Cookie"]
    assert re.search("HttpOnly; Path=/console; SameSite=Lax", cookie)
    behind_tls = replace(rt, settings=_https(rt))
    cookie = Visitor(create_app(behind_tls)).get("/console/login").headers["Set-Cookie"]
    assert cookie.startswith("__Secure-smsgw=")
    assert "Secure; HttpOnly" in cookie


def _https(rt: Runtime) -> settings.Settings:
    return rt.settings.model_copy(update={"public_url": "https://sms.example.org"})


def test_pages_use_the_chosen_language(visitor: Visitor, as_: As) -> None:
    visitor.get("/console/login")
    assert "Masuk" in visitor.text
    visitor.submit("/console/language", language="en")
    assert "Log in" in visitor.text
    assert '<html lang="en">' in visitor.page
    known = as_(Role.VIEWER)
    known.get("/console/account")
    known.submit("/console/language", language="id")
    assert "Akun Anda" in known.text


def test_pages_forbid_inline_scripts(as_: As) -> None:
    answer = as_(Role.VIEWER).get("/console/")
    policy = answer.headers["Content-Security-Policy"]
    assert policy == access.POLICY
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_static_files_are_cached(visitor: Visitor) -> None:
    visitor.get("/console/login")
    for address in re.findall(r'(?:href|src)="(/console/static/[^"]+)"', visitor.page):
        with visitor.client.get(address.replace("&amp;", "&")) as answer:
            assert answer.status_code == 200
            assert "max-age=31536000" in answer.headers["Cache-Control"]
    assert visitor.client.get("/console/static/..%2Fapp.py").status_code in {303, 404}


def test_unknown_pages_are_not_found(as_: As) -> None:
    visitor = as_(Role.VIEWER)
    assert visitor.client.get("/console/static/nothing.css").status_code == 404
    assert visitor.get("/console/nothing").status_code == 404
    assert "Page not found" in visitor.text


def test_a_stranger_cannot_lock_out_a_known_browser(app: Flask, rt: Runtime) -> None:
    """A browser that logged in before has tries of its own, and a right password is given back."""
    add_operator(rt)
    known, stranger = Visitor(app), Visitor(app)
    for _ in range(12):
        assert log_in(known) == 200
        known.post("/console/logout")
    for _ in range(11):
        log_in(stranger, password="wrong")
    assert log_in(stranger) == 429
    assert log_in(Visitor(app)) == 429
    assert log_in(known) == 200


def test_the_current_password_can_be_guessed_ten_times(as_: As, rt: Runtime) -> None:
    """Somebody may find a session left open."""
    visitor = as_(Role.ADMIN)
    visitor.submit("/console/account/password", new=PASSWORD)
    pages = [
        visitor.post("/console/account/password", old=f"guess {number}", new="x" * 20).status_code
        for number in range(12)
    ]
    assert pages == [403] * 10 + [429] * 2


@pytest.mark.parametrize("to", ["/console/\r\nSet-Cookie: a=b", "/console/\u2028", "/console/\x00"])
def test_unprintable_addresses_are_refused(visitor: Visitor, rt: Runtime, to: str) -> None:
    """It once made a 500 of a login that had succeeded."""
    add_operator(rt)
    visitor.get("/console/login")
    form = visitor.form("/console/login")
    form.values |= {"to": to, "name": "ani", "password": PASSWORD}
    assert visitor.client.post(form.action, data=form.values).status_code in {303, 400}


def test_login_ends_the_earlier_session(visitor: Visitor, rt: Runtime) -> None:
    """Both are in the same browser."""
    add_operator(rt)
    log_in(visitor)
    log_in(visitor)
    with rt.reading() as tx:
        assert len(tx.connection.execute(select(sessions)).all()) == 1


def test_a_reset_link_removes_the_old_password(app: Flask, rt: Runtime) -> None:
    """The person notices that somebody created it."""
    ani = add_operator(rt)
    with rt.writing() as tx:
        accounts.invite(tx, ani.id, "operator:admin1")
    assert log_in(Visitor(app)) == 403
    add_operator(rt, "budi")
    with rt.writing() as tx:
        budi = accounts.find(tx, "budi")
        accounts.invite(tx, budi.id, "operator:budi")
    assert log_in(Visitor(app), "budi") == 200
