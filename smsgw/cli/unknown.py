"""`smsgw unknown`: an operator's word on sends of which nobody knows whether they went out."""

from datetime import timedelta

import click

from smsgw import audit, phone, runtime, settings, unknowns
from smsgw.audit import Act
from smsgw.runtime import Transaction


@click.group()
def unknown() -> None:
    """Replies that may or may not have gone out."""


@unknown.command(name="list")
def show() -> None:
    """Print each: its id, when it was tried (UTC), how often, by which carrier, to whom."""
    with runtime.build(settings.load()).reading() as tx:
        for each in unknowns.all_open(tx):
            to = phone.mask(each.sms.recipient)
            click.echo(
                f"{each.reply_id}  {each.began:%Y-%m-%d %H:%M:%S}  {each.carrier}  {to}"
                f"  attempts={each.attempts}"
            )


@unknown.command()
@click.argument("reply_ids", type=int, nargs=-1, required=True)
def resend(reply_ids: tuple[int, ...]) -> None:
    """Send REPLY_IDS again; their recipients may then have them twice."""
    _decide(reply_ids, resend=True)


@unknown.command()
@click.argument("reply_ids", type=int, nargs=-1, required=True)
def close(reply_ids: tuple[int, ...]) -> None:
    """Let REPLY_IDS be."""
    _decide(reply_ids, resend=False)


def _decide(reply_ids: tuple[int, ...], *, resend: bool) -> None:
    rt = runtime.build(settings.load())
    lasts = rt.settings.validity if resend else None
    with rt.writing() as tx:
        undecided = [each for each in reply_ids if not _decide_one(tx, each, lasts)]
    if undecided:
        told = ", ".join(map(str, undecided))
        raise click.ClickException(f"nobody is in doubt about {told}; see smsgw unknown list")


def _decide_one(tx: Transaction, reply_id: int, lasts: timedelta | None) -> bool:
    act = Act.CLOSED if lasts is None else Act.RESENT
    is_decided = unknowns.decide(tx, reply_id, resend_for=lasts)
    if is_decided:
        audit.note(tx, act, audit.operator(), detail=f"reply {reply_id}")
    return is_decided
