"""`smsgw holidays`: list and edit the days that deadlines of complaints leave out."""

from datetime import date, datetime

import click

from smsgw.cli.installation import opened
from smsgw.registry import holidays as calendar
from smsgw.registry.holidays import LONGEST_NAME
from smsgw.storage import audit

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def holidays() -> None:
    """List and edit the days that deadlines of complaints leave out."""


@holidays.command(name="list")
@click.argument("year", type=click.IntRange(1, 9999), required=False)
def show(year: int | None) -> None:
    """Print the holidays of YEAR; by default of this year."""
    rt = opened()
    shown = year or rt.today.year
    with rt.reading() as tx:
        names = {row.day: row.name for row in calendar.of_year(tx, shown)}
    set_days = (day for day in rt.settings.holidays if day.year == shown)
    for day, name in sorted({**dict.fromkeys(set_days, "SMSGW_HOLIDAYS"), **names}.items()):
        click.echo(f"{day}  {name}")


@holidays.command()
@click.argument("day", type=DAY, metavar="DATE")
@click.argument("name")
def add(day: datetime, name: str) -> None:
    """Add the holiday NAME on DATE, such as 2026-03-20."""
    written = " ".join(name.split())
    if not 1 <= len(written) <= LONGEST_NAME:
        raise click.ClickException(f"a name has 1 to {LONGEST_NAME} characters")
    with opened().writing() as tx:
        if not calendar.add(tx, {day.date(): written}, audit.operator()):
            raise click.ClickException(f"{day.date()} is a holiday already")
    click.echo(f"{day.date()} is a holiday")


@holidays.command()
@click.argument("day", type=DAY, metavar="DATE")
def remove(day: datetime) -> None:
    """Make DATE a working day again."""
    rt = opened()
    with rt.writing() as tx:
        if not calendar.remove(tx, day.date(), audit.operator()):
            raise click.ClickException(_absent(day.date(), rt.settings.holidays))
    click.echo(f"{day.date()} is no holiday any more")


def _absent(day: date, set_days: tuple[date, ...]) -> str:
    if day in set_days:
        return f"{day} is set by SMSGW_HOLIDAYS; take it out there, and restart"
    return f"{day} is no holiday; see smsgw holidays list {day.year}"
