"""`smsgw export`: write figures for other systems."""

import csv
from datetime import datetime

import click

from smsgw.backoffice import figures as _figures
from smsgw.backoffice.figures import COLUMNS, NotOver
from smsgw.cli.installation import opened
from smsgw.storage import audit
from smsgw.storage.audit import Act


@click.group()
def export() -> None:
    """Write figures for other systems."""


@export.command()
@click.option(
    "--day",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day where the scheme is; it must be over.",
)
@click.option("--to", default="-", type=click.Path(dir_okay=False), help="A file, or - for output.")
def figures(day: datetime, to: str) -> None:
    """Write the messages of a day as CSV, counted by hour, keyword, outcome and others.

    No row counts fewer than five messages, and none names a phone.
    """
    rt = opened()
    try:
        rows = list(_figures.of_day(rt, day.date()))
    except NotOver as error:
        raise click.ClickException(str(error)) from None
    with rt.writing() as tx:
        audit.note(tx, Act.EXPORTED, audit.operator(), detail=f"figures of {day:%Y-%m-%d}")
    with click.open_file(to, "w", encoding="utf-8", atomic=to != "-") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
