"""Holds the `smsgw` command. Each file here is imported when its command is called, and not before:
`smsgw parse` should not wait for a database driver."""

import errno
from importlib import import_module

import click

from smsgw import logs
from smsgw.operations import process
from smsgw.storage.crypto import Unreadable
from smsgw.variables import SettingsError

FILES = {
    "run": "run",
    "say": "say",
    "parse": "parse",
    "segments": "parse",
    "replay": "replay",
    "migrate": "migrate",
    "ledger": "ledger",
    "keywords": "keywords",
    "unknown": "unknown",
    "cases": "cases",
    "export": "export",
    "drill": "drill",
    "holidays": "holidays",
    "notify": "notify",
    "operators": "operators",
    "keys": "keys",
    "audit": "audit",
    "worker": "worker",
    "clock": "clock",
    "settings": "settings",
    "doctor": "doctor",
    "demo": "demo",
}


class Commands(click.Group):
    """Groups the commands, and tells faults of the environment without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(FILES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in FILES:
            return None
        command: click.Command = getattr(import_module(f"smsgw.cli.{FILES[cmd_name]}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise click.ClickException(f"the settings cannot be used:\n{error}") from None
        except Unreadable as error:
            raise click.ClickException(f"SMSGW_SECRET_KEY: {error}") from None
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise click.ClickException(f"{error.filename or 'output'}: {error.strerror}") from None
        except Exception as error:
            raise _database_fault(error) or error from None


def _database_fault(error: Exception) -> click.ClickException | None:
    """Returns what to say of a database error. It does not import SQLAlchemy: an error of it means
    that it is there."""
    cause = getattr(error, "orig", None)
    if type(error).__module__ != "sqlalchemy.exc" or cause is None:
        return None
    what = str(cause).strip().partition("\n")[0]
    return click.ClickException(
        f"the database cannot be used: {what}; run smsgw doctor for details"
    )


class ProcessCommands(Commands):
    """Has a process to itself, which imports one command and ends with it."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        with process.loading():
            return super().get_command(ctx, cmd_name)


@click.group(cls=ProcessCommands)
@click.version_option(package_name="smsgw")
def main() -> None:
    """Answer SMS: SALDO in, the balance out, in one SMS."""
    logs.set_up()
