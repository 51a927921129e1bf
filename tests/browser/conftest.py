"""Starts one demonstration and one browser for all tests of a process."""

import os
from collections.abc import Iterator

import pytest

from smsgw.storage.tables.operators import Role
from tests.browser.console_page import ABSENT, CHROMIUM, FLAGS, Demo, Desk, desk
from tests.support.waiting import LONGEST

try:
    from playwright.sync_api import Browser, expect, sync_playwright
except ImportError:
    CHROMIUM = None
if CHROMIUM is None and os.environ.get("SMSGW_REQUIRE_BROWSER"):
    raise pytest.UsageError(ABSENT)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    if CHROMIUM is None:
        pytest.skip(ABSENT)
    made = Demo(tmp_path_factory.mktemp("demo"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Closes the browser with the session: its loop runs as long, and other tests have loops of
    their own."""
    if CHROMIUM is None:
        pytest.skip(ABSENT)
    expect.set_options(timeout=LONGEST * 1000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=["with scripts", "without"])
def scripts(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "with scripts")


@pytest.fixture
def admin(browser: "Browser", demo: Demo, scripts: bool) -> Iterator[Desk]:
    """Opens the console as an admin, in English."""
    with desk(browser, demo, scripts=scripts) as made:
        yield made.log_in(demo.once(Role.ADMIN, "en"))
