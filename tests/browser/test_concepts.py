"""Takes messages that are not understood to a concept, in a browser, with scripts and without."""

import pytest

from tests.browser.console_page import ABSENT, STRANGERS, Demo, Desk
from tests.support.waiting import eventually

expect = pytest.importorskip("playwright.sync_api", reason=ABSENT).expect


def test_a_message_that_is_not_understood_is_answered_after_its_word_joins_a_concept(
    admin: Desk, demo: Demo, scripts: bool
) -> None:
    word = "dipundhuti" if scripts else "dipundhutke"

    def asked(text: str) -> str:
        return demo.say(text, next(STRANGERS))

    unknown = [asked(f"bpjs gw {word} piye") for _ in range(3)][-1]
    page = admin.open("/console/private-messages/")
    content = f"payung robek kumaha\n{word} bpjs iso ta\n" + "hujan terus\n" * 98
    page.get_by_label("Text file").set_input_files(
        {"name": "private.txt", "mimeType": "text/plain", "buffer": content.encode()}
    )
    page.get_by_role("button", name="Upload").click()
    expect(page.locator(".note")).to_contain_text("100 private messages are stored.")
    page = admin.open("/console/not-understood/")
    shape = page.locator(".shape", has_text=f"BPJS GW {word.upper()} PIYE")
    expect(shape).to_contain_text(f"{word.upper()} may belong to WITHDRAW")
    shape.get_by_role("button", name="See what changes").click()
    expect(shape).to_contain_text("is read as info then. The topic is how_to_withdraw.")
    expect(shape).to_contain_text("1 of 100 private messages are read differently; 1 are taken")
    shape.get_by_role("button", name="Add to the concept").click()
    expect(page.locator(".note")).to_contain_text(f"{word.upper()} is in the draft now")
    expect(shape).to_have_count(0)
    assert asked(f"bpjs gw {word} piye") == unknown  # nobody is answered by a draft
    page = admin.open("/console/draft/")
    expect(page.locator("ins", has_text=word.upper()).first).to_be_visible()
    page.get_by_label("Reason (shown").fill("people write it")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator(".note")).to_be_visible()
    answer = asked("info keluar")
    assert answer != unknown
    eventually(lambda: asked(f"bpjs ku {word} piye nggih") == answer)
    page = admin.open("/console/try/kept/")
    expect(page.locator("main")).to_contain_text(f"{word.upper()}: info")
