"""Runs `smsgw replay`, file by file, the nearest first."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.mutants import children
from tools.mutants.mutant import ROOT, Mutant

AT = "at"  # a file of a mutant's folder: the file of transcripts that is run
FILE_LIMIT = 30  # seconds of a processor for each; they take one or two
A_TRANSCRIPT = re.compile(r"^conversations:", re.MULTILINE)
# What is passed where `smsgw replay` has it: one process, and the end at the first difference.
OPTIONS = {"--fail-fast": ("--fail-fast",), "--jobs": ("--jobs", "1")}


@dataclass(frozen=True, slots=True)
class Conversations:
    """Holds files of transcripts, by their paths from the root or, elsewhere, whole."""

    files: tuple[tuple[str, str], ...]  # path, text on one line
    options: tuple[str, ...] = ()

    def nearest(self, mutant: Mutant) -> list[str]:
        """Returns those that hold most of what the mutant hints at; then the short ones."""
        whole = (rf"(?<!\w){re.escape(each)}(?!\w)" for each in mutant.hints)
        hints = [re.compile(each, re.IGNORECASE) for each in whole]

        def distance(file: tuple[str, str]) -> tuple[int, ...]:
            _, text = file
            return (*(-len(each.findall(text)) for each in hints), len(text))

        return [path for path, _ in sorted(self.files, key=distance)]

    def replay(self, paths: Iterable[str]) -> int:
        """Returns 0 if all agree. Call it in a child."""
        for path in paths:
            Path(AT).write_text(path, "utf-8")
            children.allow(FILE_LIMIT)
            code = smsgw("replay", path, *self.options)
            if code:
                return code
        return 0


def last(folder: Path) -> str:
    """Returns the file that a child in this folder ran last: the one that differed, if one did."""
    return (folder / AT).read_text("utf-8")


def find(paths: Sequence[Path]) -> Conversations:
    """Finds transcripts: files, and what is in folders."""
    names = [each for path in paths for each in (_within(path) if path.is_dir() else [path])]
    read = {_name(path): " ".join(path.read_text("utf-8").split()) for path in names}
    return Conversations(tuple((name, text) for name, text in read.items()))


def options(help_text: str) -> tuple[str, ...]:
    """Returns those of OPTIONS that `smsgw replay --help` speaks of."""
    found = (given for name, given in OPTIONS.items() if re.search(rf"{name}\b", help_text))
    return tuple(part for given in found for part in given)


def smsgw(*arguments: str) -> int:
    """Runs the command in this process, and returns its exit code."""
    from smsgw.cli import main  # of the folder that this child works in

    try:
        main(list(arguments), prog_name="smsgw")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _within(folder: Path) -> list[Path]:
    found = [*folder.rglob("*.yaml"), *folder.rglob("*.yml")]
    return sorted(path for path in found if A_TRANSCRIPT.search(path.read_text("utf-8")))


def _name(path: Path) -> str:
    whole = path.resolve()
    return str(whole.relative_to(ROOT)) if whole.is_relative_to(ROOT) else str(whole)
