"""`smsgw replay`: run transcripts and tell every step that differs."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import click

from smsgw import keywords as configurations
from smsgw import logs, transcript
from smsgw import replay as transcripts
from smsgw.cli.say import told
from smsgw.document import KeywordsError
from smsgw.ledger.load import LoadError
from smsgw.replay import Taken
from smsgw.transcript import TranscriptError

NOTHING = {
    "keyword": None,
    "outcome": None,
    "reason": None,
    "reply": None,
    "encoding": None,
    "segments": 0,
}


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--ledger", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--keywords",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another configuration than the one that is shipped.",
)
@click.option("--update", is_flag=True, help="Write each reply into the file as expected.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a step.")
def replay(
    paths: tuple[Path, ...],
    ledger: Path | None,
    keywords: Path | None,
    update: bool,
    as_json: bool,
) -> None:
    """Run the transcripts in PATHS (files, or folders of *.yaml); exit 1 where a step differs."""
    logs.set_up(logging.ERROR)
    differing = steps = 0
    try:
        configuration = configurations.load(keywords.read_text("utf-8")) if keywords else None
        for path in _files(paths):
            taken = list(transcripts.run(transcript.read(path), ledger, configuration))
            if update:
                transcript.update(path, [transcripts.text_of(step.answer) for step in taken])
            for step in taken:
                _print(path, step, as_json)
            steps += len(taken)
            differing += sum(1 for step in taken if step.differs)
    except (TranscriptError, LoadError, KeywordsError, UnicodeDecodeError) as error:
        raise click.ClickException(str(error)) from None
    if not steps:
        raise click.ClickException("there are no transcripts (*.yaml) in these folders")
    click.echo(f"{steps} steps, {differing} differ", err=True)
    if differing:
        raise SystemExit(1)


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob("**/*.yaml")) if path.is_dir() else [path]


def _print(path: Path, step: Taken, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_object(step), ensure_ascii=False))
    for difference in step.differs:
        where = f"{path.name}: {step.conversation}: step {step.number}"
        click.echo(f"{where}: {difference}", err=as_json)


def _object(step: Taken) -> dict[str, object]:
    return {
        "conversation": step.conversation,
        "step": step.number,
        "agrees": not step.differs,
        "differs": list(step.differs),
        **(told(step.answer) if step.answer else NOTHING),
        "also": [{"to": each.recipient, "reply": each.text} for each in step.also],
    }
