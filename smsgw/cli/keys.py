"""`smsgw keys`: name the keys in use, and re-encrypt what is stored while everything runs."""

import click

from smsgw.cli.installation import opened
from smsgw.operations import key_rotation
from smsgw.operations.key_rotation import NotRotated
from smsgw.storage import audit
from smsgw.storage import keys as _keys


@click.group()
def keys() -> None:
    """Change the keys that encrypt stored texts and numbers."""


@keys.command()
def show() -> None:
    """Print the id of SMSGW_SECRET_KEY and of the key that encrypts, neither of which is secret.

    Store them beside each backup: `smsgw drill restore` compares them.
    """
    rt = opened()
    rt.vault.refresh()
    click.echo(f"secret {_keys.secret_id(rt.settings)}\ndata key {rt.vault.active}")


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
