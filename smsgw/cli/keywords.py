"""`smsgw keywords check` and `export`: the operators' configuration as YAML."""

from pathlib import Path

import click

from smsgw import document, lint


@click.group()
def keywords() -> None:
    """Keywords, wordings and budgets."""


@keywords.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Say what is wrong with FILE; exit 1 where it may not be published."""
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise click.ClickException(f"{file} is not UTF-8") from None
    found = lint.faults(text)
    for fault in found:
        click.echo(fault)
    if found:
        raise SystemExit(1)
    for warning in lint.warnings(text):
        click.echo(f"warning: {warning}")
    click.echo("this configuration can be published")


@keywords.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path) -> None:
    """Write the published configuration to FILE."""
    try:
        file.write_text(document.shipped_text(), "utf-8")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None
