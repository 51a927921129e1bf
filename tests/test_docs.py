"""Checks that pages of the documentation refer only to pages and files that exist.

`make docs` builds the site strictly, and fails if a page loads anything from elsewhere.
"""

import configparser
import re
from pathlib import Path

import pytest
import yaml

from smsgw.configuration import document, lint, schema
from smsgw.ledger import values
from smsgw.ledger.inspection import columns, contents
from smsgw.ledger.statements import FOR_SEVERAL

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
NAMED = re.compile(
    r"`((?:smsgw|handlers|grammar|tests|migrations|deploy|docs|bench|tools|requirements)/[\w/.\-]*)`"
)
TO_WRITE = {
    "handlers/jam.py",
    "tests/transcripts/jam.yaml",
    "smsgw/carriers/acme.py",
    "smsgw/console/admin/carriers.py",
    "smsgw/console/templates/admin/carriers.html",
    "tests/smsgw/console/admin/test_carriers.py",
    "migrations/versions/service/0006_ratings.py",
    "smsgw/registry/ratings.py",
    "tests/smsgw/registry/test_ratings.py",
}  # by who follows docs/adding.md


def nav(entries: list[object]) -> list[str]:
    pages: list[str] = []
    for entry in entries:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        pages += nav(value) if isinstance(value, list) else [str(value)]
    return pages


def test_each_page_is_in_the_navigation_once() -> None:
    configuration = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    docs = ROOT / "docs"
    pages = [str(page.relative_to(docs)) for page in docs.rglob("*.md")]
    assert sorted(nav(configuration["nav"])) == sorted(pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_are_files_of_this_repository(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [each for each in targets if not (page.parent / each).is_file()] == []


def test_the_keywords_that_are_shown_can_be_published() -> None:
    page = (ROOT / "docs" / "keywords.md").read_text()
    blocks = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    excerpt, sentences, static, lookup = blocks
    raw = document.loads(document.shipped_text())
    for name, entry in excerpt.items():
        shipped = raw["keywords"][name]
        assert set(entry["aliases"]) <= set(shipped["aliases"])
        shipped["wordings"] |= entry.pop("wordings")
        shipped |= entry
    for name, words in sentences["concepts"].items():
        assert set(words) <= set(raw["concepts"][name])
    raw["topics"] |= sentences["topics"]
    raw["keywords"] |= static | lookup["keywords"]
    raw["tables"] = lookup["tables"]
    assert lint.check(document.dumps(raw)).faults == []


def test_every_key_of_a_keyword_is_explained() -> None:
    page = (ROOT / "docs" / "keywords.md").read_text()
    keys = {*schema.keys_of(schema.Parts), *schema.keys_of(schema.Entry)}
    assert sorted(each for each in keys if f"`{each}`" not in page) == []


def test_the_look_ups_that_a_handler_may_declare_are_named() -> None:
    page = (ROOT / "docs" / "adding.md").read_text()
    named = page.partition("`LOOKS_UP`")[2].partition(". Other")[0]
    assert set(re.findall(r"`(\w+)`", named)) == FOR_SEVERAL.keys()


def test_the_columns_of_the_ledger_are_those_that_are_read() -> None:
    page = (ROOT / "docs" / "ledger.md").read_text()
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \| (.*) \| .*\|$", page, re.MULTILINE)
    read = [(table, name) for table, names in columns.READ.items() for name in names]
    assert sorted((table, name) for table, name, _ in rows) == sorted(read)
    for table, name, kind in rows:
        reads = columns.READ[table][name]
        assert (kind == "date") == (reads is values.day), name
        assert (kind == "number") == (reads in {values.amount, values.figure}), name
        assert (kind == "text or number") == (reads in columns.NUMBERS), name


def test_the_words_of_the_ledger_are_those_that_are_known() -> None:
    page = (ROOT / "docs" / "ledger.md").read_text()
    for place, known in contents.VOCABULARIES.items():
        (content,) = re.findall(rf"^\| `{place}` \| text \| (.*) \|$", page, re.MULTILINE)
        assert set(re.findall(r"`([^`]+)`", content)) == known, place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_folders_that_are_named_exist(page: Path) -> None:
    """Capitals stand for a name of the reader's own, as in `smsgw/console/SECTION/PAGE.py`."""
    named = set(NAMED.findall(page.read_text())) - TO_WRITE
    real = {each for each in named if not re.search(r"\b[A-Z]{4,}\b", each)}
    assert sorted(each for each in real if not (ROOT / each).exists()) == []


def test_the_order_of_imports_is_the_one_that_is_checked() -> None:
    """Compares the text and, from top to bottom, the picture."""
    checked = configparser.ConfigParser()
    checked.read(ROOT / "setup.cfg")
    layers = checked["importlinter:contract:layers"]["layers"].split("\n")[1:]
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert "\n".join(layers) in page
    picture = (ROOT / "docs" / "images" / "packages.svg").read_text()
    names = re.findall(r'font-weight="bold">(\w+)<', picture)
    wanted = [name for layer in layers for name in layer.split(" | ")]
    assert [name for name in names if name in wanted] == wanted
