"""The operators' console: every page whole and working without scripts; htmx swaps parts of them.

access.py decides who may see what, translations.py holds the Indonesian, and rendering.py formats
values. Each folder is a section of the menu, and each of its files a page.
"""

from flask import Flask

from smsgw.console import access, login, overview, rendering
from smsgw.console.admin import accounts, audit_log
from smsgw.console.keywords import (
    backtests,
    draft,
    keyword,
    tables,
    unrecognised,
    versions,
    wordings,
)
from smsgw.console.messages import log, text_searches
from smsgw.console.sandbox import phone, transcripts
from smsgw.console.waiting import complaints, lockouts, registrations, unknown_sends
from smsgw.runtime import Runtime

for _pages in (
    login.blueprint,
    overview.blueprint,
    log.blueprint,
    text_searches.blueprint,
    backtests.blueprint,
    registrations.blueprint,
    phone.blueprint,
    transcripts.blueprint,
    draft.blueprint,
    versions.blueprint,
    keyword.blueprint,
    wordings.blueprint,
    tables.blueprint,
    complaints.complaints,
    complaints.requests,
    lockouts.blueprint,
    unknown_sends.blueprint,
    unrecognised.blueprint,
    accounts.blueprint,
    audit_log.blueprint,
    accounts.installed,
):
    access.blueprint.register_blueprint(_pages)


def add_to(app: Flask, rt: Runtime) -> None:
    """The pages under /console/."""
    rendering.set_up(app, rt)
    access.set_up(app, rt)
