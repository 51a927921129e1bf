"""The `smsgw` command."""

import click

from smsgw.cli import doctor, ledger, migrate, operate, read, replay, run, say
from smsgw.settings import SettingsError


class Commands(click.Group):
    """A group that tells faults of the environment without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise click.ClickException(f"the settings cannot be used:\n{error}") from None


@click.group(cls=Commands)
@click.version_option(package_name="smsgw")
def main() -> None:
    """An SMS responder: SALDO in, the balance out, in one SMS."""


for command in (
    run.run,
    say.say,
    read.parse,
    read.segments,
    replay.replay,
    migrate.migrate,
    ledger.ledger,
    operate.worker,
    operate.clock,
    operate.settings,
    doctor.doctor,
    operate.demo,
):
    main.add_command(command)
