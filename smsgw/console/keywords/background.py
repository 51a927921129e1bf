"""Shows how many of the operators' private messages would be taken for ours, and replaces them."""

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from smsgw.backoffice.accounts import Permission
from smsgw.configuration import background, background_file, lint, versions
from smsgw.configuration.background import MOST_MESSAGES, NotPrivateMessages
from smsgw.console import access
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page, translate_fault

blueprint = Blueprint("background", __name__, url_prefix="/private-messages")
TAB = Tab(blueprint, "Private messages")
Answer = str | Response | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _page()


@blueprint.post("/")
@access.needs(Permission.DRAFT)
def save() -> Answer:
    file = request.files.get("file")
    if file is None or not file.filename:
        return _page(_("Choose a file first.")), 400
    try:
        text = file.read().decode("utf-8-sig")
        with access.rt().writing() as tx:
            count = background_file.save(tx, text, access.operator().actor)
    except UnicodeDecodeError:
        return _page(_("Nothing was changed: the file is not UTF-8.")), 400
    except NotPrivateMessages as error:
        return _page(translate_fault(str(error))), 400
    flash(_("{count} private messages are stored.", count=count))
    return redirect(url_for(".show"), 303)


@blueprint.post("/delete")
@access.needs(Permission.DRAFT)
def delete() -> Answer:
    with access.rt().writing() as tx:
        background_file.remove(tx, access.operator().actor)
    flash(_("The private messages are deleted."))
    return redirect(url_for(".show"), 303)


def _page(error: str | None = None) -> str:
    with access.rt().reading() as tx:
        stored = background_file.current(tx)
        draft, answering = versions.draft(tx), versions.current(tx)
    read = lint.of((draft or answering).raw).publishable
    found = background.judge(read, stored.messages) if stored and read else None
    return page(
        "keywords/background.html",
        stored=stored,
        found=found,
        is_draft=draft is not None,
        most=MOST_MESSAGES,
        error=error,
    )
