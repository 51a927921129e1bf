"""Checks that a process reads and writes YAML once, where it meets the database."""

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
from tests.support.documents import add_custom_keywords, edited_document
from tests.support.keyword_drafts import publish, save_draft

KONTAK = "/console/keywords/kontak"
CODEC = {yaml.load.__code__: "loads", yaml.dump.__code__: "dumps"}


@contextmanager
def count_calls() -> Iterator[Counter[str]]:
    """Counts how often PyYAML reads and writes a document."""
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
    """Returns an editor of a draft, in a process that has read what is shipped."""
    compiler.load_shipped()
    lint.of(document.loads(document.dump_shipped()))
    save_draft(rt, edited_document(add_custom_keywords))
    return as_(Role.PUBLISHER)


def forget_texts() -> None:
    """Leaves this process as another, which has read and written nothing of the draft yet."""
    document._read.cache_clear()
    document._dumped.cache_clear()


def submit(visitor: Visitor, address: str, page: str = "", **fields: str) -> Counter[str]:
    """Fills in the form that `page` has for `address`, sends it and returns the calls it took."""
    visitor.get(page or address)
    form = visitor.form(address)
    forget_texts()
    with count_calls() as calls:
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
    assert submit(editor, address, page, **fields) == {"loads": 1, "dumps": 1}


@pytest.mark.parametrize("address", [KONTAK, "/console/keywords/", "/console/tables/"])
def test_a_process_loads_the_draft_and_the_published_version_once(
    editor: Visitor, address: str
) -> None:
    forget_texts()
    with count_calls() as calls:
        assert editor.get(address).status_code == 200
    assert calls == {"loads": 2}
    with count_calls() as calls:
        assert editor.get(address).status_code == 200
    assert calls == {}


def test_a_preview_loads_only_the_draft(editor: Visitor) -> None:
    editor.get(KONTAK)
    typed, headers = editor.form(KONTAK).values, {"HX-Request": "true"}
    forget_texts()
    with count_calls() as calls:
        editor.client.post(f"{KONTAK}/preview", data=typed, headers=headers)
    assert calls == {"loads": 1}


@pytest.mark.parametrize(("sure", "loads"), [({"sure": "on"}, 1), ({}, 2)])
def test_publishing_loads_the_draft_once(editor: Visitor, sure: dict[str, str], loads: int) -> None:
    """Without the confirmation the draft is compared with what is published."""
    calls = submit(editor, "/draft/publish", "/console/draft/", reason="a test", **sure)
    assert calls == {"loads": loads}


def test_a_process_loads_a_new_version_once(editor: Visitor, rt: Runtime, clock: Clock) -> None:
    publish(rt, clock)
    forget_texts()
    with count_calls() as calls:
        assert "libur" in rt.configuration.usage
    assert calls == {"loads": 1}
    clock.moves(days=1)
    rt.published._until = 0
    with count_calls() as calls:
        assert "libur" in rt.configuration.usage
    assert calls == {}
