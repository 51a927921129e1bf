"""`smsgw worker`: send replies and give deferred answers."""

import click

from smsgw.cli.installation import opened
from smsgw.operations.worker import NoQueue, work


@click.command()
def worker() -> None:
    """Send replies and give owed answers, until told to stop."""
    try:
        work(opened(patience=0))
    except NoQueue as error:
        raise click.ClickException(str(error)) from None
