"""Calls the commands of `smsgw` without starting Python for each, which takes a second or more.

`smsgw` and `called` call a command in this process. `forked` calls it in a process of its own, with
PostgreSQL for example, because a command keeps its connections until its process ends.
`tests.support.processes` starts a command as its users do, for tests of what only that has: its
log, signals and raw input.
"""

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import CompletedProcess

from click.testing import CliRunner

from smsgw.cli import FILES, Commands

OURS = ("SMSGW_", "TWILIO_", "KANNEL_", "DATABASE_URL", "REDIS_URL", "LEDGER_")
# Its first process imports the commands; each command gets a copy of that process.
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["pytest", *(f"smsgw.cli.{name}" for name in set(FILES.values()))])


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


def forked(environ: Mapping[str, str], *arguments: str | Path) -> CompletedProcess[str]:
    """Calls a command in a process of its own. Raises EOFError for an exception that the command
    did not handle."""
    here, there = _forks.Pipe(duplex=False)
    process = _forks.Process(target=_send, args=(there, environ, arguments))
    process.start()
    there.close()
    with here:
        done: CompletedProcess[str] = here.recv()
    process.join()
    return done


def _send(to: Connection, environ: Mapping[str, str], arguments: tuple[str | Path, ...]) -> None:
    to.send(called(environ, *arguments))
