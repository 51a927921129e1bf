"""`smsgw drill`: prove that old data is gone, that a backup can be restored, and that keys can be
changed."""

from collections.abc import Iterator
from pathlib import Path

import click

from smsgw import settings
from smsgw.cli.installation import PATIENCE, opened
from smsgw.operations import overdue_data, restored_copy
from smsgw.operations.audit_chain import Head, NoHead
from smsgw.operations.restored_copy import DrillFailed
from smsgw.storage import deadlines


@click.group()
def drill() -> None:
    """Prove that old data is gone, that a backup can be restored, and that keys can be changed."""


@drill.command()
def retention() -> None:
    """Count what should have been deleted by now, table by table. Exit 1 if there is any."""
    found = list(overdue_data.count(opened()))
    for each in found:
        sign = "FIX " if each.rows else "ok  "
        click.echo(f"{sign} {each.table}: {each.rows} {each.what} too old, of {each.of} rows")
    if any(each.rows for each in found):
        click.echo("the clock deletes them: see that smsgw clock runs, and its log")
        raise SystemExit(1)


@drill.command()
@click.argument("dump", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--into", "url", required=True, help="Address of an empty PostgreSQL database.")
@click.option("--head", "known", help="A head of the audit log that was logged before the dump.")
def restore(dump: Path, url: str, known: str | None) -> None:
    """Restore DUMP into an empty database, and check that everything in it can be read.

    Set SMSGW_SECRET_KEY to the secret of that day. The database stays: drop it afterwards.
    """
    try:
        head = Head.read(known) if known is not None else None
    except NoHead as error:
        raise click.BadParameter(str(error), param_hint="--head") from None
    _tell(restored_copy.restore(settings.load(), dump, url, head))


@drill.command()
@click.option("--into", "url", required=True, help="A database that smsgw drill restore made.")
def keys(url: str) -> None:
    """Change the secret of a restored copy and change it back. Refuses every other database."""
    _tell(restored_copy.change_keys(settings.load(), url))


def _tell(proofs: Iterator[str]) -> None:
    click.get_current_context().with_resource(deadlines.patient(PATIENCE))
    try:
        for proof in proofs:
            click.echo(proof)
    except DrillFailed as error:
        raise click.ClickException(str(error)) from None
