"""What operators do all day, in a browser, with scripts and without."""

import pytest

from smsgw.models.console import Role
from tests.browser.desk import ABSENT, Demo, desk

expect = pytest.importorskip("playwright.sync_api", reason=ABSENT).expect

PASSWORD = "a long password for tests"


def test_the_first_login(browser, demo: Demo, scripts: bool) -> None:
    """By the address that `make run` prints; a password set then lets in afterwards."""
    once = demo.told if scripts else demo.once(Role.ADMIN, "en")
    with desk(browser, demo, scripts=scripts) as made:
        page = made.log_in(once).page
        name = page.locator(".who a").inner_text()
        made.open("/console/account")
        page.locator("[name=new]").fill(PASSWORD)
        page.locator("form[action$=password] button").click()
        assert page.locator(".note").count() == 1
        page.locator("form[action$=logout] button").click()
        page.locator("[name=name]").fill(name)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("main button").click()
        page.wait_for_url("**/console/")


def test_the_overview_goes_on_by_itself(browser, demo: Demo) -> None:
    with desk(browser, demo, scripts=True) as made:
        page = made.log_in(demo.once(Role.VIEWER, "en")).page
        today = page.locator(".figures div", has_text="Messages today").locator("dd")
        before = today.inner_text()
        demo.say("SALDO", "+6281234567890")
        expect(today).not_to_have_text(before, timeout=30_000)
