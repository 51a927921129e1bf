"""What commands work on: the installation that the environment describes."""

import click

from smsgw import registry, runtime, settings
from smsgw.runtime import Runtime


def opened() -> Runtime:
    """One that is there already. Raises SettingsError where its key is another."""
    made = settings.load()
    if made.is_embedded and not made.database_file.exists():
        raise click.ClickException(
            f"there is no installation in {made.instance}: set SMSGW_HOME to the folder that holds "
            "instance/, or make one with smsgw migrate"
        )
    rt = runtime.build(made)
    registry.check_key(rt)
    return rt
