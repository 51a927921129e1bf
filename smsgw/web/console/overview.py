"""The first page: what goes on, what it costs, who waits."""

from flask import Blueprint

from smsgw.backoffice.accounts import Permission
from smsgw.operations import dashboard
from smsgw.web.console import guard
from smsgw.web.console.shown import is_part, page

blueprint = Blueprint("overview", __name__)


@blueprint.get("/")
@guard.needs(Permission.LOOK)
def show() -> str:
    told = dashboard.overview(guard.rt())
    template = "_overview.html" if is_part() else "overview.html"
    return page(template, told=told, kinds=dashboard.KINDS, cost=guard.rt().settings.segment_rupiah)


@blueprint.get("/alarms")
@guard.needs(Permission.LOOK)
def alarms() -> str:
    """What stands on top of every page, which asks for it again and again: a session that nobody
    uses ends all the same."""
    return page("_alarms.html")
