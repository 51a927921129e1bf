"""`smsgw keywords`: check, export and import the operators' configuration as YAML."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from smsgw import settings
from smsgw.cli.installation import opened
from smsgw.configuration import background, background_file, document, lint, versions
from smsgw.configuration.background import NotPrivateMessages, PrivateMessage
from smsgw.configuration.document import Document, KeywordsError, RawDocument
from smsgw.configuration.versions import NotPublished
from smsgw.runtime import Runtime
from smsgw.storage import audit

FILE = click.Path(dir_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def keywords() -> None:
    """Manage keywords, wordings and budgets."""


@keywords.command()
@click.argument("file", type=EXISTING)
@click.option(
    "--background",
    "private",
    type=EXISTING,
    help="Private messages, one a line, none of which is meant for us.",
)
def check(file: Path, private: Path | None) -> None:
    """Say what is wrong with FILE; exit 1 where it may not be published."""
    found = lint.check(_text(file))
    messages = _private_messages(_text(private)) if private else ()
    for fault in found.faults:
        click.echo(fault)
    if found.faults:
        raise SystemExit(1)
    for warning in found.warnings:
        click.echo(f"warning: {warning}")
    if messages and found.publishable is not None:
        _tell_taken(found.publishable, messages)
    click.echo("this configuration can be published")


@keywords.command(name="background")
@click.argument("file", type=EXISTING, required=False)
@click.option("--delete", "is_gone", is_flag=True, help="Delete what is stored.")
def store(file: Path | None, is_gone: bool) -> None:
    """Store the private messages in FILE, one a line.

    Each draft is checked against them before it is published. Lines that begin with # are left out.
    FILE replaces what was stored before.
    """
    if (file is None) != is_gone:
        raise click.UsageError("name a FILE, or --delete what is stored")
    rt, actor = opened(), audit.operator()
    if file is None:
        with rt.writing() as tx:
            is_there = background_file.remove(tx, actor)
        click.echo("the private messages are deleted" if is_there else "there are none")
        return
    text = _text(file)
    _private_messages(text)
    with rt.writing() as tx:
        count = background_file.save(tx, text, actor)
    click.echo(f"{count} private messages are stored")


@keywords.command()
@click.argument("file", type=FILE)
@click.option("--draft", is_flag=True, help="The draft, not what is published.")
def export(file: Path, draft: bool) -> None:
    """Write the published configuration to FILE; without an installation, the shipped one."""
    file.write_text(_exported_text(draft), "utf-8")


@keywords.command(name="import")
@click.argument("file", type=EXISTING)
@click.option("--draft", "only_draft", is_flag=True, help="Make it the draft, and no more.")
@click.option("--reason", help="Why; it stands beside the version. [default: FILE]")
@click.option("--yes", is_flag=True, help="Publish what may be a slip without asking.")
def bring(file: Path, only_draft: bool, reason: str | None, yes: bool) -> None:
    """Publish the configuration in FILE; with SMSGW_PUBLISH_BY_TWO make it the draft.

    At a terminal it asks about values that a wording no longer tells, about words that now change
    something, and about private messages that are taken for ours; elsewhere it publishes, and
    names them.
    """
    text, rt, actor = _text(file), opened(), audit.operator()
    raw, read = _checked(text)
    if not (only_draft or yes or rt.settings.publish_by_two):
        _confirm(rt, read)
    try:
        with rt.writing() as tx:
            draft = versions.draft(tx)
            if draft is not None:
                who = ", ".join(draft.authors)
                raise NotPublished(f"there is a draft by {who}; publish or discard that first")
            versions.save(tx, raw, 0, actor, file.name)
            saved_draft = versions.draft(tx)
            if saved_draft is None or only_draft or rt.settings.publish_by_two:
                click.echo("this is the draft now; another person publishes it in the console")
                return
            why = reason or file.name
            number = versions.publish(tx, saved_draft.edition, actor, why)
    except (NotPublished, KeywordsError) as error:
        raise click.ClickException(str(error)) from None
    except versions.Outdated:
        raise click.ClickException("someone has just changed the draft; try again") from None
    for warning in lint.unreviewed(read):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"version {number} is published")


def _checked(text: str) -> tuple[RawDocument, Document]:
    """Returns what may be published, as it is written and as it is read."""
    try:
        raw = document.loads(text)
    except KeywordsError as error:
        raise click.ClickException(str(error)) from None
    found = lint.of(raw)
    if found.publishable is None:
        raise click.ClickException("\n".join(found.faults))
    return raw, found.publishable


def _confirm(rt: Runtime, read: Document) -> None:
    with rt.reading() as tx:
        answering, private = versions.current(tx), background_file.messages(tx)
    doubts = versions.doubts(answering, read, private)
    for doubt in doubts:
        click.echo(f"warning: {doubt}", err=True)
    if doubts and sys.stdin.isatty():
        click.confirm("Do you mean this?", abort=True, err=True)


def _private_messages(text: str) -> Sequence[PrivateMessage]:
    try:
        return background.parse(text)
    except NotPrivateMessages as error:
        raise click.ClickException(f"the private messages: {error}") from None


def _tell_taken(read: Document, messages: Sequence[PrivateMessage]) -> None:
    """Says how many private messages are taken for ours, and by what; never what they say."""
    found = background.judge(read, messages)
    for doubt in found.doubts():
        click.echo(f"warning: {doubt}")
    share = 100 * len(found.taken) / found.total
    click.echo(
        f"{len(found.taken)} of {found.total} private messages ({share:.1f} %) are taken for ours"
    )
    for taker, count in found.takers:
        click.echo(f"  {count} {taker}")


def _exported_text(is_draft: bool) -> str:
    loaded = settings.load()
    if loaded.is_embedded and not loaded.database_file.exists():
        return document.shipped_text()
    with opened().reading() as tx:
        draft = versions.draft(tx) if is_draft else None
        if is_draft and draft is None:
            raise click.ClickException("there is no draft")
        return draft.text if draft else versions.current(tx).text


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise click.ClickException(f"{file} is not UTF-8") from None
