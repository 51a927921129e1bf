"""Checks where the code of a one-time login link goes, and who sees it."""

from typing import TYPE_CHECKING

import pytest

from smsgw.storage.tables.operators import Role
from tests.browser.console_page import ABSENT, Demo, desk, faults
from tests.browser.proxy import proxy

if TYPE_CHECKING:
    from playwright.sync_api import Browser

expect = pytest.importorskip("playwright.sync_api", reason=ABSENT).expect
ENTRY = "/console/login/once"


def test_the_code_is_not_sent_in_the_request_line(
    browser: "Browser", demo: Demo, scripts: bool
) -> None:
    """Checks every request from the address to the page behind it, with every file that the pages
    load."""
    address = demo.once(Role.VIEWER, "en")
    with proxy() as seen, desk(browser, demo, scripts=scripts, proxy=seen.address) as made:
        made.log_in(address).open("/console/account")
        expect(made.page.locator(".who a")).to_have_text("viewer en")
        logged = "\n".join(seen.lines)
    assert f"GET {demo.address}{ENTRY} HTTP" in logged
    assert f"POST {demo.address}{ENTRY} HTTP" in logged
    assert "static/once.js" in logged or not scripts
    assert address.partition("#")[2] not in logged


def test_the_code_goes_into_the_form_and_out_of_the_address_bar(
    browser: "Browser", demo: Demo
) -> None:
    """Works also if the address is opened over a page that waits for a code."""
    address = demo.once(Role.VIEWER, "en")
    with desk(browser, demo, scripts=True) as made:
        page = made.open(ENTRY)
        field, button = page.locator("[name=once]"), page.locator("main button")
        expect(field).to_be_visible()
        expect(field).to_be_focused()
        page.goto(f"{made.address}{ENTRY}#main")  # as the link to the content does
        expect(field).to_have_value("")
        page.goto(address)
        expect(field).to_be_hidden()
        expect(button).to_be_focused()
        assert page.url == made.address + ENTRY
        assert page.evaluate("history.length") <= 4
        button.click()
        expect(page.locator(".who a")).to_have_text("viewer en")


def test_without_scripts_the_page_says_where_the_code_is(browser: "Browser", demo: Demo) -> None:
    address = demo.once(Role.VIEWER, "en")
    with desk(browser, demo, scripts=False) as made:
        page = made.page
        page.goto(address)
        expect(page.locator("#code")).to_contain_text("the part after #")
        page.locator("[name=once]").fill("wrong")
        page.locator("main button").click()
        expect(page.get_by_role("alert")).to_contain_text("code is wrong")
        assert "403" in made.complaints.pop()
        page.locator("[name=once]").fill(address)
        page.locator("main button").click()
        expect(page.locator(".who a")).to_have_text("viewer en")


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_fault_with_or_without_a_code(
    browser: "Browser", demo: Demo, width: int
) -> None:
    with desk(browser, demo, scripts=True, width=width) as made:
        page = made.open(ENTRY)
        assert list(faults(page)) == []
        page.goto(demo.once(Role.VIEWER, "en"))
        expect(page.locator("#code")).to_be_hidden()
        assert list(faults(page)) == []
