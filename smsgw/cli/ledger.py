"""`smsgw ledger load` and `smsgw ledger make`: the only commands that write the ledger."""

import sys
from pathlib import Path

import click
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from smsgw import audit, runtime
from smsgw.audit import Act
from smsgw.cli.installation import opened
from smsgw.ledger import load as files
from smsgw.ledger import make as fiction
from smsgw.runtime import Runtime


@click.group()
def ledger() -> None:
    """Fill the participant ledger."""


@ledger.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Also delete what the files no longer hold.")
def load(folder: Path, replace: bool) -> None:
    """Import the CSV files in FOLDER: all of them, or nothing."""
    rt = opened()
    engine = _patient(rt)
    sizes = sum(path.stat().st_size for path in folder.glob("*.csv"))
    try:
        with click.progressbar(length=sizes, label="loading", file=sys.stderr) as bar:
            counts = files.load(engine, folder, replace=replace, progress=bar.update)
    except files.LoadError as error:
        raise click.ClickException(f"nothing was loaded\n{error}") from None
    told = {name: _told(count) for name, count in counts.items()}
    _note(rt, Act.LEDGER_LOADED, "; ".join(f"{name}: {count}" for name, count in told.items()))
    for name, count in told.items():
        click.echo(f"{name}: {count}")


@ledger.command()
@click.option("--participants", type=click.IntRange(1, 90_000_000), required=True)
def make(participants: int) -> None:
    """Make fictitious participants, whose phones real carriers refuse to send to."""
    rt = opened()
    engine = _patient(rt)
    try:
        with click.progressbar(length=participants, label="making", file=sys.stderr) as bar:
            fiction.make(engine, participants, progress=bar.update)
    except fiction.NumbersTaken:
        raise click.ClickException(
            "nothing was made: the ledger holds other participants with such numbers"
        ) from None
    except (OperationalError, ProgrammingError) as error:
        raise click.ClickException(
            f"the ledger could not be written ({type(error).__name__}); run smsgw migrate first"
        ) from None
    _note(rt, Act.LEDGER_MADE, f"{participants} participants")
    click.echo(f"{participants} participants")


def _told(count: files.Loaded) -> str:
    return f"{count.rows} rows" + (f", {count.deleted} deleted" if count.deleted else "")


def _patient(rt: Runtime) -> Engine:
    """Look-ups are cut after two seconds; an import takes what it takes."""
    return runtime.engine(rt.settings.participant_ledger_url)


def _note(rt: Runtime, act: Act, what: str) -> None:
    """In the other database, so not in one transaction; where that is not there, it is said."""
    try:
        with rt.writing() as tx:
            audit.note(tx, act, audit.operator(), detail=what)
    except SQLAlchemyError as error:
        click.echo(f"this is not in the audit: {type(error).__name__}; run smsgw migrate", err=True)
