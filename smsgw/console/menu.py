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


@dataclass(frozen=True, slots=True)
class Menu:
    entries: Sequence[Section]

    def sections(self) -> list[tuple[str, Tab, bool]]:
        """Lists what this operator may see: name, first tab, and whether this page is in it."""
        seen = [(each.name, _for_them(each)) for each in self.entries]
        return [(name, tabs[0], any(tab.is_here for tab in tabs)) for name, tabs in seen if tabs]

    def tabs(self) -> list[Tab]:
        """Lists those of this page's section, if there are several."""
        here = [_for_them(each) for each in self.entries if any(tab.is_here for tab in each.tabs)]
        return here[0] if here and len(here[0]) > 1 else []


def _for_them(section: Section) -> list[Tab]:
    return [tab for tab in section.tabs if access.may(tab.permission)]
