"""`smsgw unknown`: an operator's word on sends of which nobody knows whether they went out."""

import click

from smsgw import logs, phone, runtime, settings, unknowns


@click.group()
def unknown() -> None:
    """Replies that may or may not have gone out."""
    logs.set_up()


@unknown.command(name="list")
def show() -> None:
    """Print each: its id, when it was tried, how often, by which carrier, to whom."""
    with runtime.build(settings.load()).reading() as tx:
        for each in unknowns.all_open(tx):
            to = phone.mask(each.sms.recipient)
            click.echo(
                f"{each.reply_id}  {each.began:%Y-%m-%d %H:%M:%S}  {each.carrier}  {to}"
                f"  attempts={each.attempts}"
            )


@unknown.command()
@click.argument("reply_id", type=int)
def resend(reply_id: int) -> None:
    """Send REPLY_ID again; its recipient may then have it twice."""
    _decide(reply_id, resend=True)


@unknown.command()
@click.argument("reply_id", type=int)
def close(reply_id: int) -> None:
    """Let REPLY_ID be."""
    _decide(reply_id, resend=False)


def _decide(reply_id: int, *, resend: bool) -> None:
    with runtime.build(settings.load()).writing() as tx:
        is_done = unknowns.decide(tx, reply_id, resend=resend)
    if not is_done:
        raise click.ClickException(f"nobody is in doubt about reply {reply_id}")
