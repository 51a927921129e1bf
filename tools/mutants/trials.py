"""Tries one mutant. A trial yields tasks, is sent whether each was good, and returns
what came of it; so many go on side by side in one process (see run.py)."""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from tools.mutants import children, conversations, overlay, unit_tests
from tools.mutants.children import Task, Work
from tools.mutants.conversations import Conversations, options, smsgw
from tools.mutants.mutant import KEYWORDS, Mutant

SHORT, LONG = 30.0, 300.0  # seconds of a processor; what takes longer is a difference


class Verdict(StrEnum):
    REFUSED = "refused"  # by `smsgw keywords check`
    CONVERSATIONS = "conversations"
    TESTS = "tests"
    SURVIVED = "survived"


class Unfit(Exception):
    """Conversations or tests differ without any change, so they can tell nothing of one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    mutant: Mutant
    verdict: Verdict
    by: str = ""  # the file of conversations, or the test, that noticed it first


Trial = Generator[Task, bool, Outcome]


@dataclass
class Bench:
    """Tries mutants. `folder` is empty at first, and holds all that is made."""

    folder: Path
    conversations: Conversations
    most: int | None = None  # files of conversations for one mutant; all of them if None
    _made: int = 0
    _fit: set[str] = field(default_factory=set)  # files and tests that agree without a change

    def options(self, slot: int) -> Generator[Task, bool, None]:
        """Learns those of `smsgw replay`."""
        plain = self._plain(slot)
        yield Task(plain, partial(smsgw, "replay", "--help"), SHORT, slot)
        known = options(children.output(plain))
        self.conversations = replace(self.conversations, options=known)

    def trial(self, mutant: Mutant, slot: int) -> Trial:
        """Raises Unfit."""
        self._made += 1
        folder = overlay.make(self.folder / str(self._made), mutant.path, mutant.text())
        try:
            return (yield from self._tried(mutant, folder, slot))
        finally:
            children.remove(folder)

    def _tried(self, mutant: Mutant, folder: Path, slot: int) -> Trial:
        if mutant.is_configuration:
            # Where nothing is changed: with it, the shipped words would be the changed ones.
            plain = self._plain(slot)
            check = partial(smsgw, "keywords", "check", str(folder / KEYWORDS))
            if not (yield Task(plain, check, SHORT, slot)):
                return Outcome(mutant, Verdict.REFUSED)
        nearest = self.conversations.nearest(mutant)[: self.most]
        replay = partial(self.conversations.replay, nearest)
        if not (yield Task(folder, replay, LONG, slot)):
            path = conversations.last(folder)
            yield from self._agrees(path, partial(self.conversations.replay, [path]), slot)
            return Outcome(mutant, Verdict.CONVERSATIONS, path)
        if (yield Task(folder, partial(unit_tests.run, mutant.tests), LONG, slot)):
            return Outcome(mutant, Verdict.SURVIVED)
        # Where none failed, they could not be run, or it took too long; so all have to pass.
        failed = unit_tests.read_failures(folder) or mutant.tests
        yield from self._agrees(" ".join(failed), partial(unit_tests.run, failed), slot)
        return Outcome(mutant, Verdict.TESTS, failed[0])

    def _agrees(self, name: str, work: Work, slot: int) -> Generator[Task, bool, None]:
        """Checks that what noticed the change agrees without it. Raises Unfit."""
        if name in self._fit:
            return
        plain = self._plain(slot)
        if not (yield Task(plain, work, LONG, slot)):
            end = "\n".join(children.output(plain).splitlines()[-20:])
            raise Unfit(f"{name} differs without any change:\n{end}")
        self._fit.add(name)

    def _plain(self, slot: int) -> Path:
        """Returns the folder of this slot that holds no change."""
        folder = self.folder / f"plain-{slot}"
        return folder if folder.exists() else overlay.make(folder)
