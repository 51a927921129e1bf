"""`smsgw cases`: list and handle complaints and requests about data."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from handlers.changes import CaseKind
from smsgw import personal_data, phone
from smsgw.backoffice import access_requests
from smsgw.backoffice.access_requests import NotHandedOut
from smsgw.cli.installation import opened
from smsgw.operations import jobs, retention
from smsgw.registry import cases as waiting
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.security import Ciphertext


@click.group()
def cases() -> None:
    """List and handle complaints and data-protection requests."""


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
    """Close the complaint or access request NUMBER. STATUS NUMBER then says that it is closed."""
    with opened().writing() as tx:
        case = waiting.open_one(tx, number)
        if case is None or case.kind == CaseKind.DATA_REQUEST:
            raise click.ClickException(
                f"{number} is no open complaint or access request; see smsgw cases list"
            )
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


def _without_personal_data(_ctx: click.Context, _param: click.Parameter, reason: str) -> str:
    if not reason.strip():
        raise click.BadParameter("it is empty; say why, for the audit log")
    if personal_data.may_identify(reason):
        raise click.BadParameter("it may identify somebody; the audit log is kept for ever")
    return reason.strip()


_reason = click.option(
    "--reason",
    required=True,
    callback=_without_personal_data,
    help="Why, as the audit log says it.",
)


@cases.command()
@click.argument("number", type=str.upper)
@_reason
@click.option(
    "--to",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to make; it must not exist.",
)
def export(number: str, reason: str, file: Path) -> None:
    """Make the copy that the access request NUMBER asks for, as a JSON file for you alone.

    The first call asks for it. Once a second person has approved, call it again within a day.
    """
    rt, actor = opened(), audit.operator()
    try:
        waits_for = access_requests.ask_unless_approved(rt, number, actor, reason)
        if waits_for is not None:
            raise click.ClickException(f"nothing was written: {waits_for}")
        with _new_file(file) as to:
            copy = access_requests.make_copy(rt, number, actor, reason)
            to.write(copy.text)
    except NotHandedOut as error:
        raise click.ClickException(str(error)) from None
    if copy.sent is not None:
        jobs.hint(rt, copy.sent.carrier, copy.sent.sender_id)
    for name, count in copy.counts.items():
        click.echo(f"{count:>6}  {name}")
    click.echo(f"{number} is closed, and {file} is for that person alone: delete it afterwards")


@cases.command(name="approve-export")
@click.argument("number", type=str.upper)
@_reason
def approve_export(number: str, reason: str) -> None:
    """Approve the copy for the access request NUMBER that another person asked for."""
    try:
        asked_by = access_requests.approve(opened(), number, audit.operator(), reason)
    except NotHandedOut as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{asked_by} may make the copy for {number} within a day")


@contextmanager
def _new_file(file: Path) -> Iterator[TextIO]:
    """Makes a file that only its owner can read, and removes it if it could not be filled."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.ClickException(f"{file} exists, and is not overwritten") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as opened_file:
            yield opened_file
    except BaseException:
        file.unlink()
        raise
