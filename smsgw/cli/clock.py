"""`smsgw clock`: do what is due by time."""

import signal
from threading import Event

import click

from smsgw.cli.installation import opened
from smsgw.operations.clock import run

PATIENCE = 60.0  # seconds for a statement


@click.command()
def clock() -> None:
    """Sweep every 5 seconds, seal the audit and destroy what is due every second, sum up every
    minute, until told to stop."""
    rt, stopping = opened(PATIENCE), Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    run(rt, stopping)
