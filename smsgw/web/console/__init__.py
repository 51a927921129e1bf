"""The operators' console: every page whole and working without scripts; htmx swaps parts of them.

guard.py lets in, words.py speaks Indonesian, shown.py shows values; the rest are pages, one file a
menu entry.
"""

from flask import Flask

from smsgw.runtime import Runtime
from smsgw.web.console import (
    audited,
    cases,
    draft,
    guard,
    kept,
    keywords,
    locked,
    login,
    messages,
    not_understood,
    operators,
    overview,
    registrations,
    rehearsal,
    searches,
    sends,
    shown,
    tables,
    tryout,
    versions,
    wordings,
)

for _pages in (
    login.blueprint,
    overview.blueprint,
    messages.blueprint,
    searches.blueprint,
    rehearsal.blueprint,
    registrations.blueprint,
    tryout.blueprint,
    kept.blueprint,
    draft.blueprint,
    versions.blueprint,
    keywords.blueprint,
    wordings.blueprint,
    tables.blueprint,
    cases.complaints,
    cases.requests,
    locked.blueprint,
    sends.blueprint,
    not_understood.blueprint,
    operators.blueprint,
    audited.blueprint,
    operators.installed,
):
    guard.blueprint.register_blueprint(_pages)


def add_to(app: Flask, rt: Runtime) -> None:
    """The pages under /console/."""
    shown.set_up(app, rt)
    guard.set_up(app, rt)
