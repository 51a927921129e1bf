"""The console's menu: its sections, their tabs, and who sees which."""

from dataclasses import dataclass

from flask import request

from smsgw.backoffice.accounts import Permission
from smsgw.console import access


@dataclass(frozen=True, slots=True)
class Tab:
    endpoint: str
    name: str
    permission: Permission = Permission.LOOK

    @property
    def is_here(self) -> bool:
        """A blueprint is a tab."""
        here = (request.endpoint or "").rpartition(".")[0]
        return here == self.endpoint.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the menu; its tabs are shown on each of its pages, where it has several."""

    name: str
    tabs: tuple[Tab, ...]


MENU = (
    Section("Overview", (Tab("console.overview.show", "Overview"),)),
    Section(
        "Messages",
        (
            Tab("console.messages.log", "Messages"),
            Tab("console.searches.show", "Words of a day", Permission.HELP),
        ),
    ),
    Section(
        "People waiting",
        (
            Tab("console.registrations.show", "Registrations"),
            Tab("console.complaints.show", "Complaints"),
            Tab("console.data_requests.show", "Data requests"),
            Tab("console.locked.show", "Locked"),
            Tab("console.sends.show", "Unknown sends"),
        ),
    ),
    Section(
        "Keywords",
        (
            Tab("console.keywords.show", "Keywords"),
            Tab("console.wordings.show", "Wordings"),
            Tab("console.tables.show", "Tables"),
            Tab("console.draft.show", "Draft"),
            Tab("console.versions.show", "Versions"),
            Tab("console.not_understood.show", "Unknown messages"),
            Tab("console.rehearsal.show", "Rehearsal"),
        ),
    ),
    Section(
        "Try-out",
        (Tab("console.tryout.show", "Phone"), Tab("console.kept.show", "Transcripts")),
    ),
    Section(
        "Operators",
        (
            Tab("console.operators.show", "Operators", Permission.RUN),
            Tab("console.audited.show", "Audit", Permission.RUN),
            Tab("console.installed.show", "Settings", Permission.RUN),
        ),
    ),
)


def sections() -> list[tuple[str, Tab, bool]]:
    """Of the menu, for who looks: its name, its first tab, and whether this page is in it."""
    seen = [(each.name, _for_them(each)) for each in MENU]
    return [(name, tabs[0], any(tab.is_here for tab in tabs)) for name, tabs in seen if tabs]


def tabs() -> list[Tab]:
    """Of this page's section; none where it would be one."""
    here = [_for_them(each) for each in MENU if any(tab.is_here for tab in each.tabs)]
    return here[0] if here and len(here[0]) > 1 else []


def _for_them(section: Section) -> list[Tab]:
    return [tab for tab in section.tabs if access.may(tab.permission)]
