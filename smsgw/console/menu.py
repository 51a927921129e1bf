"""Defines the console's menu: its sections, their tabs, and who sees which."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, request

from smsgw.backoffice.accounts import Permission
from smsgw.console import access


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab is all pages of one blueprint; `view` is the first of them."""

    blueprint: Blueprint
    name: str
    permission: Permission = Permission.LOOK
    view: str = "show"

    @property
    def endpoint(self) -> str:
        return f"console.{self.blueprint.name}.{self.view}"

    @property
    def is_here(self) -> bool:
        here = (request.endpoint or "").rpartition(".")[0]
        return here == self.endpoint.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Section:
    """Describes an entry of the menu. If it has several tabs, each of its pages shows them."""

    name: str
    tabs: tuple[Tab, ...]


MENU = (
    Section("Overview", (Tab("console.overview.show", "Overview"),)),
    Section(
        "Messages",
        (
            Tab("console.messages.log", "Messages"),
            Tab("console.searches.show", "Search texts", Permission.HELP),
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
            Tab("console.not_understood.show", "Unrecognised messages"),
            Tab("console.rehearsal.show", "Backtest"),
        ),
    ),
    Section(
        "Test phone",
        (Tab("console.tryout.show", "Phone"), Tab("console.kept.show", "Transcripts")),
    ),
    Section(
        "Operators",
        (
            Tab("console.operators.show", "Operators", Permission.RUN),
            Tab("console.audited.show", "Audit log", Permission.RUN),
            Tab("console.installed.show", "Settings", Permission.RUN),
        ),
    ),
)

    def sections(self) -> list[tuple[str, Tab, bool]]:
        """Lists what this operator may see: name, first tab, and whether this page is in it."""
        seen = [(each.name, _for_them(each)) for each in self.entries]
        return [(name, tabs[0], any(tab.is_here for tab in tabs)) for name, tabs in seen if tabs]

def sections() -> list[tuple[str, Tab, bool]]:
    """Returns each visible entry: its name, its first tab, and whether this page is in it."""
    visible = [(each.name, _for_them(each)) for each in MENU]
    return [(name, tabs[0], any(tab.is_here for tab in tabs)) for name, tabs in visible if tabs]


def tabs() -> list[Tab]:
    """Returns the tabs of this page's section; none if there would be only one."""
    here = [_for_them(each) for each in MENU if any(tab.is_here for tab in each.tabs)]
    return here[0] if here and len(here[0]) > 1 else []


def _for_them(section: Section) -> list[Tab]:
    return [tab for tab in section.tabs if access.may(tab.permission)]
