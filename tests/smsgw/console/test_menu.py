"""The menu and its tabs show who looks what they may see, and where they are."""

import pkgutil
import re
from importlib import import_module

from flask import Blueprint

from smsgw import console
from smsgw.console import access, login
from smsgw.console.menu import Tab
from smsgw.storage.tables.operators import Role
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor

MENU = re.compile(r'<ul class="menu">(.*?)</ul>', re.DOTALL)
TABS = re.compile(r'<ul class="tabs">(.*?)</ul>', re.DOTALL)
ENTRY = re.compile(r'<a href="([^"]+)"( aria-current="page")?>([^<]+)</a>')


def entries(visitor: Visitor, part: re.Pattern[str]) -> dict[str, bool]:
    """Returns, for each name, whether it is the page that was visited last."""
    found = part.search(visitor.page)
    return {name: bool(here) for _, here, name in ENTRY.findall(found[1])} if found else {}


def test_a_viewer_sees_no_section_and_no_tab_of_others(as_: As) -> None:
    viewer, admin = as_(Role.VIEWER), as_(Role.ADMIN)
    for visitor in (viewer, admin):
        visitor.get("/console/messages/")
    assert "Operators" not in entries(viewer, MENU)
    assert "Operators" in entries(admin, MENU)
    assert "Search texts" not in entries(viewer, TABS)
    assert "Search texts" in entries(admin, TABS)


def test_the_section_and_the_tab_of_a_page_are_marked(as_: As) -> None:
    admin = as_(Role.ADMIN)
    admin.get("/console/waiting/locked/")
    assert [name for name, here in entries(admin, MENU).items() if here] == ["People waiting"]
    assert [name for name, here in entries(admin, TABS).items() if here] == ["Locked"]


def test_every_tab_opens_its_page(as_: As) -> None:
    admin, seen = as_(Role.ADMIN), 0
    admin.get("/console/")
    for section, _, _ in ENTRY.findall(MENU.findall(admin.page)[0]):
        admin.get(section)
        for address, _, name in ENTRY.findall("".join(TABS.findall(admin.page))):
            assert admin.get(address).status_code == 200, address
            assert entries(admin, TABS)[name], address
            seen += 1
    assert seen > 15


def test_every_page_is_in_the_menu() -> None:
    listed = [tab for section in console.MENU.entries for tab in section.tabs]
    reached = {access.blueprint, login.blueprint, *(tab.blueprint for tab in listed)}
    missing = []
    for found in pkgutil.walk_packages(console.__path__, "smsgw.console."):
        for name, value in vars(import_module(found.name)).items():
            is_page = isinstance(value, Tab) and value not in listed
            if is_page or (isinstance(value, Blueprint) and value not in reached):
                missing.append(f"{found.name}.{name}")
    assert missing == []
    assert len(listed) > 15


def test_a_section_of_one_page_has_no_tabs(as_: As) -> None:
    admin = as_(Role.ADMIN)
    admin.get("/console/")
    assert entries(admin, TABS) == {}
    assert entries(admin, MENU)["Overview"]
