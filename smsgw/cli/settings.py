"""`smsgw settings`: print what is set, and what each setting means."""

import click

from smsgw import settings as environment


@click.command()
def settings() -> None:
    """Print every setting with its meaning; secrets are masked."""
    for name, value, meaning in environment.rows(environment.load()):
        click.echo(f"{name}={value}\n    {meaning}")
