"""`smsgw replay`: run transcripts and tell every step that differs."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import click

from smsgw import logs
from smsgw.configuration.document import SHIPPED_FILE, KeywordsError
from smsgw.ledger.csv_import import LoadError, reference_folder
from smsgw.transcripts import collection, report, schema, update
from smsgw.transcripts.collection import NothingFound, Part, PlayedConversation
from smsgw.transcripts.faults import TranscriptError
from smsgw.transcripts.reader import Defaults, TranscriptDocument
from smsgw.transcripts.report import Totals
from smsgw.transcripts.update import NotUpdated

DIFFERS, BROKEN = 1, 2  # exit codes
LINE_EVERY = 100  # conversations, where there is no terminal


@dataclass
class ReplayRun:
    """Holds what was asked for, and what came of it."""

    as_json: bool
    fail_fast: bool
    jobs: int
    totals: Totals = field(default_factory=Totals)
    played: list[PlayedConversation] = field(default_factory=list)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--ledger",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="CSV files instead of the packaged ledger, for transcripts that name none.",
)
@click.option(
    "--keywords",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Keywords instead of the shipped ones, for transcripts that name none.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Conversations so called; * fits all.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, help="Processes.", show_default=True)
@click.option("--fail-fast", is_flag=True, help="Stop after the first conversation that differs.")
@click.option("--update", "updates", is_flag=True, help="Write reply and also as they came.")
@click.option("--diff", "shows", is_flag=True, help="Show what --update would write.")
@click.option("--force", is_flag=True, help="Update although keyword, outcome or others differ.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a step, then totals.")
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write a report for CI."
)
@click.option("--schema", "wants_schema", is_flag=True, help="Print the JSON Schema for editors.")
def replay(
    paths: tuple[Path, ...],
    ledger: Path | None,
    keywords: Path | None,
    only: tuple[str, ...],
    jobs: int,
    fail_fast: bool,
    updates: bool,
    shows: bool,
    force: bool,
    as_json: bool,
    junit: Path | None,
    wants_schema: bool,
) -> None:
    """Run the transcripts in PATHS: files, folders of *.yaml and *.yml, or - for standard input.

    Exit code 0: every step agrees; 1: a step differs; 2: a file cannot be run, or there is none.
    """
    if wants_schema:
        click.echo(json.dumps(schema.schema(), indent=2))
        return
    if (updates or shows) and (only or fail_fast):
        raise click.UsageError("--update and --diff cannot be combined with --only or --fail-fast")
    logs.set_up(logging.CRITICAL)
    run = ReplayRun(as_json, fail_fast, jobs)
    documents = _read_documents(paths, _defaults(ledger, keywords), run)
    _play(_chosen(documents, only), run)
    if junit:
        junit.write_text(report.junit(run.played), "utf-8")
    differs = bool(run.totals.differ)
    if updates or shows:
        differs = _update(documents, run, shows=shows, force=force)
    _sum_up(run)
    if differs:
        raise SystemExit(DIFFERS)


def _defaults(ledger: Path | None, keywords: Path | None) -> Defaults:
    try:
        text = keywords.read_text("utf-8") if keywords else None
        defaults = Defaults(ledger or reference_folder(), text)
        defaults.check()
    except (KeywordsError, UnicodeDecodeError) as error:
        for line in dict.fromkeys(str(error).splitlines()):
            click.echo(f"{keywords or SHIPPED_FILE}: {line}", err=True)
        raise SystemExit(BROKEN) from None
    return defaults


def _read_documents(
    paths: Sequence[Path], defaults: Defaults, run: ReplayRun
) -> list[TranscriptDocument]:
    if not paths:
        raise click.UsageError("name a file, a folder, or - for standard input")
    try:
        documents = collection.read(collection.files(paths), defaults)
    except TranscriptError as error:
        _give_up(error, run)
    if not documents:
        names = ", ".join(map(str, paths))
        click.echo(f"there are no transcripts (*.yaml, *.yml) in {names}", err=True)
        raise SystemExit(BROKEN)
    run.totals.files = len(documents)
    return documents


def _chosen(documents: Sequence[TranscriptDocument], only: Sequence[str]) -> list[Part]:
    try:
        return collection.choose(documents, only)
    except NothingFound as error:
        click.echo(str(error), err=True)
        raise SystemExit(BROKEN) from None


def _play(chosen: Sequence[Part], run: ReplayRun) -> None:
    try:
        for each in _with_progress(collection.play(chosen, run.jobs), chosen):
            run.totals.add(each)
            run.played.append(each)
            _print(each, run)
            if run.fail_fast and not each.agrees:
                break
    except TranscriptError as error:
        _give_up(error, run)
    except LoadError as error:
        click.echo(f"the ledger cannot be loaded:\n{error}", err=True)
        raise SystemExit(BROKEN) from None


def _with_progress(
    played: Iterator[PlayedConversation], chosen: Sequence[Part]
) -> Iterator[PlayedConversation]:
    """Shows a bar on a terminal, elsewhere a line now and then."""
    count = sum(len(names) for _, names in chosen)
    is_terminal = sys.stderr.isatty()
    with click.progressbar(
        played, length=count, label="conversations", file=sys.stderr, hidden=not is_terminal
    ) as bar:
        for number, each in enumerate(bar, 1):
            yield each
            if not is_terminal and number % LINE_EVERY == 0:
                click.echo(f"{number} of {count} conversations", err=True)


def _print(played: PlayedConversation, run: ReplayRun) -> None:
    for line in report.as_json(played) if run.as_json else ():
        click.echo(line)
    with_colour = not run.as_json and sys.stdout.isatty()
    for line in report.lines(played, with_colour=with_colour):
        click.echo(line, err=run.as_json)


def _sum_up(run: ReplayRun) -> None:
    if run.as_json:
        click.echo(report.totals_as_json(run.totals))
    for line in run.totals.table():
        click.echo(line, err=True)
    click.echo(run.totals.sentence(), err=True)


def _give_up(error: TranscriptError, run: ReplayRun) -> NoReturn:
    for fault in error.faults if run.as_json else ():
        click.echo(report.fault_as_json(fault))
    click.echo(str(error), err=True)
    files = len({each.file for each in error.faults})
    summary = f"{_count(len(error.faults), 'fault')} in {_count(files, 'file')}; nothing was run"
    click.echo(summary, err=True)
    raise SystemExit(BROKEN)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _update(
    documents: Sequence[TranscriptDocument], run: ReplayRun, *, shows: bool, force: bool
) -> bool:
    """Writes every file or none. Returns whether a step still differs."""
    texts: list[tuple[TranscriptDocument, str]] = []
    is_refused = False
    for document in documents:
        results = [each.results for each in run.played if each.document is document]
        try:
            texts.append((document, update.rewrite(document, results, force=force)))
        except NotUpdated as error:
            is_refused = True
            click.echo(f"not updated (--force writes the replies all the same):\n{error}", err=True)
    if shows:
        for document, text in texts:
            click.echo(update.difference(document.name, document.source.text, text), nl=False)
        return bool(run.totals.differ)
    if is_refused:
        return True
    for document, text in texts:
        if text != document.source.text:
            update.write(Path(document.name), text)
            click.echo(f"{document.name}: updated", err=True)
    return any(update.differs_still(each.results) for each in run.played)
