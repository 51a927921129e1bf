"""`make mutants` plants one change each, and reports it correctly."""

import ast
import difflib
import itertools
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from smsgw.configuration import compiler
from smsgw.configuration.document import KeywordsError
from tools.mutants import choice, code, configuration, modules, report, source
from tools.mutants.children import Task, start
from tools.mutants.modules import MODULES, Missing, Module
from tools.mutants.mutant import GROUPS, KEYWORDS, ROOT, Mutant
from tools.mutants.trials import Outcome, Verdict

BALANCE = """
now: 2025-10-31T10:00:00+07:00
registered: {"+6281234567890": ["19012345678"]}
conversations:
- name: what was paid in is not what it earned
  steps:
  - from: "+6281234567890"
    text: SALDO
    expect: {contains: ["Setoran Rp98.765.432, hasil Rp24.691.357"]}
"""


@cache
def of_code() -> Sequence[Mutant]:
    """Returns all; not at import, as each process of a test run imports every test."""
    return tuple(code.mutants())


@cache
def of_configuration() -> Sequence[Mutant]:
    return tuple(configuration.mutants())


def kind(mutant: Mutant) -> str:
    return next(part for part in reversed(mutant.id.split(":")) if not part.isdigit())


def by_kind(mutants: Iterable[Mutant]) -> dict[str, list[Mutant]]:
    ordered = sorted(mutants, key=kind)
    return {name: list(each) for name, each in itertools.groupby(ordered, key=kind)}


def read(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)


def loads(text: str) -> bool:
    try:
        compiler.load(text)
    except KeywordsError:
        return False
    return True


def test_ids_are_unique_and_every_group_has_mutants() -> None:
    mutants = (*of_code(), *of_configuration())
    assert len({mutant.id for mutant in mutants}) == len(mutants)
    assert {mutant.group for mutant in mutants} == set(GROUPS)


def test_ids_stay_when_lines_move() -> None:
    module = MODULES[0]
    text = (ROOT / module.path).read_text("utf-8")
    before, after = list(code.of(module, text)), list(code.of(module, f"# a line\n{text}"))
    assert [each.id for each in before] == [each.id for each in after]
    assert [each.line + 1 for each in before] == [each.line for each in after]


def test_a_change_of_the_configuration_can_be_loaded() -> None:
    before = read((ROOT / KEYWORDS).read_text("utf-8"))
    for name, of_kind in by_kind(of_configuration()).items():
        some = [mutant.text() for mutant in of_kind[:: len(of_kind) // 5 + 1]]
        assert all(read(each) != before for each in some), name
        assert any(loads(each) for each in some), name


def test_only_the_place_that_is_named_is_edited() -> None:
    made = source.Source("a: [X, Y]\nb:\n  c: {d: 1}\n  e: true # why\nf:\n- g: h\n- g: i\n")
    whole = made.read()
    assert read(made.edited(("a", 1), source.DROPPED)) == {**whole, "a": ["X"]}
    assert read(made.edited(("a", 0), source.DROPPED)) == {**whole, "a": ["Y"]}
    assert read(made.edited(("b", "e"), source.DROPPED)) == {**whole, "b": {"c": {"d": 1}}}
    assert read(made.edited(("b", "c", "d"), "[Z]"))["b"]["c"] == {"d": "[Z]"}
    assert read(made.edited(("f", 0), source.DROPPED)) == {**whole, "f": [{"g": "i"}]}


def test_a_change_of_code_compiles_and_is_one() -> None:
    kinds = by_kind(of_code()).values()
    for mutant in chain.from_iterable(each[:: len(each) // 10 + 1] for each in kinds):
        before = ast.unparse(ast.parse((ROOT / mutant.path).read_text("utf-8"))).splitlines()
        after = ast.unparse(ast.parse(mutant.text())).splitlines()
        blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        assert len([each for each in blocks if each[0] != "equal"]) == 1, mutant


def test_a_row_of_a_file_that_moved_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=MODULES[0].path):
        modules.check(tmp_path)
    with pytest.raises(Missing, match="gone_away"):
        list(code.of(Module("a.py", GROUPS[0], (), only=("gone_away",)), "A = 1\n"))


def test_a_sample_is_even_and_always_the_same() -> None:
    mutants = (*of_code(), *of_configuration())
    drawn = choice.sample(mutants, 2 * len(GROUPS), seed=1)
    assert drawn == choice.sample(reversed(mutants), 2 * len(GROUPS), seed=1)
    assert drawn != choice.sample(mutants, 2 * len(GROUPS), seed=2)
    assert sorted(mutant.group for mutant in drawn) == sorted(GROUPS * 2)


def test_survivors_are_printed_and_counted() -> None:
    (noticed, survived), refused = of_code()[:2], of_configuration()[0]
    outcomes = [
        Outcome(noticed, Verdict.CONVERSATIONS),
        Outcome(survived, Verdict.SURVIVED),
        Outcome(refused, Verdict.REFUSED),
    ]
    printed = "\n".join(report.lines(outcomes))
    assert report.line(survived) in printed
    assert report.line(noticed) not in printed
    assert list(report.short(outcomes, 50, 50)) == []
    assert len(list(report.short(outcomes, 95, 50))) == 1
    assert len(list(report.short(outcomes, 95, 80))) == 2


def test_an_endless_mutant_is_stopped(tmp_path: Path) -> None:
    child = start(Task(tmp_path, lambda: next(0 for _ in itertools.count() if False), 1))
    is_good: bool | None = None
    while is_good is None:
        is_good = child.is_good()
    assert not is_good


def test_exchanged_amounts_are_noticed(tmp_path: Path) -> None:
    """Checks the whole run, once in a wording and once in code."""
    transcript = tmp_path / "balance.yaml"
    transcript.write_text(BALANCE, "utf-8")
    wanted = (
        "saldo.balance.id: {contributions} <-> {returns}",
        "balance_row.contributions <-> balance_row.returns",
    )
    ids = [mutant.id for mutant in (*of_code(), *of_configuration()) if mutant.what in wanted]
    options = ["--transcripts", str(transcript), "--at-least", "100", "100", "--jobs", "1"]
    command = [sys.executable, "-m", "tools.mutants", *ids, *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count(f": {Verdict.CONVERSATIONS} ") == len(wanted)
