"""Shows the first page: traffic, cost, and who waits."""

from flask import Blueprint

from smsgw.backoffice.accounts import Permission
from smsgw.console import access
from smsgw.console.menu import Tab
from smsgw.console.rendering import is_htmx, page
from smsgw.messaging import service_level
from smsgw.operations import dashboard
from smsgw.registry import holidays

blueprint = Blueprint("overview", __name__)
TAB = Tab(blueprint, "Overview")


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    overview = dashboard.overview(access.rt())
    template = "_overview.html" if is_htmx() else "overview.html"
    return page(
        template,
        overview=overview,
        kinds=dashboard.KINDS,
        goals=service_level.GOALS,
        cost=access.rt().settings.segment_rupiah,
        year_without_holidays=_year_without_holidays(),
    )


def _year_without_holidays() -> int | None:
    rt = access.rt()
    with rt.reading() as tx:
        return holidays.missing_year(tx, rt.today, rt.settings.holidays)


@blueprint.get("/alarms")
@access.needs(Permission.LOOK)
def alarms() -> str:
    """Shows the alarms on top of every page, which asks for them regularly; that does not keep an
    unused session alive."""
    return page("_alarms.html")
