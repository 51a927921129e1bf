"""Makes the folder of one mutant: links to all of the checkout, but for the file that is
changed."""

import os
from pathlib import Path

from tools.mutants.mutant import ROOT

LEFT_OUT = {"instance", "build", "dist"}  # and what begins with a full stop
LONG_AGO = (1, 1)  # so that no compiled file of the checkout is taken for that of the changed one


def make(folder: Path, path: str | None = None, text: str = "") -> Path:
    """Makes `folder`; `text` stands in it at `path`, or nothing is changed."""
    folder.mkdir()
    for each in ROOT.iterdir():
        if not each.name.startswith(".") and each.name not in LEFT_OUT:
            (folder / each.name).symlink_to(each)
    (folder / "tmp").mkdir()
    if path is not None:
        _change(folder, path, text)
    return folder


def _change(folder: Path, path: str, text: str) -> None:
    here, there = folder, ROOT
    for part in Path(path).parts[:-1]:
        here, there = here / part, there / part
        here.unlink()
        here.mkdir()
        for each in there.iterdir():
            (here / each.name).symlink_to(each)
    changed = folder / path
    changed.unlink()
    changed.write_text(text, "utf-8")
    os.utime(changed, LONG_AGO)
