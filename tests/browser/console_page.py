"""Starts the demo as a stranger does, and uses its console in a browser."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from smsgw import responder, runtime, settings
from smsgw.backoffice import accounts
from smsgw.carriers.carrier import Delivery, IncomingSms, Report
from smsgw.messaging import delivery_reports, dispatch, outbox
from smsgw.storage.tables.operators import Role
from tests.support.processes import free_port
from tests.support.servers import die_with_parent
from tests.support.waiting import LONGEST

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

CELLS = "[...document.querySelectorAll('table.stacks tbody :is(th, td):not([colspan])')]"
SENDER_ID = "2757"
BIN = Path(sys.executable).parent
# Without windows and their own pages, it takes a third less.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
ABSENT = (
    "no Chromium (on Debian: apt install chromium-headless-shell), or `make browser` was not run"
)
# Nothing but the page: no sandbox inside a container, no calls home.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
FLAGS += ["--disable-component-update", "--no-first-run", "--disable-quic"]


class Demo:
    """Runs `make run`, in a folder and on a port of its own."""

    def __init__(self, home: Path) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.environ = {
            "PATH": os.environ["PATH"],
            "SMSGW_HOME": str(home),
            "SMSGW_DEMO": "1",
            "SMSGW_STATUS_PAGE": "1",
            "SMSGW_NOTIFICATION_APPROVAL": "0",  # each run waits for a second person
            "PORT": str(port),
        }
        self.log = home / "run.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BIN / "smsgw", "run"],
                env=self.environ,
                stdout=log,
                stderr=log,
                cwd=home,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        until = time.monotonic() + LONGEST
        while "Try:" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.1)
        self.rt = runtime.build(settings.load(self.environ))

    @property
    def login_link(self) -> str:
        """Returns the login link that was printed."""
        found = re.search(r"http://\S+/console/login/once#\S+", self.log.read_text())
        assert found is not None
        return found[0]

    def say(self, text: str, sender: str) -> str:
        """Returns what the phone reads, as `smsgw say` does it, in this process."""
        sms = IncomingSms("simulator", uuid4().hex, sender, SENDER_ID, text)
        answer = responder.respond(self.rt, sms)
        dispatch.drain(self.rt, "simulator", SENDER_ID)
        assert answer is not None
        with self.rt.writing() as tx:
            for attempt_id in outbox.attempts_of(tx, answer.message_id, "simulator"):
                delivery_reports.apply_report(
                    tx, Report("simulator", attempt_id, Delivery.DELIVERED)
                )
        return answer.reply.text if answer.reply else ""

    def once(self, role: Role, language: str, name: str = "") -> str:
        """Returns a one-time login of an operator of that role."""
        name = name or f"{role} {language}"
        with self.rt.writing() as tx:
            row = accounts.find(tx, name)
            known = row.id if row else accounts.add(tx, name, role, None, "shell:test").id
            accounts.set_language(tx, known, language)
            code = accounts.invite(tx, known, "shell:tests")
            return f"{self.address}/console/login/once#{code}"

    def close(self) -> None:
        self.rt.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Desk:
    """Controls the console in a browser."""

    def __init__(self, context: "BrowserContext", demo: Demo, *, scripts: bool = True) -> None:
        context.set_default_timeout(LONGEST * 1000)
        self.page: Page = context.new_page()
        self.address = demo.address
        self.scripts = scripts
        self.complaints: list[str] = []  # of the browser: a policy that was broken, a bug
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def log_in(self, once: str) -> "Desk":
        self.page.goto(once)
        if not self.scripts:
            self.page.locator("[name=once]").fill(once.partition("#")[2])
        self.page.locator("main button").click()
        self.page.wait_for_url("**/console/**")
        return self

    def open(self, address: str) -> "Page":
        self.page.goto(self.address + address)
        return self.page

    def _heard(self, message: "ConsoleMessage") -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@contextmanager
def desk(
    browser: "Browser", demo: Demo, *, scripts: bool, width: int = 1280, proxy: str | None = None
) -> Iterator[Desk]:
    context = browser.new_context(
        java_script_enabled=scripts,
        viewport={"width": width, "height": 900},
        proxy={"server": proxy} if proxy else None,
        locale="en",
    )
    made = Desk(context, demo, scripts=scripts)
    yield made
    context.close()
    assert made.complaints == []


STRANGERS = (f"+62841{number:08}" for number in itertools.count())  # each may ask so often
PASSWORD = "a long password for tests"


def faults(page: "Page") -> Iterator[str]:
    """Returns what is wrong with a page as it stands."""
    from axe_playwright_python.sync_playwright import Axe  # `make browser` installs it

    for each in Axe().run(page).response["violations"]:
        for node in each["nodes"]:
            yield f"{page.url}: {each['id']}: {node['html'][:200]}"
    if _sideways(page) > 0:
        yield f"{page.url}: wider than its window"
    for label in page.evaluate(ILL_LABELLED):
        yield f"{page.url}: a cell of another column is called {label}"
    if page.evaluate(OUT_OF_SIGHT):
        yield f"{page.url}: a table goes off to the right"
    if _weight(page) > HEAVIEST:
        yield f"{page.url}: weighs {_weight(page)}"


HEAVIEST = 150_000  # octets of a page with all it loads, beside a text that is edited there

ILL_LABELLED = (
    f"{CELLS}.filter(cell => cell.cellIndex > 0 && cell.dataset.label"
    " !== cell.closest('table').tHead.rows[0].cells[cell.cellIndex].textContent)"
    ".map(cell => cell.dataset.label)"
)
OUT_OF_SIGHT = (  # on a phone, where each row is a stack
    "window.innerWidth < 800 && [...document.querySelectorAll('.scroll:has(> table.stacks)')]"
    ".some(around => around.scrollWidth > around.clientWidth)"
)


def _sideways(page: "Page") -> int:
    """Returns how many pixels a page is wider than its window. Tables scroll by themselves."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def _weight(page: "Page") -> int:
    """Returns the size of the page and all that it loaded without a cache, beside what is edited:
    the whole configuration is as long as it is."""
    loaded = page.evaluate(
        "performance.getEntries().filter(e => e.decodedBodySize !== undefined)"
        ".reduce((sum, e) => sum + e.decodedBodySize, 0)"
    )
    edited = page.evaluate(
        "[...document.querySelectorAll('textarea')]"
        ".reduce((sum, e) => sum + new Blob([e.value]).size, 0)"
    )
    return int(loaded - edited)
