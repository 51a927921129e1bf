"""What `tools/screenshots.py` takes pictures of is still there."""

from pathlib import Path

import pytest

from tests.browser.console_page import ABSENT, Desk

pytest.importorskip("playwright", reason=ABSENT)  # which tools.screenshots imports
from tools.screenshots import PICTURES

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("scripts", ["with scripts"], indirect=True)
@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_can_be_taken(admin: Desk, name: str, tmp_path: Path) -> None:
    PICTURES[name](admin)
    picture = tmp_path / f"{name}.png"
    admin.page.screenshot(path=picture)
    assert picture.read_bytes().startswith(PNG)
