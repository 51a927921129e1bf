"""Checks rules of the house that types cannot express."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from handlers import HANDLERS
from smsgw import settings
from smsgw.configuration import compiler
from smsgw.transcripts import collection

ROOT = Path(__file__).parent.parent
LONGEST_FILE, LONGEST_FUNCTION = 330, 40  # lines
SOURCES = [
    path
    for folder in ("smsgw", "handlers", "grammar", "bench", "tools")
    for path in (ROOT / folder).rglob("*.py")
]


def test_imports_go_one_way() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [lint, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_files_have_at_most_330_lines_and_functions_40() -> None:
    long = []
    for path in SOURCES:
        source = path.read_text()
        if len(source.splitlines()) > LONGEST_FILE:
            long.append(path.name)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                long += [f"{path.name}: {node.name}"] if lines > LONGEST_FUNCTION else []
    assert long == []


def test_only_the_queue_module_enqueues() -> None:
    calls = r"\.enqueue(?!_req)\w*\("  # gunicorn's enqueue_req is of connections
    enqueuing = {path.name for path in SOURCES if re.search(calls, path.read_text())}
    assert enqueuing == {"queue.py"}


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    names = [name for name, _, _ in settings.rows(settings.load({}))]
    assert len(names) > 20
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_keyword_has_a_conversation() -> None:
    assert set(compiler.load_shipped().usage) == set(HANDLERS)
    documents = collection.read(collection.files([ROOT / "tests" / "transcripts"]))
    shown = {
        step.expect.keyword
        for document in documents
        for conversation in document.transcript.conversations
        for step in conversation.steps
    }
    assert set(HANDLERS) <= shown


def test_every_threat_names_an_existing_test() -> None:
    """Checks each row of SECURITY.md's table, in its last column."""
    rows = re.findall(r"^\|.*\| ([^|]+) \|$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)
    assert len(rows) > 10
    sources = [(path.name, path.read_text()) for path in (ROOT / "tests").rglob("test_*.py")]
    for named in rows[2:]:
        tests = re.findall(r"`(\w+\.py)::(\w+)`", named)
        assert tests, named
        for file, test in tests:
            assert any(name == file and f"def {test}(" in source for name, source in sources), (
                f"{file}::{test}"
            )
