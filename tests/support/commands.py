"""Calls the commands of `smsgw` in this process, as starting a process takes a second or more.

`tests.support.processes` starts one for tests of what only a process has: its log, signals and raw
input. It does so for PostgreSQL too, because a command keeps its connections until its process
ends.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

from click.testing import CliRunner

from smsgw.cli import Commands

OURS = ("SMSGW_", "TWILIO_", "KANNEL_", "DATABASE_URL", "REDIS_URL", "LEDGER_URL")


def smsgw(home: Path, *arguments: str | Path, **environ: str) -> CompletedProcess[str]:
    """Calls a command as `tests.support.processes.smsgw` does."""
    return called({"SMSGW_HOME": str(home), **environ}, *arguments)


def called(
    environ: Mapping[str, str], *arguments: str | Path, stdin: str = ""
) -> CompletedProcess[str]:
    """Raises an exception that the command did not handle."""
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
