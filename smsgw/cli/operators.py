"""`smsgw operators`: manage who may use the console. Passwords are asked for, or read from
stdin."""

import sys

import click

from smsgw.backoffice import accounts as people
from smsgw.backoffice.accounts import AccountError
from smsgw.cli.installation import opened
from smsgw.storage import audit
from smsgw.storage.tables.operators import Role

ROLE = click.Choice([str(role) for role in Role])


@click.group()
def operators() -> None:
    """Manage who may use the console."""


@operators.command()
@click.argument("name")
@click.option("--role", type=ROLE, required=True)
def add(name: str, role: str) -> None:
    """Add NAME, who logs in with a password."""
    rt = opened()
    try:
        hashed = people.hash_password(_password(), rt.passwords)
        with rt.writing() as tx:
            people.add(tx, name, Role(role), hashed, audit.operator())
    except AccountError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{name} may log in at /console/ as {role}")


@operators.command(name="list")
def show() -> None:
    """Print each operator: the name, the role, since when (UTC), and whether it is disabled."""
    with opened().reading() as tx:
        for row in people.list_accounts(tx):
            ended = f"  disabled {row.disabled_at:%Y-%m-%d}" if row.disabled_at else ""
            click.echo(f"{row.name}  {row.role}  {row.made_at:%Y-%m-%d}{ended}")


@operators.command()
@click.argument("name")
def disable(name: str) -> None:
    """Disable NAME and end their sessions."""
    try:
        with opened().writing() as tx:
            people.disable(tx, name, audit.operator())
    except AccountError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{name} is disabled")


@operators.command()
@click.argument("name")
def reset(name: str) -> None:
    """Change NAME's password and end their sessions."""
    rt = opened()
    try:
        hashed = people.hash_password(_password(), rt.passwords)
        with rt.writing() as tx:
            people.set_password(tx, name, hashed, audit.operator())
    except AccountError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"password changed for {name}")


def _password() -> str:
    if sys.stdin.isatty():
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return given
    return sys.stdin.readline().rstrip("\n")
