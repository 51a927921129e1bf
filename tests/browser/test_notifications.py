"""Two operators count, switch on, approve, pause and stop notifications."""

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from smsgw import phone
from smsgw.backoffice import notifications
from smsgw.storage.tables.ledger import participants
from smsgw.storage.tables.operators import Role
from tests.browser.console_page import ABSENT, Demo, Desk, desk, faults
from tests.support.waiting import LONGEST, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect = pytest.importorskip("playwright.sync_api", reason=ABSENT).expect

# Who lacks an emergency contact, by whether there are scripts: each is told of it once a year.
INCOMPLETE = {True: ("25000000012", "+6287811110009"), False: ("28000000013", "+6281511110013")}
WIDTHS = {True: 390, False: 1280}
DATA = "/console/notifications/data"
WHY = "the pilot starts"


def subscribe(demo: Demo, nkp: str, number: str) -> None:
    with demo.rt.ledger.engine.begin() as ledger:
        of_one = update(participants).where(participants.c.nkp == nkp)
        ledger.execute(of_one.values(emergency_name=None, emergency_phone=None))
    for text in (f"SALDO {nkp}", "YA", "NOTIF DATA ON"):
        demo.say(text, number)


def shown(page: "Page", scripts: bool, text: str) -> None:
    """Waits for what the clock does; without scripts a person reloads."""
    for _ in range(int(LONGEST)):
        if scripts or page.get_by_text(text).count():
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(page.get_by_text(text).first).to_be_visible()


def give_reason(page: "Page", button: str) -> None:
    form = page.locator("form", has=page.get_by_role("button", name=button, exact=True))
    form.get_by_label("Reason").fill(WHY)
    form.get_by_role("button", name=button, exact=True).click()
    expect(page.locator(".note")).to_be_visible()


def check(made: Desk) -> None:
    if made.scripts:
        assert list(faults(made.page)) == []


def test_count_switch_on_approve_pause_and_stop(
    browser: "Browser", demo: Demo, scripts: bool
) -> None:
    nkp, number = INCOMPLETE[scripts]
    subscribe(demo, nkp, number)
    width = WIDTHS[scripts]
    with (
        desk(browser, demo, scripts=scripts, width=width) as ani,
        desk(browser, demo, scripts=scripts, width=width) as budi,
    ):
        page = ani.log_in(demo.once(Role.PUBLISHER, "en", "ani")).open(DATA)
        page.get_by_role("button", name="Count who would get one").click()
        shown(page, scripts, phone.mask(number))
        assert number not in page.content()
        check(ani)
        give_reason(page, "Switch on")
        run = _run_that_waits(demo)
        page = ani.open(f"/console/notifications/runs/{run}")
        expect(page.locator("main")).to_contain_text("You started this run")
        check(ani)
        _approve(budi, demo, run)
        page = ani.open(DATA)
        page.locator("summary", has_text="Pause").click()
        give_reason(page, "Pause")
        expect(page.locator("h1")).to_contain_text("paused")
        page = ani.open("/console/notifications/")
        page.locator("summary", has_text="Stop all kinds").click()
        check(ani)
        give_reason(page, "Stop all kinds and drop what is planned")
        expect(page.locator("tbody tr", has_text="Data")).to_contain_text("off")
    assert not any(each.is_on for each in notifications.states(demo.rt))


def _run_that_waits(demo: Demo) -> int:
    """Waits until the clock has looked at all who asked."""
    eventually(lambda: len(notifications.waiting(demo.rt)) == 1)
    (run,) = notifications.waiting(demo.rt)
    return run.id


def _approve(budi: Desk, demo: Demo, run: int) -> None:
    page = budi.log_in(demo.once(Role.PUBLISHER, "en", "budi")).open("/console/")
    page.get_by_role("link", name="Notification runs to approve").click()
    page.get_by_role("link", name=f"Run {run}:").click()
    expect(page.locator("main")).to_contain_text("Segments")
    give_reason(page, "Approve the run")
    expect(page.locator("main")).to_contain_text("operator:budi")
    check(budi)
