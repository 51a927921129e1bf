"""Chooses which mutants are tried."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path

import yaml

from tools.mutants import code, configuration
from tools.mutants.mutant import GROUPS, ROOT, Mutant

HARMLESS = Path(__file__).with_name("harmless.yaml")


class NoSuchMutant(Exception):
    """Says that a named mutant does not exist."""


def all_mutants() -> list[Mutant]:
    """Returns all mutants except the harmless ones. Raises NoSuchMutant, and modules.Missing."""
    found = list(chain(configuration.mutants(), code.mutants()))
    harmless = yaml.load(HARMLESS.read_text("utf-8"), yaml.CSafeLoader) or {}
    _expect(harmless, found, HARMLESS.relative_to(ROOT).as_posix())
    return [mutant for mutant in found if mutant.id not in harmless]


def pick(mutants: Sequence[Mutant], ids: Sequence[str]) -> list[Mutant]:
    """Raises NoSuchMutant."""
    _expect(ids, mutants, "the command line")
    return [mutant for mutant in mutants if mutant.id in ids]


def sample(mutants: Iterable[Mutant], size: int, seed: int) -> list[Mutant]:
    """Returns the same mutants for the same seed, as many of each group as possible. A mutant that
    comes or goes changes no other's place."""
    drawn: dict[str, list[Mutant]] = {group: [] for group in GROUPS}
    for mutant in sorted(mutants, key=lambda each: sha256(f"{seed} {each.id}".encode()).digest()):
        drawn[mutant.group].append(mutant)
    return list(_in_turn(drawn.values()))[:size]


def _in_turn(groups: Iterable[Sequence[Mutant]]) -> Iterator[Mutant]:
    for turn in zip_longest(*groups):
        yield from (mutant for mutant in turn if mutant is not None)


def _expect(ids: Iterable[str], mutants: Iterable[Mutant], where: str) -> None:
    known = {mutant.id for mutant in mutants}
    gone = [each for each in ids if each not in known]
    if gone:
        raise NoSuchMutant(f"{where} names what is no mutant: {', '.join(gone)}")
