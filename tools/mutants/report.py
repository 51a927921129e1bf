"""Reports what became of the mutants: a table by group, then who survived."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tools.mutants.mutant import GROUPS, STRICT, Mutant
from tools.mutants.trials import Outcome, Verdict

ROW = "{:<12}{:>9}{:>15}{:>9}{:>10}{:>10}"


def lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    counted = [each for each in outcomes if each.verdict is not Verdict.REFUSED]
    yield ROW.format("group", "planted", "conversations", "tests", "survived", "noticed")
    for group in GROUPS:
        of_group = [each for each in counted if each.mutant.group == group]
        if of_group:
            yield _row(group, of_group)
    yield _row("all", counted)
    refused = len(outcomes) - len(counted)
    if refused:
        yield f"{refused} more are refused by `smsgw keywords check`, which is not counted."
    survivors = sorted(
        (each.mutant for each in counted if each.verdict is Verdict.SURVIVED),
        key=lambda mutant: (GROUPS.index(mutant.group), mutant.path, mutant.line),
    )
    yield from (line(mutant) for mutant in survivors)


def line(mutant: Mutant) -> str:
    return f"{mutant.place}: {mutant.what}  ({mutant.group})  {mutant.id}"


def short(outcomes: Sequence[Outcome], strict: float, overall: float) -> Iterator[str]:
    """Returns where less was noticed than these percentages: of the strict groups together, of
    all."""
    in_strict = [each for each in outcomes if each.mutant.group in STRICT]
    for name, some, least in ((", ".join(STRICT), in_strict, strict), ("all", outcomes, overall)):
        share = _noticed([each for each in some if each.verdict is not Verdict.REFUSED])
        if share is not None and share < least:
            yield f"{name}: {share:.1f} % noticed, {least:g} % are needed"


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    by = Counter(each.verdict for each in outcomes)
    counts = (by[Verdict.CONVERSATIONS], by[Verdict.TESTS], by[Verdict.SURVIVED])
    share = _noticed(outcomes)
    shown = "" if share is None else f"{share:.1f} %"
    return ROW.format(name, len(outcomes), *counts, shown)


def _noticed(outcomes: Sequence[Outcome]) -> float | None:
    """Returns the percentage noticed; None if there is nothing."""
    survived = sum(1 for each in outcomes if each.verdict is Verdict.SURVIVED)
    return 100 * (1 - survived / len(outcomes)) if outcomes else None
