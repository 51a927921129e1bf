"""Checks that one store writes each table, so that a column's meaning is in one place."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Table

ROOT = Path(__file__).parent.parent
TABLES = "smsgw.storage.tables."
STATEMENTS = {"insert", "update", "delete"}
REPLIES = {f"smsgw.messaging.{each}" for each in ("outbox", "leases", "delivery_reports")}
REPLIES |= {"smsgw.messaging.reconciliation", "smsgw.messaging.expiry_notices"}
REPLIES |= {"smsgw.messaging.due_replies", "smsgw.messaging.notification_replies"}

OWNERS = {
    "attempts": REPLIES
    - {"smsgw.messaging.outbox", "smsgw.messaging.expiry_notices"}
    - {"smsgw.messaging.notification_replies"},
    "audit": {"smsgw.storage.audit", "smsgw.operations.audit_chain"},
    "audit_head": {"smsgw.operations.audit_chain"},
    "background_messages": {"smsgw.configuration.background_file"},
    "bindings": {"smsgw.registry.bindings"},
    "cases": {"smsgw.registry.cases"},
    "case_exports": {"smsgw.registry.case_exports"},
    "codes": {"smsgw.registry.registration_codes"},
    "configurations": {"smsgw.configuration.versions"},
    "data_keys": {"smsgw.storage.keys"},
    "decoys": {"smsgw.backoffice.decoys"},
    "deleted_months": {"smsgw.storage.partitions"},
    "drafts": {"smsgw.configuration.versions"},
    "failed_checks": {"smsgw.storage.failed_checks"},
    "freeze_counts": {"smsgw.registry.freezes"},
    "freezes": {"smsgw.registry.freezes"},
    "guesses": {"smsgw.registry.lockout"},
    "holidays": {"smsgw.registry.holidays"},
    "message_refs": {"smsgw.messaging.inbox"},
    "messages": {"smsgw.messaging.inbox"},
    "named": {"smsgw.registry.lockout"},
    "notification_days": {"smsgw.notifications.budget"},
    "notification_digests": {
        "smsgw.notifications.subscribers",
        "smsgw.registry.subscriptions",
    },
    "notification_kinds": {"smsgw.notifications.kinds"},
    "notification_lists": {"smsgw.notifications.runs"},
    "notification_runs": {"smsgw.notifications.runs"},
    "notifications": {"smsgw.notifications.events"},
    "operators": {"smsgw.backoffice.accounts"},
    "pages": {"smsgw.registry.reply_pages"},
    "parts": {"smsgw.messaging.parts"},
    "past_bindings": {"smsgw.registry.bindings"},
    "past_drafts": {"smsgw.configuration.past_drafts"},
    "phones": {"smsgw.registry.phones"},
    "planned_changes": {"smsgw.backoffice.ledger_changes"},
    "questions": {"smsgw.registry.open_questions"},
    "registration_looks": {"smsgw.registry.registrations"},
    "registrations": {"smsgw.registry.registrations"},
    "rejections": {"smsgw.registry.registration_codes"},
    "replies": REPLIES,
    "sessions": {"smsgw.backoffice.accounts"},
    "subscriptions": {"smsgw.registry.subscriptions"},
    "tallies": {"smsgw.messaging.hourly_counts"},
    "tasks": {"smsgw.backoffice.background_tasks"},
    "transcripts": {"smsgw.transcripts.library"},
    "wrong_codes": {"smsgw.registry.registration_codes"},
}
# They get the table as a parameter. Migrations, which are outside, write all.
BY_PARAMETER = {
    "smsgw.storage.bulk": "the table that its caller names",
    "smsgw.ledger.reference_tables": "one of three tables of the ledger, a row at a time",
    "smsgw.ledger.row_import": "the tables of the ledger, one for each file",
    "smsgw.ledger.staging": "the same, and the tables of an import by which it checks files",
    "smsgw.ledger.staged_import": "a table of an import: phone numbers that were refused",
    "smsgw.ledger.synthetic": "the tables of the ledger, for participants that it made",
    "smsgw.messaging.hourly_counts": "its own five tables",
    "smsgw.operations.restored_copy": "its own mark, in a copy that is dropped after a drill",
    "smsgw.operations.key_rotation": "every encrypted column is encrypted with the new key",
    "smsgw.registry.lockout": "its own two tables",
    "smsgw.operations.readiness": "no row: it asks whether the tables could be written",
}
ANY = {"smsgw.transcripts.world": "what is true before the first step of a conversation"}


def writes(source: str) -> Iterator[str | None]:
    """Yields the name of each table that a statement is made for; None if it is a parameter."""
    tree = ast.parse(source)
    tables = dict(_imported(tree))
    makers = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for alias in node.names
        if alias.name in STATEMENTS
    } | {"BulkInsert"}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in makers:
            of = node.args[0]
            yield tables.get(of.id) if isinstance(of, ast.Name) else None
        elif isinstance(node.func, ast.Attribute) and node.func.attr in STATEMENTS:
            of = node.func.value
            if isinstance(of, ast.Name) and of.id in tables:
                yield tables[of.id]


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(TABLES):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                found = getattr(module, alias.name)
                if isinstance(found, Table):
                    yield alias.asname or alias.name, found.name


def written() -> Iterator[tuple[str, str | None]]:
    """Yields the module and table of every statement of the program."""
    for path in sorted((ROOT / "smsgw").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield from ((module, table) for table in writes(path.read_text()))


def test_only_its_own_store_writes_a_table() -> None:
    elsewhere = {
        (module, table)
        for module, table in written()
        if module not in ANY
        and (module not in BY_PARAMETER if table is None else module not in OWNERS.get(table, ()))
    }
    assert sorted(elsewhere, key=str) == []


def test_every_named_store_writes_its_table() -> None:
    pairs = set(written())
    named = {(module, table) for table, modules in OWNERS.items() for module in modules}
    named |= {(module, None) for module in BY_PARAMETER}
    assert sorted(named - pairs, key=str) == []
    assert ANY.keys() <= {module for module, _ in pairs}


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("update(phones).values(version=1)", "phones"),
        ("insert(whose)", "replies"),
        ("phones.delete()", "phones"),
        ("delete(table)", None),
        ("update(each.table)", None),
    ],
)
def test_a_statement_is_found_in_every_form(statement: str, table: str | None) -> None:
    imports = """
from sqlalchemy import delete, insert, update
from smsgw.storage.tables.messages import replies as whose
from smsgw.storage.tables.phones import phones
"""
    assert list(writes(imports + statement)) == [table]
