"""Opens the installation that the environment describes, for commands."""

import click

from smsgw import settings
from smsgw.operations import startup
from smsgw.operations.startup import NotReady
from smsgw.runtime import Runtime
from smsgw.storage import deadlines

PATIENCE = 600.0  # seconds for a statement, where no carrier waits for its end


def opened(patience: float = PATIENCE) -> Runtime:
    """Opens an existing installation. Raises SettingsError if its key is another one."""
    click.get_current_context().with_resource(deadlines.patient(patience))
    try:
        return startup.opened(settings.load())
    except NotReady as error:
        raise click.ClickException(str(error)) from None
