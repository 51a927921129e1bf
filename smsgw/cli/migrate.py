"""`smsgw migrate`: bring the database up to date."""

import click
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from smsgw import runtime
from smsgw import settings as environment
from smsgw.ledger_access import is_service
from smsgw.operations import startup
from smsgw.storage import engines
from smsgw.storage import migrations as migrations


@click.command()
@click.option("--ledger", is_flag=True, help="The ledger's schema, in LEDGER_URL.")
def migrate(ledger: bool) -> None:
    """Bring the service database up to date; the ledger's schema too where both are one."""
    settings = environment.load()
    rt = runtime.build(settings)  # a new installation's key is there before its database
    try:
        if not ledger:
            migrations.upgrade(engines.engine(settings.service_url), "service")
        if ledger and is_service(settings.ledger_url):
            raise click.ClickException(
                "LEDGER_URL is a service: it has no schema of ours to migrate"
            )
        if ledger or settings.ledger_url is None:
            migrations.upgrade(engines.engine(settings.participant_ledger_url), "ledger")
        startup.check_key(rt)
    except CommandError as error:
        raise click.ClickException(
            f"the database cannot be migrated: {error}; start the version that it is for"
        ) from None
    except (migrations.TablesInUse, migrations.NoSchemaHere) as error:
        raise click.ClickException(str(error)) from None
    except SQLAlchemyError as error:
        what = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        raise click.ClickException(
            f"the database cannot be used: {what}; check its address and rights"
        ) from None
