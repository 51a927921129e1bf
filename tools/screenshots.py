"""Makes the console's pictures of the documentation anew:
`PYTHONPATH=. .venv/bin/python tools/screenshots.py`.

Over a month of made-up messages of the demonstration; needs `make browser` and Debian's chromium.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import sync_playwright

from smsgw.storage.tables.operators import Role
from tests.browser.console_page import CHROMIUM, FLAGS, Demo, Desk
from tests.support import traffic_month

FOLDER = Path(__file__).parents[1] / "docs" / "console"
A_DAY = int(os.environ.get("A_DAY", "120"))  # messages
SIZE = {"width": 1180, "height": 900}
ABOVE, BUTTONS = 20, 78  # pixels around a wording: above it, and where the buttons stand
WAITING = (
    ("+6289911110001", "DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992#20098765432"),
    ("+6281234567890", "LAPOR iuran bulan lalu belum disetor"),
    ("+6281234567890", "SALDO"),
)


def overview(desk: Desk) -> None:
    desk.open("/console/")


def keyword(desk: Desk) -> None:
    """Shows a wording that has just become too long for one SMS."""
    page = desk.open("/console/keywords/iuran")
    wording = page.get_by_role("group", name="iuran.ended")
    text = wording.get_by_label("Indonesian")
    text.fill(text.input_value().replace("[ Bantuan", " Terima kasih “Bapak/Ibu”.[ Bantuan", 1))
    wording.locator(".state.bad").first.wait_for()
    height = int(wording.evaluate("each => each.offsetHeight"))
    page.set_viewport_size({"width": SIZE["width"], "height": height + ABOVE + BUTTONS})
    wording.evaluate(f"each => scrollBy(0, each.getBoundingClientRect().top - {ABOVE})")


def phone(desk: Desk) -> None:
    page = desk.open("/console/try/")
    page.get_by_label("Sender's number").fill("+6281234567890")
    for text in ("tolong cek saldo dong pak", "klaim sy sdh cair blm"):
        page.get_by_label("Message").fill(text)
        page.get_by_role("button", name="Send").click()
        page.locator(".mine", has_text=text).wait_for()


PICTURES: dict[str, Callable[[Desk], None]] = {
    "overview": overview,
    "keyword": keyword,
    "phone": phone,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        demo = Demo(Path(folder))
        try:
            traffic_month.play_month(demo.rt, A_DAY)
            for sender, text in WAITING:
                demo.say(text, sender)
            time.sleep(15)  # until the clock has counted them
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for name, show in PICTURES.items():
                context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
                desk = Desk(context, demo).log_in(demo.once(Role.ADMIN, "en"))
                show(desk)
                desk.page.screenshot(path=FOLDER / f"{name}.png", full_page=name != "keyword")
                context.close()
        finally:
            demo.close()


if __name__ == "__main__":
    main()
