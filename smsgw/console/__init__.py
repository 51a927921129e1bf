"""Builds the operators' console. Every page works without scripts; htmx swaps parts of them.

access.py decides who may see what, translations.py holds the Indonesian, and rendering.py formats
values. Each folder is a section of the menu, and each of its files a page, with its tab.
"""

from flask import Flask

from smsgw.console import access, login, overview, rendering
from smsgw.console.admin import accounts, audit_log, settings
from smsgw.console.keywords import (
    background,
    backtests,
    draft,
    keyword,
    tables,
    topics,
    unrecognised,
    versions,
    word_lists,
    wordings,
)
from smsgw.console.menu import Menu, Section
from smsgw.console.messages import log, text_searches
from smsgw.console.notifications import announcements, kinds, runs
from smsgw.console.reference import holidays, ledger_tables
from smsgw.console.sandbox import phone, transcripts
from smsgw.console.waiting import (
    access_requests,
    complaints,
    data_requests,
    lockouts,
    registrations,
    unknown_sends,
)
from smsgw.runtime import Runtime

MENU = Menu(
    (
        Section("Overview", (overview.TAB,)),
        Section("Messages", (log.TAB, text_searches.TAB)),
        Section(
            "People waiting",
            (
                registrations.TAB,
                complaints.TAB,
                data_requests.TAB,
                access_requests.TAB,
                lockouts.TAB,
                unknown_sends.TAB,
            ),
        ),
        Section(
            "Keywords",
            (
                keyword.TAB,
                wordings.TAB,
                tables.TAB,
                word_lists.TAB,
                topics.TAB,
                draft.TAB,
                versions.TAB,
                unrecognised.TAB,
                backtests.TAB,
                background.TAB,
            ),
        ),
        Section("Notifications", (kinds.TAB, runs.TAB, announcements.TAB)),
        Section(
            "Reference data",
            (
                ledger_tables.OFFICES,
                ledger_tables.RATES,
                ledger_tables.CONTACTS,
                holidays.TAB,
            ),
        ),
        Section("Test phone", (phone.TAB, transcripts.TAB)),
        Section("Operators", (accounts.TAB, audit_log.TAB, settings.TAB)),
    )
)

access.blueprint.register_blueprint(login.blueprint)
for _section in MENU.entries:
    for _tab in _section.tabs:
        access.blueprint.register_blueprint(_tab.blueprint)


def add_to(app: Flask, rt: Runtime) -> None:
    """Adds the pages under /console/."""
    rendering.set_up(app, rt, MENU)
    access.set_up(app, rt)
