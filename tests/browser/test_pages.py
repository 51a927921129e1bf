"""Checks every page in a real browser: axe finds nothing, nothing is heavy, no policy is broken."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from smsgw.app import create_app
from smsgw.backoffice import ledger_changes
from smsgw.backoffice.ledger_changes import LedgerChange
from smsgw.ledger import reference_tables
from smsgw.messaging.hourly_counts import Tallies
from smsgw.messaging.service_level import COUNTS_AFTER
from smsgw.registry import holidays
from smsgw.storage.tables.operators import Role
from tests.browser.console_page import Demo, Desk, desk, faults
from tests.support.console_client import Walk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


TRAFFIC = (
    ("+6281234567890", "SALDO 19012345678"),
    ("+6281234567890", "berapa duit gue"),
    ("+6281234567890", "LAPOR gaji saya belum dibayar"),
    ("+6289900000000", "DAFTAR SALDO#3171011708900000#BUDI SANTOSO#17-08-1990#19012345678"),
    ("+6285612345678", "SALDO 20098765432"),
    ("+6285612345678", "HAPUS DATA"),
    ("+6285612345678", "DATA SAYA"),
)


@pytest.fixture(scope="module")
def busy(demo: Demo) -> Demo:
    for sender, text in TRAFFIC:
        demo.say(text, sender)
    Tallies(replace(demo.rt, now=lambda: demo.rt.now() + COUNTS_AFTER)).step()
    tomorrow = demo.rt.today + timedelta(days=1)
    with demo.rt.writing() as tx:
        holidays.add(tx, {tomorrow: "Hari Libur"}, "shell:tests")
    office = reference_tables.rows(demo.rt.ledger.engine, "offices")[0]
    ledger_changes.plan(demo.rt, LedgerChange(office, None), tomorrow, "shell:tests", tomorrow)
    return demo


def walked(made: Desk, app: Flask) -> Iterator["Page"]:
    """Visits every page that links lead to."""
    walk = Walk(app)
    for address in walk:
        head = made.page.request.head(made.address + address)
        if head.headers["content-type"].startswith("text/html"):  # else a file, to be saved
            page = made.open(address)
            yield page
            walk.look(page.content())


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_no_fault_and_pages_stay_small(
    browser: "Browser", busy: Demo, width: int, scheme: str
) -> None:
    findings, pages = [], 0
    with desk(browser, busy, scripts=True, width=width) as made:
        made.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        made.log_in(busy.once(Role.ADMIN, "id" if width == 390 else "en"))
        for page in walked(made, create_app(busy.rt)):
            findings += faults(page)
            pages += 1
        findings += faults(made.open("/status"))
    assert findings == []
    assert pages > 7
