"""The commands of `smsgw`, called in this process: to start one takes a second and more.

What only a process has (its log, signals, the octets it is given) is tested with one, by
`tests.support.processes`; so is PostgreSQL, whose connections a command leaves to the end of its
process.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

from click.testing import CliRunner

from smsgw.cli import Commands

OURS = ("SMSGW_", "TWILIO_", "KANNEL_", "DATABASE_URL", "REDIS_URL", "LEDGER_URL")


def smsgw(home: Path, *arguments: str | Path, **environ: str) -> CompletedProcess[str]:
    """As `tests.support.processes.smsgw`."""
    return called({"SMSGW_HOME": str(home), **environ}, *arguments)


def called(
    environ: Mapping[str, str], *arguments: str | Path, stdin: str = ""
) -> CompletedProcess[str]:
    """A bug of the command is raised."""
    absent = dict.fromkeys(name for name in os.environ if name.startswith(OURS))
    done = CliRunner().invoke(
        Commands("smsgw"),  # without its set-up of logs, which belongs to a process
        [str(each) for each in arguments],
        input=stdin,
        env={**absent, **environ},
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return CompletedProcess(list(arguments), done.exit_code, done.stdout, done.stderr)
