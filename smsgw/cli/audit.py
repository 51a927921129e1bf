"""`smsgw audit`: check that the audit log is complete, and that other rows are ours."""

from itertools import islice

import click

from smsgw.cli.installation import opened
from smsgw.operations import audit_chain, integrity
from smsgw.operations.audit_chain import Head, NoHead
from smsgw.storage import keys


@click.group()
def audit() -> None:
    """Check the record of disclosures and of operators' acts."""


@audit.command()
def head() -> None:
    """Print the last seal. Store it elsewhere: `verify --head` checks that it still holds."""
    with opened().reading() as tx:
        click.echo(str(audit_chain.head(tx)))


@audit.command()
@click.option("--head", "known", help="A head that was printed, or logged, before.")
def verify(known: str | None) -> None:
    """Read the whole audit, every row that grants or denies something, and every sealed text.

    Exit 1 where one was changed, removed, moved or added, or a row of the audit is not sealed in
    time.
    """
    try:
        expected = Head.read(known) if known is not None else None
    except NoHead as error:
        raise click.ClickException(str(error)) from None
    rt = opened()
    with rt.reading(streams=True) as tx:
        found = audit_chain.verify(tx, expected)
        others = integrity.findings(tx, keys.key_wrapper(rt.settings), rt.rows_since)
        findings = [*found.findings, *islice(others, audit_chain.FINDINGS)]
    for finding in findings:
        click.echo(finding)
    if found.unsealed:
        shown = ", ".join(map(str, found.unsealed[:20]))
        click.echo(f"{len(found.unsealed)} rows are not sealed yet (ids {shown})")
    if found.is_late:
        click.echo("some of them wait for longer than a minute: is `smsgw clock` running?")
    if findings or found.is_late:
        raise SystemExit(1)
    click.echo(f"{found.head.number} rows verified; head {found.head}")
