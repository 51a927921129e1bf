"""Shows that the tests of past fixes fail without them.

A fix is a commit that changes what the product does and adds lines to its tests. What does not
count is told as skipped:

- templates, styles and words alone: they change how something looks
- a feature, which is new modules for the most part: without them its tests cannot even be read
- tests that gain no line: the code was put in order
- tests in a browser alone: not every machine has one
- what AS_BEFORE names: no test could ask for it

In a worktree of HEAD what the commit changed of the product is taken back, by a three-way merge,
and the test files that it changed are run, as they are in HEAD, until one fails. Where the code has
moved on since, the worktree is at the commit itself instead, with the product as it was before.
What fails is run once more with the fix in place, and has to pass.

    .venv/bin/python tools/undo_fixes.py --count 15 --jobs 1
"""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import click

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
GIT = shutil.which("git") or "git"
PRODUCT = ("smsgw", "handlers", "grammar", "migrations")
SEEDS = "smsgw/configuration/seeds/keywords.yaml"
TRANSCRIPTS, THEIR_TEST = "tests/transcripts/", "tests/test_transcripts.py"
BROWSER = "tests/browser/"
# By commit: what it makes of the product.
AS_BEFORE = {"611a04f": "the same, only sooner"}
# What is taken back may not fit what has come since; a failure that says so shows nothing.
MISFITS = ("AttributeError", "ImportError", "ModuleNotFoundError", "NameError")
WHERE = "import grammar as g, handlers as h, smsgw as s; print(g.__file__, h.__file__, s.__file__)"
PYTEST = ("-n", "0", "-x", "-q", "--no-header", "--tb=no")

_one_at_a_time = Lock()


class GitError(Exception):
    """Git could not do it."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Describes a file that a commit changed; it `gained` that many lines."""

    name: str
    is_new: bool
    gained: int


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    subject: str
    tests: tuple[str, ...]
    why_skipped: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """Holds the result of a run. `failed` is the first test that did, or the file that could not be
    read."""

    failed: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    commit: Commit
    is_noticed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Tree:
    """Holds a worktree, and the programs that import from it."""

    path: Path
    bin: Path

    def git(self, *arguments: str, given: str | None = None) -> str:
        return git(*arguments, folder=self.path, given=given)

    def run(self, tests: Sequence[str]) -> Run:
        """Runs tests until one fails. What cannot be read is passed over if others fail as well."""
        run = self._run(tests)
        if run.failed is None or "::" in run.failed:
            return run
        readable = [name for name in tests if name != run.failed]
        others = self.run(readable) if readable else run
        return run if others.failed is None else others

    def passes(self, failed: str) -> bool:
        """Tells whether the file can be read and passes."""
        only = () if "::" in failed else ("--collect-only",)
        return self._run([*only, failed]).failed is None

    def _run(self, arguments: Sequence[str]) -> Run:
        cache = self.bin.parent / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        command = [self.bin / "pytest", *PYTEST, "-o", f"cache_dir={cache}", *arguments]
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return Run(None)
        failures = cache / "v" / "cache" / "lastfailed"
        if not failures.exists():
            raise RuntimeError(f"pytest {arguments}:\n{done.stdout}{done.stderr}")
        failed = next(iter(json.loads(failures.read_text("utf-8"))))
        why = re.search(rf"^(?:FAILED|ERROR) {re.escape(failed)} - (.*)$", done.stdout, re.M)
        return Run(failed, why[1] if why else "")


def git(*arguments: str, folder: Path = ROOT, given: str | None = None) -> str:
    """Raises GitError."""
    done = subprocess.run(
        [GIT, *arguments], cwd=folder, input=given, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise GitError(done.stderr)
    return done.stdout


def commits() -> Iterator[Commit]:
    """Returns those that change product and tests, the newest first."""
    for line in git("log", "--no-merges", "--format=%h %s").splitlines():
        commit_id, _, subject = line.partition(" ")
        changed = _changed(commit_id)
        product = [each for each in changed if each.name.startswith(PRODUCT)]
        tests = [each for each in changed if each.name.startswith("tests/")]
        if product and tests:
            runnable = runnable_tests(tests)
            known = [why for named, why in AS_BEFORE.items() if commit_id.startswith(named)]
            why = known[0] if known else why_skipped(product, tests, runnable)
            yield Commit(commit_id, subject, runnable, why)


def _changed(commit: str) -> list[Changed]:
    """Returns the files that a commit changed. The two names of a renamed file each count for
    themselves."""
    which = ("--no-renames", "--format=", commit)
    kinds = [line.split("\t") for line in git("show", "--name-status", *which).splitlines()]
    lines = [line.split("\t") for line in git("show", "--numstat", *which).splitlines()]
    gained = {name: int(added) if added.isdecimal() else 0 for added, _, name in lines}
    return [Changed(name, kind == "A", gained[name]) for kind, name in kinds]


def runnable_tests(tests: Sequence[Changed]) -> tuple[str, ...]:
    """Returns what pytest can be given of the tests that gained lines."""
    names = {each.name for each in tests if each.gained and not each.name.startswith(BROWSER)}
    files = {name for name in names if Path(name).match("test_*.py")}
    if any(name.startswith(TRANSCRIPTS) for name in names):
        files.add(THEIR_TEST)
    return tuple(sorted(files))


def why_skipped(
    product: Sequence[Changed], tests: Sequence[Changed], runnable: Sequence[str]
) -> str | None:
    modules = [each for each in product if each.name.endswith(".py")]
    new = sum(each.gained for each in modules if each.is_new)
    if not modules and SEEDS not in {each.name for each in product}:
        return "templates, styles and words alone"
    if new > sum(each.gained for each in modules) / 2:
        return "a feature"
    if not any(each.gained for each in tests):
        return "its tests gain no line"
    return None if runnable else "its tests want a browser"


@contextmanager
def worktree(commit: str) -> Iterator[Tree]:
    with tempfile.TemporaryDirectory(prefix="undo-fixes-") as folder:
        path = Path(folder) / "tree"
        with _one_at_a_time:
            git("worktree", "add", "--detach", str(path), commit)
        try:
            yield Tree(path, _programs(path, Path(folder) / "venv"))
        finally:
            with _one_at_a_time:
                git("worktree", "remove", "--force", str(path))


def _programs(tree: Path, folder: Path) -> Path:
    """Returns those of this environment, importing from `tree`: a PYTHONPATH would not do, since
    tests start programs with an environment of their own."""
    venv.EnvBuilder(symlinks=True).create(folder)
    ours = sysconfig.get_path("purelib")
    site = sysconfig.get_path("purelib", vars={"base": str(folder)})
    (Path(site) / "tree.pth").write_text(f"{tree}\nimport site; site.addsitedir({ours!r})\n")
    for program in BIN.iterdir():
        first, _, rest = program.read_bytes().partition(b"\n") if program.is_file() else (b"",) * 3
        if first.startswith(f"#!{BIN}/python".encode()):
            script = folder / "bin" / program.name
            script.write_bytes(f"#!{folder}/bin/python\n".encode() + rest)
            script.chmod(0o755)
    _check(tree, folder / "bin")
    return folder / "bin"


def _check(tree: Path, programs: Path) -> None:
    listed = subprocess.run(
        [programs / "python", "-c", WHERE], cwd="/", capture_output=True, text=True, check=True
    )
    for place in listed.stdout.split():
        if not Path(place).is_relative_to(tree):
            raise RuntimeError(f"{place} would be tested instead of {tree}")


def undone(commit: Commit) -> Result:
    with worktree("HEAD") as tree:
        if _is_taken_back(tree, commit):
            result = _result(tree, commit, is_head=True)
            if result is not None:
                return result
    with worktree(commit.id) as tree:
        tree.git("restore", f"--source={commit.id}^", "--", *_there(commit))
        result = _result(tree, commit, is_head=False)
        return result or Result(commit, False, "does not apply any more")


def _is_taken_back(tree: Tree, commit: Commit) -> bool:
    """Takes a change back. Returns False if the code has moved on."""
    patch = git("diff", "--binary", commit.id, f"{commit.id}^", "--", *PRODUCT)
    try:
        tree.git("apply", "--3way", given=patch)
    except GitError:
        return False
    return True


def _there(commit: Commit) -> list[str]:
    """Returns the folders of the product that existed before."""
    return git("ls-tree", "--name-only", "-d", f"{commit.id}^", *PRODUCT).split()


def _result(tree: Tree, commit: Commit, *, is_head: bool) -> Result | None:
    """Returns None if the code without the fix does not fit the rest."""
    where = "" if is_head else " (at the commit itself)"
    tests = [name for name in commit.tests if (tree.path / name).exists()]
    if not tests:
        return None
    run = tree.run(tests)
    if run.failed is None:
        return Result(commit, False, f"NOT noticed by {' '.join(tests)}{where}")
    if is_head and run.reason.startswith(MISFITS):
        return None
    tree.git("reset", "--hard")
    if not tree.passes(run.failed):
        return Result(commit, False, f"NOT shown: {run.failed} fails with the fix too{where}")
    how = "noticed by" if "::" in run.failed else "noticed, it cannot be read without it:"
    return Result(commit, True, f"{how} {run.failed}{where}")


@click.command()
@click.option("--count", default=15, show_default=True, help="How many fixes, the last ones.")
@click.option("--jobs", default=1, show_default=True, help="How many at once.")
def main(count: int, jobs: int) -> None:
    fixes: list[Commit] = []
    for commit in commits():
        if commit.why_skipped is None:
            fixes.append(commit)
        else:
            click.echo(f"{commit.id} skipped, {commit.why_skipped}: {commit.subject}")
        if len(fixes) == count:
            break
    are_noticed = []
    with ThreadPoolExecutor(jobs) as pool:
        for result in pool.map(undone, fixes):
            click.echo(f"{result.commit.id} {result.why}: {result.commit.subject}")
            are_noticed.append(result.is_noticed)
    sys.exit(0 if all(are_noticed) and are_noticed else 1)


if __name__ == "__main__":
    main()
