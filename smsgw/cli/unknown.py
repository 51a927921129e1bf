"""`smsgw unknown`: resend or close sends that the carrier has not confirmed."""

from datetime import timedelta

import click

from smsgw import phone
from smsgw.cli.installation import opened
from smsgw.messaging import reconciliation
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.transaction import Transaction

ID = click.IntRange(1, 2**63 - 1)


@click.group()
def unknown() -> None:
    """List, resend or close replies whose send outcome is unknown."""


@unknown.command(name="list")
def show() -> None:
    """Print each unknown send: its id, when it was tried (UTC), how often, by which carrier, to
    whom."""
    with opened().reading() as tx:
        for each in reconciliation.all_open(tx):
            to = phone.mask(each.sms.recipient)
            click.echo(
                f"{each.reply_id}  {each.began:%Y-%m-%d %H:%M:%S}  {each.carrier}  {to}"
                f"  attempts={each.attempts}"
            )


@unknown.command()
@click.argument("reply_ids", type=ID, nargs=-1, required=True)
def resend(reply_ids: tuple[int, ...]) -> None:
    """Send REPLY_IDS again; their recipients may then have them twice."""
    _decide(reply_ids, resend=True)


@unknown.command()
@click.argument("reply_ids", type=ID, nargs=-1, required=True)
def close(reply_ids: tuple[int, ...]) -> None:
    """Give up on REPLY_IDS."""
    _decide(reply_ids, resend=False)


def _decide(reply_ids: tuple[int, ...], *, resend: bool) -> None:
    rt = opened()
    lasts = rt.settings.validity if resend else None
    with rt.writing() as tx:
        undecided = [each for each in reply_ids if not _decide_one(tx, each, lasts)]
    for each in reply_ids:
        if each not in undecided:
            click.echo(f"{each} is {'sent again' if resend else 'closed'}")
    if undecided:
        numbers = ", ".join(map(str, undecided))
        raise click.ClickException(f"not unresolved: {numbers}; see smsgw unknown list")


def _decide_one(tx: Transaction, reply_id: int, lasts: timedelta | None) -> bool:
    act = Act.CLOSED if lasts is None else Act.RESENT
    is_decided = reconciliation.decide(tx, reply_id, resend_for=lasts)
    if is_decided:
        audit.note(tx, act, audit.operator(), detail=f"reply {reply_id}")
    return is_decided
