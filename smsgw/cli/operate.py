"""`smsgw worker`, `clock`, `settings` and the demo data: running an installation."""

import itertools
import signal
import threading
from collections.abc import Callable

import click

from smsgw import logs
from smsgw import settings as environment
from smsgw.cli.installation import opened
from smsgw.ledger.demo import prepare
from smsgw.messaging.hourly_counts import Tallies
from smsgw.operations import jobs
from smsgw.operations.retention import Retention
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.storage import audit

TICK, SWEEP_TICKS = 1.0, 5  # seconds; of these
CLOCK_PATIENCE = 60.0  # seconds for a statement
DEMO_PHONE, DEMO_NKP = "+6281234567890", "19012345678"

log = logs.get(__name__)


@click.command()
def worker() -> None:
    """Send replies and give owed answers, until told to stop."""
    try:
        jobs.work(opened(patience=0))
    except jobs.NoQueue as error:
        raise click.ClickException(str(error)) from None


@click.command()
def clock() -> None:
    """Sweep every 5 seconds, seal the audit and destroy what is due every second, sum up every
    minute, until told to stop."""
    rt = opened(CLOCK_PATIENCE)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    retention, counting = Retention(rt), Tallies(rt)
    for tick in itertools.count(1):
        if stopping.wait(TICK):
            return
        _done(lambda: audit.seal(rt))
        _done(retention.step)
        _done(counting.step)
        if tick % SWEEP_TICKS == 0:
            _done(lambda: jobs.sweep(rt))


def _done(work: Callable[[], object]) -> None:
    """What fails now is done later: it lies in the database. A bug in one kind of work must not
    keep the others from being done."""
    try:
        work()
    except Exception as error:
        log.error("the clock's work failed", exc_info=error)


@click.command()
def settings() -> None:
    """Print every setting with its meaning; secrets are masked."""
    for name, value, meaning in environment.rows(environment.load()):
        click.echo(f"{name}={value}\n    {meaning}")


@click.command(hidden=True)
def demo() -> None:
    """Load the reference ledger into an empty one and bind its first participant's phone."""
    rt = opened()
    if not rt.settings.demo:
        raise click.ClickException("this is for SMSGW_DEMO=1")
    prepare(rt.ledger.engine, rt.now())
    participant = rt.ledger.participant(DEMO_NKP)
    if participant is not None and participant.phone == DEMO_PHONE:
        _bind_demo_phone(rt)


def _bind_demo_phone(rt: Runtime) -> None:
    """Unless it ever was: who unlinked it, or took its place, meant to."""
    with rt.writing() as tx:
        known = phone_state.read(tx, DEMO_PHONE)
        if known.phone_id == 0:
            known = phone_state.advance(tx, known)
            phone_state.bind(tx, known, DEMO_NKP, consent="SMSGW_DEMO")
