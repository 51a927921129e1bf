"""Follows what operators do all day, in a browser, with scripts and without."""

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.operators import Role
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from tests.browser.console_page import ABSENT, PASSWORD, STRANGERS, Demo, Desk, desk
from tests.support import ciphertext
from tests.support.waiting import LONGEST

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect = pytest.importorskip("playwright.sync_api", reason=ABSENT).expect


def test_the_first_login(browser: "Browser", demo: Demo, scripts: bool) -> None:
    """Uses the address that `make run` prints; a password set then logs in afterwards."""
    once = demo.login_link if scripts else demo.once(Role.ADMIN, "en")
    with desk(browser, demo, scripts=scripts) as made:
        page = made.log_in(once).page
        assert "#" not in page.url
        name = page.locator(".who a").inner_text()
        made.open("/console/account")
        page.locator("[name=new]").fill(PASSWORD)
        page.locator("form[action$=password] button").click()
        expect(page.locator(".note")).to_have_count(1)
        page.locator("form[action$=logout] button").click()
        page.locator("[name=name]").fill(name)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("main button").click()
        page.wait_for_url("**/console/")


def test_the_overview_updates_automatically(browser: "Browser", demo: Demo) -> None:
    with desk(browser, demo, scripts=True) as made:
        page = made.log_in(demo.once(Role.VIEWER, "en")).open("/console/")
        today = page.locator(".figures div", has_text="Messages today").locator("dd")
        before = today.inner_text()
        demo.say("SALDO", "+6281234567890")
        expect(today).not_to_have_text(before, timeout=LONGEST * 1000)


NOT_ON_FILE = {
    True: ("+6289911110001", "DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992#20098765432"),
    False: ("+6289911110002", "DAFTAR SALDO#3578012505880000#AGUS WIJAYA#25-05-1988#21000000017"),
}


def test_accept_a_registration(admin: Desk, demo: Demo, scripts: bool) -> None:
    sender, text = NOT_ON_FILE[scripts]
    demo.say(text, sender)
    page = admin.open("/console/")
    page.get_by_role("link", name="Registrations").first.click()
    page.get_by_role("link", name=f"{sender[-4:]}").click()
    assert text.split("#")[1] not in page.content()
    page.get_by_label("Reason").fill("it waits")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".compared")).to_contain_text(text.split("#")[1])
    page.get_by_label("Reason").first.fill("seen the identity card")
    page.get_by_role("button", name="Accept").click()
    expect(page.locator(".note")).to_be_visible()
    assert "Demi keamanan" in demo.say("SALDO", sender)  # told nothing for some hours


def test_the_test_phone(admin: Desk, demo: Demo, scripts: bool) -> None:
    page = admin.open("/console/try/")
    page.get_by_label("Sender's number").fill("+6285612345678")
    for text, reply in (("saldo 20098765432", "Balas YA"), ("YA", "Rp36.125.500")):
        page.get_by_label("Message").fill(text)
        page.get_by_role("button", name="Send").click()
        expect(page.locator(".theirs").last).to_contain_text(reply)
    page.get_by_role("link", name="Start over").click()
    expect(page.locator(".theirs")).to_have_count(0)
    assert "Balas YA" in demo.say("SALDO 20098765432", "+6285612345678")  # nothing was kept


def test_a_wording_is_changed_published_and_restored(
    admin: Desk, demo: Demo, scripts: bool
) -> None:
    def asked() -> str:
        return demo.say("KONTAK", next(STRANGERS))

    before = asked()
    page = admin.open("/console/keywords/kontak")
    wording = page.get_by_role("group", name="kontak.ways").get_by_label("Indonesian")
    wording.fill("Hubungi kami. " * 12)
    if not scripts:
        page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("2 segments instead of 1").first).to_be_visible()
    wording.fill("Telp {call_centre}, kami siap membantu.")
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.locator(".note")).to_be_visible()
    assert asked() == before  # nobody is answered by a draft
    page = admin.open("/console/draft/")
    expect(page.locator("ins").first).to_contain_text("kami siap membantu")
    page.get_by_label("Reason (shown").fill("shorter")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator(".note")).to_be_visible()
    assert until(lambda: "siap membantu" in asked())
    page = admin.open("/console/versions/")
    page.locator("tbody tr").nth(1).get_by_role("link").click()
    page.get_by_label("Reason (shown").fill("the old one was better")
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".note")).to_be_visible()
    assert until(lambda: asked() == before)


def until(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + LONGEST
    while not is_so():
        if time.monotonic() > end:
            return False
    return True


def test_answer_a_complaint(admin: Desk, demo: Demo, scripts: bool) -> None:
    sender, text = next(STRANGERS), "gaji kami belum dibayar sejak Maret"
    number = re.search(r"ADU-\d+-\d+", demo.say(f"LAPOR {text}", sender))
    assert number is not None
    page = admin.open("/console/")
    page.get_by_role("link", name="Complaints").first.click()
    page.get_by_role("link", name=number[0]).click()
    assert text not in page.content()
    page.get_by_label("Reason").first.fill("to answer it")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("main")).to_contain_text(text)
    page.get_by_role("button", name="Assign").click()
    expect(page.locator(".note")).to_be_visible()
    page.get_by_label("Text").fill(
        "Kami sudah menegur perusahaan. Bila belum dibayar, balas SMS ini."
    )
    if not scripts:
        page.get_by_role("button", name="View only").click()
    expect(page.locator("#typed")).to_contain_text("segment")
    page.get_by_label("and close the complaint").check()
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".note")).to_be_visible()
    assert until(lambda: "menegur perusahaan" in last_sent(demo, sender))


def last_sent(demo: Demo, sender: str) -> str:
    """Returns what a carrier took last for that phone."""
    with demo.rt.reading() as tx:
        theirs = phones.c.hash == tx.vault.hash(sender, "phone")
        texts = ciphertext.texts(tx, Ciphertext.REPLY, theirs, replies.c.state == "sent")
        return texts[-1] if texts else ""


def test_add_a_holiday_and_change_an_office(admin: Desk, demo: Demo, scripts: bool) -> None:
    year, code = demo.rt.today.year + 1, "SBY01" if scripts else "JKT01"
    day = f"{year}-01-01" if scripts else f"{year}-05-01"
    page = admin.open("/console/")
    page.get_by_role("link", name="Reference data").click()
    page.get_by_role("link", name="Holidays").click()
    page.get_by_label("One a line").fill(f"{day} Hari Libur")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("row", name="Hari Libur").first).to_be_visible()
    page.get_by_role("link", name="Offices").click()
    page.get_by_label("Search").fill(code)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name=code).click()
    page.get_by_label("Telephone").fill("021-5559999")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".note")).to_contain_text("within a minute")
    expect(page.get_by_role("row", name=code)).to_contain_text("021-5559999")
    page.get_by_role("link", name=code).click()
    page.get_by_label("Opening hours").fill("Sen-Kam 08.00-15.30")
    page.get_by_label("Holds from").first.fill(day)
    page.get_by_role("button", name="Save").click()
    planned = page.get_by_role("region", name="Planned changes")
    expect(planned).to_contain_text("Sen-Kam 08.00-15.30")
    planned.get_by_role("row", name=code).get_by_role("button", name="Take back").click()
    expect(page.locator(".note")).to_contain_text("taken back")


def test_a_backtest_of_the_draft(admin: Desk, demo: Demo, scripts: bool) -> None:
    word = "DOMPETKU" if scripts else "CELENGANKU"
    for _ in range(3):
        demo.say(f"{word} dong", next(STRANGERS))
    page = admin.open("/console/keywords/saldo")
    aliases = page.get_by_label("Other words for it")
    aliases.fill(f"{aliases.input_value()}, {word}")
    page.get_by_role("button", name="Save in the draft").click()
    page = admin.open("/console/rehearsal/")
    page.get_by_role("button", name="Start a backtest").click()
    expect(page.locator("#run")).to_be_visible()
    if scripts:
        expect(page.locator("main")).to_contain_text("done", timeout=LONGEST * 1000)
    else:
        assert until(lambda: "done" in reloaded(page))
    understood = page.locator(".figures div", has_text="Newly understood").locator("dd")
    expect(understood).to_have_text(re.compile("[3-9]"))
    expect(page.locator("table").first).to_contain_text(f"{word} DONG")


def reloaded(page: "Page") -> str:
    page.reload()
    return page.locator("main").inner_text()
