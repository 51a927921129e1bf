"""`smsgw cases`: what participants asked a person to see to."""

import click

from smsgw import audit, phone, retention, runtime, settings
from smsgw import cases as waiting
from smsgw.models import Ciphertext


@click.group()
def cases() -> None:
    """Complaints and data-protection requests."""


@cases.command(name="list")
def show() -> None:
    """Print each open one: its number, what it is, when it was opened (UTC), whose phone."""
    with runtime.build(settings.load()).reading() as tx:
        for case in waiting.all_open(tx):
            whose = phone.mask(tx.vault.decrypt(case.phone, Ciphertext.PHONE))
            click.echo(f"{case.number}  {case.kind}  {case.opened_at:%Y-%m-%d %H:%M}  {whose}")


@cases.command()
@click.argument("number")
def erase(number: str) -> None:
    """Carry out the data request NUMBER: delete what is held of its phone, and tell the person."""
    try:
        retention.erase(runtime.build(settings.load()), number, audit.operator())
    except retention.NotErased as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{number} is carried out; the person is told by SMS, and by STATUS {number}")
