"""`smsgw cases`: what participants asked a person to see to."""

import click

from handlers.question import CaseKind
from smsgw import audit, phone, retention, runtime, settings
from smsgw import cases as waiting
from smsgw.audit import Act
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
def close(number: str) -> None:
    """Say that the complaint NUMBER is dealt with; STATUS NUMBER then tells so."""
    with runtime.build(settings.load()).writing() as tx:
        case = waiting.open_one(tx, number)
        if case is None or case.kind != CaseKind.COMPLAINT:
            raise click.ClickException(f"{number} is no open complaint; see smsgw cases list")
        waiting.close(tx, number)
        audit.note(
            tx, Act.CASE_CLOSED, audit.operator(), phone_id=case.phone_id, detail=case.number
        )
    click.echo(f"{number} is closed")


@cases.command()
@click.argument("number")
def erase(number: str) -> None:
    """Carry out the data request NUMBER: delete what is held of its phone, and tell the person."""
    try:
        retention.erase(runtime.build(settings.load()), number, audit.operator())
    except retention.NotErased as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{number} is carried out; the person is told by SMS, and by STATUS {number}")
