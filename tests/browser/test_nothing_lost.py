"""Checks that what was typed and read is still there: after Back, another language, a session's
end."""

import re
from typing import TYPE_CHECKING

import pytest

from smsgw.backoffice import accounts
from smsgw.storage.tables.operators import Role
from tests.browser.console_page import ABSENT, PASSWORD, STRANGERS, Demo, Desk, desk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect = pytest.importorskip("playwright.sync_api", reason=ABSENT).expect
SAID = "Kami sudah menegur perusahaan."


def complaint(demo: Demo) -> str:
    number = re.search(r"ADU-\d+-\d+", demo.say("LAPOR gaji belum dibayar", next(STRANGERS)))
    assert number is not None
    return f"/console/waiting/complaints/{number[0]}"


def with_password(demo: Demo, name: str) -> None:
    with demo.rt.writing() as tx:
        if accounts.find(tx, name) is None:
            hashed = accounts.hash_password(PASSWORD, demo.rt.passwords)
            accounts.add(tx, name, Role.ADMIN, hashed, "shell:test")
            row = accounts.find(tx, name)
            assert row is not None
            accounts.set_language(tx, row.id, "en")


def logged_in(page: "Page", name: str) -> None:
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main button").click()


def end_sessions(demo: Demo, name: str) -> None:
    with demo.rt.writing() as tx:
        row = accounts.find(tx, name)
        assert row is not None
        accounts.log_out_everywhere(tx, row.id)


def test_back_shows_the_conversation_again(admin: Desk, demo: Demo) -> None:
    """It was ERR_CACHE_MISS once."""
    sender = next(STRANGERS)
    demo.say("ini sebuah cerita", sender)
    page = admin.open("/console/messages/")
    page.get_by_role("link", name=sender[-4:]).first.click()
    page.get_by_label("Reason").fill("caller asks")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".talk")).to_contain_text("ini sebuah cerita")
    page.locator(".talk a").first.click()
    page.wait_for_url(re.compile(r"messages/\d+$"))
    page.go_back()
    expect(page.locator(".talk")).to_contain_text("ini sebuah cerita")


def test_going_back_does_not_send_an_answer_twice(admin: Desk, demo: Demo) -> None:
    page = admin.open(complaint(demo))
    page.get_by_label("Text").fill(SAID)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".note")).to_be_visible()
    page.go_back()
    page.get_by_label("Text").fill(SAID)  # where a browser does not restore it
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("already sent")
    assert "409" in admin.complaints.pop()


@pytest.mark.parametrize("button", ["Indonesia", "English"])
def test_another_language_keeps_what_is_typed(admin: Desk, demo: Demo, button: str) -> None:
    """Checks an answer and a wording, with the boxes that were ticked."""
    page = admin.open(complaint(demo))
    page.get_by_label("Text").fill(SAID)
    page.locator("[name=closes]").check()
    page.get_by_role("button", name=button).click()
    page.wait_for_url("**/typed")
    expect(page.locator("html")).to_have_attribute("lang", "id" if button == "Indonesia" else "en")
    expect(page.locator("[name=said]")).to_have_value(SAID)
    expect(page.locator("[name=closes]")).to_be_checked()
    page = admin.open("/console/keywords/saldo")
    page.locator("[name='w.balance.id']").fill(f"{SAID} {{total}}")
    page.get_by_role("button", name=button).click()
    page.wait_for_url("**/preview")
    expect(page.locator("[name='w.balance.id']")).to_have_value(f"{SAID} {{total}}")
    page.get_by_role("button", name="English").click()


def test_another_language_keeps_what_is_typed_elsewhere(browser: "Browser", demo: Demo) -> None:
    """A script keeps the text if the form is not sent along; nothing of it is kept afterwards."""
    with desk(browser, demo, scripts=True) as made:
        page = made.log_in(demo.once(Role.ADMIN, "en")).open("/console/operators/")
        form = page.locator("form[action='/console/operators/']")
        form.locator("[name=name]").fill("rina baru")
        form.locator("[name=role]").select_option("editor")
        page.get_by_role("button", name="Indonesia").click()
        expect(page.locator("html")).to_have_attribute("lang", "id")
        expect(form.locator("[name=name]")).to_have_value("rina baru")
        expect(form.locator("[name=role]")).to_have_value("editor")
        assert page.evaluate("sessionStorage.getItem('typed')") is None
        page.get_by_role("button", name="English").click()


def test_a_keystroke_after_the_session_ended_keeps_the_page(browser: "Browser", demo: Demo) -> None:
    """After a login in another tab, it is sent."""
    with_password(demo, "rina")
    address = complaint(demo)
    with desk(browser, demo, scripts=True) as made:
        page = made.open("/console/login")
        logged_in(page, "rina")
        page = made.open(address)
        end_sessions(demo, "rina")
        page.get_by_label("Text").press_sequentially(SAID)
        expect(page.locator("#alarms")).to_contain_text("Your session has ended")
        expect(page.get_by_label("Text")).to_have_value(SAID)
        with page.context.expect_page() as opened:
            page.locator("#alarms a").click()
        logged_in(opened.value, "rina")
        opened.value.wait_for_url("**/console/")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("main")).to_contain_text(SAID)
        page.get_by_role("button", name="Send it now").click()
        expect(page.locator(".note")).to_contain_text("queued")


def test_a_form_sent_after_the_session_ended_is_sent_after_login(
    browser: "Browser", demo: Demo, scripts: bool
) -> None:
    """The login happens in the same tab."""
    with_password(demo, "dewi")
    address = complaint(demo)
    with desk(browser, demo, scripts=scripts) as made:
        page = made.open("/console/login")
        logged_in(page, "dewi")
        page = made.open(address)
        page.get_by_label("Text").fill(f"{SAID}\nDua baris.")
        end_sessions(demo, "dewi")
        page.get_by_role("button", name="Send").click()
        logged_in(page, "dewi")
        expect(page.locator("main")).to_contain_text("Dua baris.")
        page.get_by_role("button", name="Send it now").click()
        expect(page.locator(".note")).to_be_visible()


def test_a_registration_is_compared_on_a_phone(browser: "Browser", demo: Demo) -> None:
    """What was sent and what the ledger holds stand one below the other."""
    sender = "+6289911110077"
    demo.say("DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1993#20098765432", sender)
    with desk(browser, demo, scripts=True, width=390) as made:
        page = made.log_in(demo.once(Role.AGENT, "en")).open("/console/waiting/registrations/")
        page.get_by_role("link", name=sender[-4:]).click()
        page.get_by_label("Reason").fill("it waits")
        page.get_by_role("button", name="Show").click()
        row = page.locator(".compared tr", has_text="Birth date")
        for expected in ("10-10-1993", "10-10-1992"):
            box = row.get_by_text(expected).bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390


def test_back_shows_the_test_conversation_again(admin: Desk, scripts: bool) -> None:
    """The conversation is still there."""
    page = admin.open("/console/try/")
    page.get_by_label("Message").fill("BANTUAN")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".theirs")).to_have_count(1)
    admin.open("/console/messages/")
    page.go_back()
    expect(page.get_by_label("Message")).to_be_visible()
    if not scripts:
        expect(page.locator(".theirs")).to_have_count(1)
