"""`smsgw notify`: count, run, pause and report notifications."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path

import click

from handlers.changes import NotificationKind
from handlers.ports import LedgerDown
from smsgw.backoffice import announcements, notifications
from smsgw.backoffice.notifications import NotDone, Preview
from smsgw.cli.installation import opened
from smsgw.notifications.runs import Announcement
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.tables.notifications import Audience, RunState

AWAY = "the ledger cannot be read now; try again later, or see smsgw doctor"
kind_argument = click.argument("kind", type=click.Choice([str(each) for each in NotificationKind]))
DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def notify() -> None:
    """Count, run, pause and report notifications."""


@notify.command()
@kind_argument
def plan(kind: str) -> None:
    """Count who would get a notification of KIND now. Nothing is sent."""
    rt = opened()
    try:
        _print(notifications.dry_run(rt, NotificationKind(kind), audit.operator()))
    except (NotDone, LedgerDown) as error:
        raise _failed(error) from None


@notify.command()
@kind_argument
@click.option("--approve", "run_id", type=int, help="Approve this run, which another started.")
def run(kind: str, run_id: int | None) -> None:
    """Switch KIND on, and look now for who gets one. The clock sends them, by day.

    Count first: smsgw notify plan. A run with many waits for a second person, who approves it by
    --approve.
    """
    rt, actor = opened(), audit.operator()
    try:
        if run_id is not None:
            approved = notifications.approve(rt, run_id, actor)
            click.echo(f"run {approved.id} is approved: {approved.found} are sent")
            return
        _switch_on(rt, NotificationKind(kind), actor)
        done = notifications.start(rt, NotificationKind(kind), actor)
    except (NotDone, LedgerDown) as error:
        raise _failed(error) from None
    if done is None:
        click.echo("nobody is to be told anything now")
        return
    click.echo(f"run {done.id}: {done.found} of {done.looked_at} are notified")
    if done.state is RunState.WAITING:
        click.echo(f"a second person has to approve: smsgw notify run {kind} --approve {done.id}")


@notify.command()
@kind_argument
@click.option("--resume", is_flag=True, help="Go on with what was paused.")
@click.option("--stop", is_flag=True, help="Switch KIND off, and drop all that is planned.")
def pause(kind: str, resume: bool, stop: bool) -> None:
    """Send no more of KIND for now, or with --stop for good. It takes effect within a second."""
    if resume and stop:
        raise click.UsageError("--resume and --stop exclude each other")
    rt, actor, which = opened(), audit.operator(), NotificationKind(kind)
    try:
        if stop:
            click.echo(f"{kind} is off; {notifications.stop(rt, which, actor)} were dropped")
        elif resume:
            notifications.resume(rt, which, actor)
            click.echo(f"{kind} goes on")
        else:
            notifications.pause(rt, which, actor)
            click.echo(f"{kind} is paused")
    except NotDone as error:
        raise _failed(error) from None


@notify.command()
@click.option("--days", type=click.IntRange(1, 400), default=30, help="How far back (30).")
def report(days: int) -> None:
    """Print what became of the notifications of each kind, and which runs wait for approval."""
    rt = opened()
    for each in notifications.report(rt, rt.now() - timedelta(days=days)):
        state = "paused" if each.state.is_paused else "on" if each.state.is_on else "off"
        told = ", ".join(f"{number} {name}" for name, number in sorted(each.counts.items()))
        click.echo(
            f"{each.state.kind:<13}{state:<7}{each.subscribers:>8} subscribed"
            f"{each.opted_out:>6} opted out  {told or 'none'}"
        )
    used, budget = notifications.budget_used(rt), rt.settings.notification_segments
    click.echo(f"today {used} of {budget} segments are used")
    for waiting in notifications.waiting(rt):
        click.echo(
            f"run {waiting.id} ({waiting.kind}, {waiting.found} found) waits for a second person: "
            f"smsgw notify run {waiting.kind} --approve {waiting.id}"
        )


@notify.command()
@kind_argument
@click.option("--id", "text_id", required=True, help="The text in Indonesian.")
@click.option("--en", "text_en", required=True, help="The text in English.")
@click.option("--office", help="Only participants of this office, by its code.")
@click.option("--program", help="Only participants of this programme, such as JHT.")
@click.option(
    "--list",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Only these participants: a file with one NKP in a line.",
)
@click.option("--until", type=DAY, help="The last day on which it is sent (in a week).")
def announce(
    kind: str,
    text_id: str,
    text_en: str,
    office: str | None,
    program: str | None,
    file: Path | None,
    until: datetime | None,
) -> None:
    """Announce something, once, to those who asked for notifications of KIND."""
    rt = opened()
    chosen = {Audience.OFFICE: office, Audience.PROGRAM: program, Audience.LIST: file}
    given = [audience for audience, each in chosen.items() if each is not None]
    if len(given) > 1:
        raise click.UsageError("--office, --program and --list exclude each other")
    audience = given[0] if given else Audience.ALL
    last = until.date() if until else rt.today + timedelta(days=7)
    ends = datetime.combine(last, time(23, 59), rt.settings.zone)
    told = Announcement(text_id, text_en, audience, office or program, ends)
    nkps = _nkps(file) if file else ()
    try:
        made = announcements.announce(rt, NotificationKind(kind), told, audit.operator(), nkps)
    except (NotDone, LedgerDown) as error:
        raise _failed(error) from None
    click.echo(f"run {made.id} looks for who is told; see smsgw notify report")


def _switch_on(rt: Runtime, kind: NotificationKind, actor: str) -> None:
    states = {each.kind: each for each in notifications.states(rt)}
    if not states[kind].is_on:
        notifications.switch_on(rt, kind, actor)


def _nkps(file: Path) -> Sequence[str]:
    read = announcements.read_list(file.read_text("utf-8-sig"))
    if read.wrong:
        raise click.ClickException(f"{file}: no NKP in line {', '.join(map(str, read.wrong[:10]))}")
    return read.nkps


def _print(preview: Preview) -> None:
    run = preview.run
    click.echo(f"{preview.number} of {run.looked_at} subscribers would get one now")
    rupiah = f"{preview.rupiah:,}".replace(",", ".")
    click.echo(f"{preview.segments} segments, Rp{rupiah}")
    for number, text in preview.samples:
        click.echo(f"{number}  {text}")


def _failed(error: NotDone | LedgerDown) -> click.ClickException:
    return click.ClickException(AWAY if isinstance(error, LedgerDown) else str(error))
