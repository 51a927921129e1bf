"""YAML is read and written at the border of the database, once: pages pass values on."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
import yaml

from smsgw.configuration import compiler, document, lint
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor
from tests.support.documents import changed, with_made
from tests.support.keyword_drafts import draft, publish

KONTAK = "/console/keywords/kontak"
CODEC = {yaml.load.__code__: "loads", yaml.dump.__code__: "dumps"}


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """How often PyYAML reads and writes a document meanwhile."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in CODEC:
            calls[CODEC[frame.f_code]] += 1

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.fixture
def editor(as_: As, rt: Runtime) -> Visitor:
    """Somebody who edits a draft, in a process that has read what is shipped."""
    compiler.shipped()
    lint.of(document.loads(document.shipped()))
    draft(rt, changed(with_made))
    return as_(Role.PUBLISHER)


def submitted(visitor: Visitor, address: str, page: str = "", **fields: str) -> Counter[str]:
    """What sending the form costs that `page` has for `address`, filled in with `fields`."""
    visitor.get(page or address)
    form = visitor.form(address)
    with counted() as calls:
        answer = visitor.client.post(form.action, data=form.values | fields)
    assert answer.status_code == 303
    return calls


@pytest.mark.parametrize(
    ("address", "page", "fields"),
    [
        (KONTAK, "", {"aliases": "HUBUNGI"}),
        ("/console/keywords/a-new-one", "", {"poster": "PAJAK", "kind": "static"}),
        ("/console/keywords/libur/delete", "/console/keywords/libur", {}),
        ("/console/wordings/own", "", {"w.choose.en": "Mine"}),
        ("/console/tables/mitra", "", {"text": "kota,nama,telp\nBogor,RS,1\n"}),
        ("/console/draft/text", "", {}),
    ],
)
def test_a_save_loads_the_draft_once_and_dumps_it_once(
    editor: Visitor, address: str, page: str, fields: dict[str, str]
) -> None:
    assert submitted(editor, address, page, **fields) == {"loads": 1, "dumps": 1}


@pytest.mark.parametrize("address", [KONTAK, "/console/keywords/", "/console/tables/"])
def test_a_page_loads_the_draft_and_what_is_published(editor: Visitor, address: str) -> None:
    with counted() as calls:
        assert editor.get(address).status_code == 200
    assert calls == {"loads": 2}


def test_a_preview_loads_the_draft_alone(editor: Visitor) -> None:
    editor.get(KONTAK)
    typed, headers = editor.form(KONTAK).values, {"HX-Request": "true"}
    with counted() as calls:
        editor.client.post(f"{KONTAK}/preview", data=typed, headers=headers)
    assert calls == {"loads": 1}


@pytest.mark.parametrize(("sure", "loads"), [({"sure": "on"}, 1), ({}, 2)])
def test_a_draft_is_published_by_one_load(
    editor: Visitor, sure: dict[str, str], loads: int
) -> None:
    """Who is not sure has it compared with what is published."""
    calls = submitted(editor, "/draft/publish", "/console/draft/", reason="a test", **sure)
    assert calls == {"loads": loads}


def test_a_process_loads_a_new_version_once(editor: Visitor, rt: Runtime, clock: Clock) -> None:
    publish(rt, clock)
    with counted() as calls:
        assert "libur" in rt.configuration.usage
    assert calls == {"loads": 1}
    clock.moves(days=1)
    rt.published._until = 0
    with counted() as calls:
        assert "libur" in rt.configuration.usage
    assert calls == {}
