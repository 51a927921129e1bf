"""Uses the test phone by hand."""

import pytest

from smsgw.storage.tables.operators import Role
from tests.browser.console_page import ABSENT, Demo, Desk, desk

expect = pytest.importorskip("playwright.sync_api", reason=ABSENT).expect
checker = pytest.importorskip("axe_playwright_python.sync_playwright", reason=ABSENT)

P1, P2, P2_NKP = "+6281234567890", "+6285612345678", "20098765432"
PHONE = "/console/try/"


def test_a_conversation_by_keyboard(admin: Desk, scripts: bool) -> None:
    """The conversation is saved, and run again."""
    page = admin.open(PHONE)
    screen = page.locator(".screen")
    page.locator("[name=sender]").fill(P2)
    for text, reply in ((f"SALDO {P2_NKP}", "Balas YA"), ("YA", "Rp"), ("makasih", "(no reply)")):
        page.locator("#text").fill(text)
        page.locator("#send").click()
        expect(screen).to_contain_text(reply)
    expect(page.locator("#text")).to_have_value("")
    page.locator("[name=name]").fill("links a card")
    page.get_by_text("Save", exact=True).click()
    expect(page.locator("h1")).to_have_text("links a card")
    page.get_by_text("with the published version").click()
    expect(page.locator("main")).to_contain_text("Every step matches")
    assert not scripts or checker.Axe().run(page).violations_count == 0


def test_a_message_by_keypad(browser, demo: Demo) -> None:
    """Letters come by tapping, words by their keys and by a guess; Enter sends."""
    with desk(browser, demo, scripts=True, width=390) as made:
        page = made.log_in(demo.once(Role.VIEWER, "en")).page
        made.open(PHONE)

        def press(keys: str) -> None:
            for key in keys:
                page.locator(f"[data-key='{key}']").click()

        text = page.locator("#text")
        press("992")
        expect(text).to_have_value("XA")
        press("CC#95")
        expect(text).to_have_value("95")
        press("CC#72*")
        expect(text).to_have_value("SALDO")
        press("CCCCC72536")
        expect(text).to_have_value("SALDO")
        press("0")
        expect(text).to_have_value("SALDO ")
        text.press("Enter")
        expect(page.locator(".screen")).to_contain_text("Rp123.456.789")
        expect(page.locator("#told")).to_contain_text("Rp123.456.789")
        expect(text).to_be_focused()
        expect(page.locator(".keypad")).to_be_visible()
        violations = checker.Axe().run(page)
        assert violations.violations_count == 0, violations.generate_report()
