"""`smsgw keys rotate`: re-encrypt what is stored, while everything runs."""

import click

from smsgw.cli.installation import opened
from smsgw.operations import key_rotation
from smsgw.operations.key_rotation import NotRotated
from smsgw.storage import audit


@click.group()
def keys() -> None:
    """Change the keys that encrypt stored texts and numbers."""


@keys.command()
def rotate() -> None:
    """Re-encrypt all data with a new key, which SMSGW_SECRET_KEY opens, and SMSGW_OLD_SECRET_KEY
    where that is set. Run it a second time without that, once every process has the new one:
    then the old one opens nothing any more."""
    rt = opened()
    try:
        count = key_rotation.rotate(rt, audit.operator(), click.echo)
    except NotRotated as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"re-encrypted {count} values with key {rt.vault.active}")
