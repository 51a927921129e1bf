"""`smsgw ledger load` and `smsgw ledger make`, which write the whole ledger,
`smsgw ledger check`, and `smsgw ledger decoys`, which keeps a list beside it."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import click
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from smsgw import runtime
from smsgw import settings as environment
from smsgw.backoffice import decoys
from smsgw.cli.installation import opened
from smsgw.ledger import csv_import as files
from smsgw.ledger import synthetic as fiction
from smsgw.ledger.csv_import import Rejection
from smsgw.ledger.inspection import inspection
from smsgw.ledger.inspection.inspection import LATEST
from smsgw.ledger_access import is_service
from smsgw.runtime import Runtime
from smsgw.storage import audit, engines, migrations, schema_version
from smsgw.storage.audit import Act

MOST_DECOYS = 1_000_000
AT_MOST = Decimal("0.001")
IMPORT_NICENESS = 10  # as `nice` has it


@click.group()
def ledger() -> None:
    """Check or fill the participant ledger, and watch who tries its numbers."""


@ledger.command()
@click.option("--analyze", is_flag=True, help="Also run each look-up, and take the time.")
@click.option(
    "--lag",
    type=click.IntRange(0, 86_400),
    default=int(LATEST.total_seconds()),
    show_default=True,
    help="Seconds that a replica may be behind.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(analyze: bool, lag: int, as_json: bool) -> None:
    """Check a ledger of your own: its columns, some of its rows, rights and plans.

    It reads samples, and prints no personal data. Exit 1 if there is something to fix.
    """
    rt = runtime.build(environment.load())
    _require_database(
        rt, "it has no tables to check; run smsgw doctor, which asks for everything once"
    )
    engine, is_ours = rt.ledger.engine, False
    with contextlib.suppress(SQLAlchemyError):  # the inspection says why
        is_ours = inspection.is_ours(engine)
    inspected = inspection.Inspection(
        engine,
        rt.settings.zone,
        analyze=analyze,
        is_ours=is_ours,
        latest=timedelta(seconds=lag),
    )
    found = list(inspected.findings())
    notes = [each for each in found if each.is_note]
    findings = [each for each in found if not each.is_note]
    if as_json:
        lists = {"findings": findings, "notes": notes}
        lines = {name: [each.as_json for each in them] for name, them in lists.items()}
        click.echo(json.dumps(lines, ensure_ascii=False))
    else:
        for each in (*findings, *notes):
            click.echo(f"note {each}" if each.is_note else f"FIX  {each}")
        click.echo(f"{len(findings) or 'nothing'} to fix")
    if findings:
        raise SystemExit(1)


class Share(click.ParamType[Decimal]):
    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        if isinstance(value, Decimal):
            return value
        written = re.fullmatch(r"([0-9]{1,3}(\.[0-9]{1,6})?)%", str(value))
        if written is None or Decimal(written[1]) > 100:
            self.fail("must be a share of a file's rows such as 0.1%", param, ctx)
        return Decimal(written[1]) / 100


@ledger.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Also delete what the files no longer hold.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Leave out balances, contributions and claims that are older.",
)
@click.option(
    "--reject",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Load the good rows, and write the bad ones to FILE.",
)
@click.option(
    "--at-most",
    type=Share(),
    metavar="SHARE",
    help=f"Refuse all if more of a file's rows are bad ({AT_MOST:.1%}).",
)
def load(
    folder: Path,
    replace: bool,
    since: datetime | None,
    reject: Path | None,
    at_most: Decimal | None,
) -> None:
    """Import the CSV files in FOLDER: all of them, or nothing.

    Rows are added or changed by their key, and what the files do not hold stays. So a folder of
    what has changed is enough.
    """
    if replace and since:
        raise click.UsageError("--replace would delete what --since leaves out; use one of them")
    if at_most is not None and reject is None:
        raise click.UsageError("--at-most needs --reject FILE, for the rows that are left out")
    rt = opened()
    importing = partial(
        files.load,
        _import_engine(rt),
        folder,
        replace=replace,
        since=since.date() if since else None,
        rejection=Rejection(reject, AT_MOST if at_most is None else at_most) if reject else None,
    )
    counts = _imported(importing, sum(path.stat().st_size for path in folder.glob("*.csv")))
    summaries = {name: _summary(count) for name, count in counts.items()}
    _note(rt, Act.LEDGER_LOADED, "; ".join(f"{name}: {count}" for name, count in summaries.items()))
    for name, count in summaries.items():
        click.echo(f"{name}: {count}")
    if any(count.rejected for count in counts.values()):
        click.echo(f"{reject} holds the rows that were left out; it is personal data", err=True)
    if "participants" in counts:
        _drop_issued(rt)


def _imported(
    importing: Callable[..., dict[str, files.LoadResult]], octets: int
) -> dict[str, files.LoadResult]:
    """Shows how far it is meanwhile."""
    with click.progressbar(length=octets, label="loading", file=sys.stderr) as bar:

        def begin_step(name: str) -> None:
            bar.label = name
            bar.render_progress()

        try:
            return importing(progress=bar.update, begin_step=begin_step)
        except files.LoadError as error:
            raise click.ClickException(f"nothing was loaded\n{error}") from None


@ledger.command()
@click.option("--participants", type=click.IntRange(1, 90_000_000), required=True)
def make(participants: int) -> None:
    """Make fictitious participants, whose phones real carriers refuse to send to."""
    rt = opened()
    engine = _import_engine(rt)
    try:
        with click.progressbar(length=participants, label="making", file=sys.stderr) as bar:
            fiction.make(engine, participants, progress=bar.update)
    except fiction.NumbersTaken:
        raise click.ClickException(
            "nothing was made: the ledger holds other participants with such numbers"
        ) from None
    except files.LoadError as error:
        raise click.ClickException(f"nothing was made\n{error}") from None
    except (OperationalError, ProgrammingError) as error:
        raise click.ClickException(f"the ledger could not be written{files.why(error)}") from None
    _note(rt, Act.LEDGER_MADE, f"{participants} participants")
    click.echo(f"{participants} participants")
    _drop_issued(rt)


@ledger.command("decoys")
@click.option("--count", type=click.IntRange(1, MOST_DECOYS), help="Add so many.")
@click.option(
    "--between",
    nargs=2,
    metavar="FIRST LAST",
    help="Of NKPs in this range; without it, near those that the ledger holds.",
)
@click.option("--clear", is_flag=True, help="Take all off the list.")
def _decoys(count: int | None, between: tuple[str, str] | None, clear: bool) -> None:
    """Keep a sealed list of NKPs that were never issued: who tries numbers meets them.

    Without an option, print how many there are, and when a scan is noticed.
    """
    if clear and (count or between):
        raise click.UsageError("--clear cannot be combined with other options")
    rt = opened()
    try:
        if clear:
            click.echo(f"{decoys.clear(rt, audit.operator())} decoys are off the list")
            return
        where = decoys.Range.read(*between) if between else None
        if count:
            decoys.draw(rt, count, audit.operator(), where)
        _describe(rt, where)
    except decoys.NotDrawn as error:
        raise click.ClickException(str(error)) from None
    except SQLAlchemyError as error:
        raise click.ClickException(
            f"the list could not be used ({type(error).__name__}); run smsgw migrate first"
        ) from None


def _describe(rt: Runtime, where: decoys.Range | None) -> None:
    with rt.reading() as tx:
        number = decoys.count(tx)
    click.echo(f"{number} decoys")
    if number == 0:
        return
    density = decoys.density(rt, where)
    place = f"between {where.first} and {where.last}" if where else "near issued numbers"
    click.echo(f"density {place}: {density:.2%}")
    half, most = (decoys.noticed_within(density, certainty) for certainty in (0.5, 0.95))
    if half is None:
        click.echo("a scan there is not noticed")
    else:
        click.echo(f"half of all scans there are noticed within {half} numbers, 95 % within {most}")


def _drop_issued(rt: Runtime) -> None:
    """Drops decoys that are issued now. The import stands even if the list cannot be used: a number
    that the ledger knows is never taken for a decoy."""
    try:
        dropped = decoys.drop_issued(rt, audit.operator())
    except (decoys.NotDrawn, SQLAlchemyError) as error:
        click.echo(f"decoys that were issued are still listed: {type(error).__name__}", err=True)
        return
    if dropped:
        click.echo(f"decoys: {dropped} removed, which are issued now")


def _summary(count: files.LoadResult) -> str:
    others = {"deleted": count.deleted, "left out": count.rejected}
    return ", ".join(
        [f"{count.rows} rows", *(f"{number} {what}" for what, number in others.items() if number)]
    )


def _require_database(rt: Runtime, otherwise: str) -> None:
    if is_service(rt.settings.ledger_url):
        raise click.ClickException(f"LEDGER_URL is a service: {otherwise}")


def _import_engine(rt: Runtime) -> Engine:
    """Makes an engine for an import, which takes the time that it needs and leaves the processors
    to messages."""
    _require_database(
        rt,
        "there is nothing to load into. The scheme fills its ledger itself; to load files, set "
        "LEDGER_URL to the address of a database",
    )
    os.nice(IMPORT_NICENESS)
    engine = engines.engine(rt.settings.participant_ledger_url)
    try:
        migrations.require_home(engine)
    except migrations.NoSchemaHere as error:
        raise click.ClickException(str(error)) from None
    fault = schema_version.fault(engine, "ledger", "smsgw migrate --ledger")
    if fault is not None:
        raise click.ClickException(f"the ledger cannot be used: {fault}")
    return engine


def _note(rt: Runtime, act: Act, what: str) -> None:
    """Notes the act in the other database, so not in one transaction; reports if that is
    missing."""
    try:
        with rt.writing() as tx:
            audit.note(tx, act, audit.operator(), detail=what)
    except SQLAlchemyError as error:
        click.echo(f"this is not in the audit: {type(error).__name__}; run smsgw migrate", err=True)
