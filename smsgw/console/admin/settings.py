"""Shows admins the settings of this installation."""

from flask import Blueprint

from smsgw import settings
from smsgw.backoffice.accounts import Permission
from smsgw.console import access
from smsgw.console.menu import Tab
from smsgw.console.rendering import page

blueprint = Blueprint("installed", __name__, url_prefix="/settings")
TAB = Tab(blueprint, "Settings", Permission.RUN)


@blueprint.get("/")
@access.needs(Permission.RUN)
def show() -> str:
    return page("admin/settings.html", rows=settings.rows(access.rt().settings))
