"""What commands work on: the installation that the environment describes."""

import click

from smsgw import settings, starting
from smsgw.runtime import Runtime
from smsgw.starting import NotReady


def opened() -> Runtime:
    """One that is there already. Raises SettingsError where its key is another."""
    try:
        return starting.opened(settings.load())
    except NotReady as error:
        raise click.ClickException(str(error)) from None
