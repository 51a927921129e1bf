"""`smsgw demo`, for SMSGW_DEMO=1: load the reference ledger and bind a phone."""

import click

from smsgw.cli.installation import opened
from smsgw.ledger.demo import prepare
from smsgw.registry import bindings, phone_state
from smsgw.runtime import Runtime

DEMO_PHONE, DEMO_NKP = "+6281234567890", "19012345678"


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
    """Binds the demo phone unless it ever was bound: whoever unlinked it meant to."""
    with rt.writing() as tx:
        known = phone_state.read(tx, DEMO_PHONE)
        if known.phone_id == 0:
            known = phone_state.bump_version(tx, known)
            bindings.bind(tx, known, DEMO_NKP, consent="SMSGW_DEMO")
