"""Each walk-through of docs/adding.md is followed in a copy of the repository, and changes as many
places as it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http_stub import web_stub

ROOT = Path(__file__).parent.parent
ADDING = (ROOT / "docs" / "adding.md").read_text()
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5}
LEFT_OUT = (".*", "build", "instance", "images", "*.egg-info")  # what is compiled saves seconds
SERVERS = {name: os.environ[name] for name in os.environ if name.startswith("SMSGW_TEST_")}
SERVERS |= {
    name: os.environ[name] for name in ("PATH", "PYTEST_XDIST_WORKER") if name in os.environ
}


class Copy:
    """Holds a copy of the repository, and the walk-through that is followed in it."""

    def __init__(self, folder: Path, title: str) -> None:
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
        self.folder = folder
        self.steps = ADDING.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        self.touched: list[str] = []

    def blocks(self, language: str) -> list[str]:
        return re.findall(rf"```{language}\n(.*?)```", self.steps, re.DOTALL)

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        assert not file.exists()
        file.write_text(text)
        self.touched.append(path)

    def insert(self, path: str, after: str, text: str) -> None:
        self.replace(path, after, after + text)

    def replace(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        held = file.read_text()
        assert held.count(old) == 1
        file.write_text(held.replace(old, new))
        self.touched.append(path)

    def check_places(self) -> None:
        """Checks that the walk-through numbers every place that was touched, except tests."""
        named = re.findall(r"^\*\*\d\. [^\n]*?\*\*, `([^`]+)`", self.steps, re.MULTILINE)
        (said,) = re.findall(r"\b(two|three|four|five) places\b", self.steps)
        assert len(named) == NUMBERS[said]
        assert {each for each in self.touched if not each.startswith("tests/")} == set(named)

    def test(self, *arguments: str) -> None:
        """Runs tests of the copy."""
        options = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist")
        done = self.python("-m", "pytest", *options, *arguments, **SERVERS)
        assert done.returncode == 0, done.stdout

    def smsgw(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.python("-c", "from smsgw.cli import main; main()", *arguments, **environ)

    def python(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        own = {"PYTHONPATH": str(self.folder), "SMSGW_HOME": str(self.folder)}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], **own, **environ},
            capture_output=True,
            text=True,
        )


def test_a_keyword_with_a_new_value(tmp_path: Path) -> None:
    copy = Copy(tmp_path, "A keyword")
    (handler,), (line,) = copy.blocks("python"), copy.blocks("text")
    entry, conversation = copy.blocks("yaml")
    copy.write("handlers/jam.py", handler)
    copy.insert("handlers/__init__.py", "    iuran,\n", "    jam,\n")
    copy.insert("handlers/__init__.py", '    "iuran": iuran,\n', line)
    copy.insert("smsgw/configuration/seeds/keywords.yaml", "\nkeywords:\n", entry)
    copy.write("tests/transcripts/jam.yaml", conversation)
    copy.check_places()
    done = copy.smsgw("replay", "tests/transcripts/jam.yaml")
    assert (done.returncode, done.stderr) == (0, "3 steps, 0 differ\n"), done.stdout
    copy.test(
        "tests/test_mirror.py",
        "tests/handlers/test_placeholders.py",
        "tests/grammar/test_typed.py::test_typed_messages_are_recognised[jam]",
        "tests/grammar/test_typed.py::test_removing_any_alias_is_noticed[jam]",
        "tests/smsgw/configuration/test_lint.py::test_the_shipped_configuration_has_no_errors",
        "tests/smsgw/configuration/test_wording.py::test_no_wording_with_any_data_passes_its_budget[jam.open-id]",
    )


def test_a_keyword_with_a_mistake_is_refused_by_name(tmp_path: Path) -> None:
    copy = Copy(tmp_path, "A keyword")
    (handler,), (line,) = copy.blocks("python"), copy.blocks("text")
    entry, conversation = copy.blocks("yaml")
    keywords = "smsgw/configuration/seeds/keywords.yaml"
    copy.insert(keywords, "\nkeywords:\n", entry)
    copy.write("tests/transcripts/jam.yaml", conversation)

    def replayed() -> str:
        done = copy.smsgw("replay", "tests/transcripts/jam.yaml")
        assert done.returncode != 0
        return done.stdout + done.stderr

    assert f"{copy.folder / keywords}: jam: no such keyword: it has no line in HAND" in replayed()
    copy.write("handlers/jam.py", handler.replace('"offices": count(12)', ""))
    copy.insert("handlers/__init__.py", "    iuran,\n", "    jam,\n")
    copy.insert("handlers/__init__.py", '    "iuran": iuran,\n', line)
    assert "keywords.yaml: jam.open (id): {offices} has no widest value; declare" in replayed()
    (copy.folder / "handlers/jam.py").write_text(handler.replace('"jam.open"', '"jam.opne"'))
    assert "the service failed: no WORDINGS of a handler name jam.opne" in replayed()


def test_a_carrier_in_code(tmp_path: Path) -> None:
    """A message comes in, and its reply goes out."""
    copy = Copy(tmp_path, "A carrier in code")
    (carrier,), (line,) = copy.blocks("python"), copy.blocks("text")
    copy.write("smsgw/carriers/acme.py", carrier)
    copy.insert("smsgw/carriers/__init__.py", "from smsgw.carriers import ", "acme, ")
    copy.insert("smsgw/carriers/__init__.py", '    "kannel": kannel.KannelSettings,\n', line)
    copy.check_places()
    with web_stub() as stub:
        stub.answers.append((200, b""))
        environ = {
            "SMSGW_CARRIER": "acme",
            "ACME_URL": stub.url,
            "ACME_KEY": "key",
            "ACME_FROM": "2757",
        }
        elsewhere = copy.smsgw("settings", **environ | {"ACME_URL": "https://acme.example"})
        migrated = copy.smsgw("migrate", **environ)
        checked = copy.smsgw("doctor", **environ)
        received = copy.python("-c", RECEIVES, **environ)
    assert (migrated.returncode, received.returncode) == (0, 0), received.stderr
    assert "SMSGW_PUBLIC_URL: is needed with SMSGW_CARRIER=acme" in elsewhere.stderr
    assert "ok   acme" in checked.stdout
    assert received.stdout.split("\n")[-2:] == ["403 200 400 400 400 200", ""]


RECEIVES = """
from smsgw.app import create_app
client, sms = create_app().test_client(), {"id": "1", "from": "+6281234567890", "to": "2757"}
def post(path, key, **form):
    return client.post(path, data=form, headers={"X-Acme-Key": key}).status_code
print(post("/in/acme", "x", **sms), post("/in/acme", "key", **sms, text="SALDO"),
      post("/in/acme", "key", **sms), post("/in/acme", "key", **sms | {"id": ""}, text="SALDO"),
      post("/in/acme", "key", **sms | {"id": "1" * 65}, text="SALDO"),
      post("/in/acme/status?out=1", "key", status="failed"))
"""


def test_a_console_page(tmp_path: Path) -> None:
    copy = Copy(tmp_path, "A console page")
    page, test = copy.blocks("python")
    (tab,), (template,), (words,) = copy.blocks("text"), copy.blocks("html"), copy.blocks("yaml")
    copy.write("smsgw/console/admin/carriers.py", page)
    listed = "smsgw/console/__init__.py"
    copy.replace(listed, "import accounts, audit_log,", "import accounts, audit_log, carriers,")
    copy.replace(listed, tab.replace(", carriers.TAB", ""), tab)
    copy.write("smsgw/console/templates/admin/carriers.html", template)
    copy.insert("smsgw/console/locale/id.yaml", "\nCarrier: Operator seluler\n", words)
    copy.write("tests/smsgw/console/admin/test_carriers.py", test)
    copy.check_places()
    console = "tests/smsgw/console"
    copy.test(
        "tests/test_mirror.py",
        f"{console}/admin/test_carriers.py",
        f"{console}/test_translations.py",
        f"{console}/test_access.py::test_each_route_is_open_to_its_roles[admin]",
    )


def test_a_setting(tmp_path: Path) -> None:
    copy = Copy(tmp_path, "A setting")
    (field,), (row,) = copy.blocks("python"), copy.blocks("text")
    copy.insert(
        "smsgw/settings.py", 'what a segment costs, in rupiah", ge=0, le=100_000\n    )\n', field
    )
    documented = "tests/test_architecture.py::test_every_setting_is_documented"
    with pytest.raises(AssertionError, match="SMSGW_CONSOLE_NAME"):
        copy.test(documented)
    copy.insert("docs/settings.md", "for the cost figures in the console |\n", row)
    copy.check_places()
    copy.test(documented)
    shown = copy.smsgw("settings", SMSGW_CONSOLE_NAME="Medan").stdout
    assert "SMSGW_CONSOLE_NAME=Medan\n" in shown
    refused = copy.smsgw("settings", SMSGW_CONSOLE_NAME="x" * 31)
    assert refused.returncode != 0
    assert "SMSGW_CONSOLE_NAME: " in refused.stderr


def test_a_table(tmp_path: Path) -> None:
    """The table can be migrated back, and its rows are deleted in time."""
    copy = Copy(tmp_path, "A table")
    table, migration, store, test = copy.blocks("python")
    forget, erase, row, owner = copy.blocks("text")
    copy.insert(
        "smsgw/storage/tables/phones.py", 'Index("ix_wrong_codes_at", "at"),\n)\n\n', f"{table}\n"
    )
    copy.write("migrations/versions/service/0006_ratings.py", migration)
    copy.write("smsgw/registry/ratings.py", store)
    retention = "smsgw/operations/retention.py"
    copy.insert(retention, "    registration_codes.forget(tx, phone_ids, since)\n", forget)
    copy.insert(retention, "    registration_codes.erase(tx, phone_id)\n", erase)
    copy.insert(retention, "    phones,\n", "    ratings,\n")
    owners = "tests/test_table_owners.py"
    copy.insert(owners, '    "questions": {"smsgw.registry.open_questions"},\n', owner)
    copy.insert("docs/operations.md", "| TOLAK; wrong codes | 60 days; two days |\n", row)
    copy.write("tests/smsgw/registry/test_ratings.py", test)
    copy.check_places()
    both_ways = "test_upgrade_creates_the_tables_and_downgrade_drops_them"
    migrations = f"tests/smsgw/storage/test_migrations.py::{both_ways}"
    copy.test(
        "tests/test_mirror.py",
        owners,
        migrations,
        "tests/smsgw/registry/test_ratings.py",
        "-k",
        "not postgresql",
    )
