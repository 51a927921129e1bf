"""`smsgw cases`: list and close complaints and data requests."""

import click

from handlers.changes import CaseKind
from smsgw import phone
from smsgw.cli.installation import opened
from smsgw.operations import retention
from smsgw.registry import cases as waiting
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.security import Ciphertext


@click.group()
def cases() -> None:
    """List and close complaints and data-protection requests."""


@cases.command(name="list")
def show() -> None:
    """Print each open case: its number, its kind, when it was opened (UTC), and the phone."""
    with opened().reading() as tx:
        for case in waiting.all_open(tx):
            named_by = (case.phone_id, case.phone_hash)
            masked = phone.mask(tx.opened(case.phone, Ciphertext.PHONE, *named_by) or "")
            click.echo(f"{case.number}  {case.kind}  {case.opened_at:%Y-%m-%d %H:%M}  {masked}")


@cases.command(name="show")
@click.argument("number", type=str.upper)
def look(number: str) -> None:
    """Print what the person wrote and whose phone it is; the audit notes who looked."""
    with opened().writing() as tx:
        case = waiting.open_one(tx, number)
        if case is None:
            raise click.ClickException(f"{number} is no open case; see smsgw cases list")
        audit.note(tx, Act.LOOKED, audit.operator(), phone_id=case.phone_id, detail=case.number)
        case_text = waiting.case_text(tx, case)
    click.echo(f"{case_text.phone}\n{case_text.text}")


@cases.command()
@click.argument("number", type=str.upper)
def close(number: str) -> None:
    """Close the complaint NUMBER. STATUS NUMBER then says that it is closed."""
    with opened().writing() as tx:
        case = waiting.open_one(tx, number)
        if case is None or case.kind != CaseKind.COMPLAINT:
            raise click.ClickException(f"{number} is no open complaint; see smsgw cases list")
        waiting.close(tx, number)
        audit.note(
            tx, Act.CASE_CLOSED, audit.operator(), phone_id=case.phone_id, detail=case.number
        )
    click.echo(f"{number} is closed")


@cases.command()
@click.argument("number", type=str.upper)
def erase(number: str) -> None:
    """Carry out the data request NUMBER: delete all data of its phone, and notify the person."""
    try:
        retention.erase(opened(), number, audit.operator())
    except retention.NotErased as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{number} is carried out; the person is told by SMS, and by STATUS {number}")
