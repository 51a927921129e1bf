"""`smsgw keys rotate`: another key for what is stored, while everything runs."""

import click

from smsgw import audit, registry, rotation, runtime, settings
from smsgw.rotation import NotRotated


@click.group()
def keys() -> None:
    """The keys that stored texts and numbers are sealed with."""


@keys.command()
def rotate() -> None:
    """Seal everything anew with another key. SMSGW_SECRET_KEY covers all keys from then on, and
    SMSGW_OLD_SECRET_KEY may go once every process has the new one."""
    rt = runtime.build(settings.load())
    registry.check_key(rt)
    try:
        count = rotation.rotate(rt, audit.operator(), click.echo)
    except NotRotated as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{count} values are sealed with key {rt.vault.active}")
