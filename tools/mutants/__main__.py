"""Runs `python -m tools.mutants`."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from tools.mutants import children, choice, conversations, report, unit_tests
from tools.mutants.choice import NoSuchMutant
from tools.mutants.modules import Missing
from tools.mutants.mutant import GROUPS, ROOT, Mutant
from tools.mutants.run import side_by_side
from tools.mutants.trials import Bench, Outcome, Unfit

TRANSCRIPTS = ROOT / "tests" / "transcripts"


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--jobs", default=os.cpu_count(), show_default="the cores", help="Side by side.")
@click.option("--sample", type=int, help="Try so many, as many of each group as can be.")
@click.option("--seed", default=20251031, show_default=True, help="Of the sample.")
@click.option("--only", type=click.Choice(GROUPS), multiple=True, help="Of this group.")
@click.option("--code", "kinds", flag_value="code", help="Changes of Python alone.")
@click.option(
    "--configuration", "kinds", flag_value="configuration", help="Of keywords.yaml alone."
)
@click.option("--list", "is_list", is_flag=True, help="Say which there are, and try none.")
@click.option(
    "--at-least",
    type=(float, float),
    default=(95.0, 80.0),
    show_default=True,
    help="Percent to be noticed: of safety, money, disclosure, locks and codes together; of all.",
)
@click.option(
    "--transcripts",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    default=[TRANSCRIPTS],
    help="A file or folder of conversations. [default: tests/transcripts]",
)
@click.option("--nearest", type=int, help="Run so many files of conversations for each mutant.")
def main(
    ids: tuple[str, ...],
    jobs: int,
    sample: int | None,
    seed: int,
    only: tuple[str, ...],
    kinds: str | None,
    is_list: bool,
    at_least: tuple[float, float],
    transcripts: tuple[Path, ...],
    nearest: int | None,
) -> None:
    """Plant changes in the configuration and in code, and tell which ones nothing notices.

    IDS: these alone, as --list and the last lines of a run name them. Exit 1 where too few are
    noticed, 2 where conversations or tests differ without any change.
    """
    try:
        chosen = _chosen(ids, only, kinds)
        if sample is not None:
            chosen = choice.sample(chosen, sample, seed)
        if is_list:
            click.echo("\n".join(report.line(mutant) for mutant in chosen))
            return
        outcomes = _tried(chosen, jobs, transcripts, nearest)
    except (Missing, NoSuchMutant, Unfit) as error:
        click.echo(f"mutants: {error}", err=True)
        raise SystemExit(2) from None
    click.echo("\n".join(report.lines(outcomes)))
    short = list(report.short(outcomes, *at_least))
    if short:
        click.echo("\n".join(short), err=True)
        raise SystemExit(1)


def _chosen(ids: Sequence[str], only: Sequence[str], kinds: str | None) -> list[Mutant]:
    """Raises NoSuchMutant and Missing."""
    found = choice.all_mutants()
    if ids:
        return choice.pick(found, ids)
    return [
        mutant
        for mutant in found
        if (not only or mutant.group in only)
        and (kinds is None or mutant.is_configuration == (kinds == "configuration"))
    ]


def _tried(
    mutants: Sequence[Mutant], jobs: int, transcripts: Sequence[Path], most: int | None
) -> list[Outcome]:
    """Raises Unfit."""
    children.preload()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and the children with it
    outcomes: list[Outcome] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, unit_tests.queue():
        Path(folder).chmod(0o711)  # PostgreSQL, which tests may start in it, runs as nobody
        bench = Bench(Path(folder), conversations.find(transcripts), most)
        list(side_by_side([bench.options], jobs))
        for outcome in side_by_side((partial(bench.trial, each) for each in mutants), jobs):
            outcomes.append(outcome)
            _progress(outcome, len(outcomes), len(mutants), time.monotonic() - started)
    return outcomes


def _progress(outcome: Outcome, count: int, total: int, seconds: float) -> None:
    result = f"{outcome.verdict} {outcome.by}".strip()
    click.echo(
        f"{count}/{total} {seconds:.0f} s: {report.line(outcome.mutant)}: {result}", err=True
    )


if __name__ == "__main__":
    main()
