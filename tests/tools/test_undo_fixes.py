"""Checks which commits `make fixes` undoes, and how it judges a test that fails without one."""

import sys
from pathlib import Path

import pytest

from tools.undo_fixes import Changed, Tree, runnable_tests, why_skipped

FIX = Changed("smsgw/responder.py", is_new=False, gained=3)
TEST = Changed("tests/smsgw/test_responder.py", is_new=False, gained=9)


@pytest.mark.parametrize(
    ("product", "tests", "reason"),
    [
        ([FIX], [TEST], None),
        ([Changed("smsgw/console/templates/base.html", False, 3)], [TEST], "templates"),
        ([FIX, Changed("smsgw/new.py", is_new=True, gained=90)], [TEST], "a feature"),
        ([FIX], [Changed(TEST.name, is_new=False, gained=0)], "its tests gain no line"),
        ([FIX], [Changed("tests/browser/test_walks.py", False, 9)], "its tests want a browser"),
    ],
)
def test_a_commit_is_undone_only_if_its_tests_can_tell(
    product: list[Changed], tests: list[Changed], reason: str | None
) -> None:
    why = why_skipped(product, tests, runnable_tests(tests))
    assert (why is None) if reason is None else (why or "").startswith(reason)


def test_a_transcript_is_run_by_the_test_of_all_of_them() -> None:
    conversation = Changed("tests/transcripts/stop.yaml", is_new=False, gained=4)
    support = Changed("tests/support/servers.py", is_new=False, gained=4)
    assert runnable_tests([conversation, support]) == ("tests/test_transcripts.py",)


def test_the_first_test_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    programs = tmp_path / "venv" / "bin"
    programs.parent.mkdir()
    programs.symlink_to(Path(sys.executable).parent)
    (tmp_path / "test_well.py").write_text("def test_well():\n    pass\n")
    (tmp_path / "test_bad.py").write_text("def test_bad():\n    raise ValueError('without it')\n")
    (tmp_path / "test_lost.py").write_text("import nothing_of_the_kind\n")
    tree = Tree(tmp_path, programs)
    assert tree.run(["test_well.py"]).failed is None
    run = tree.run(["test_well.py", "test_bad.py"])
    assert (run.failed, run.reason) == ("test_bad.py::test_bad", "ValueError: without it")
    assert tree.run(["test_lost.py"]).failed == "test_lost.py"
    assert tree.passes("test_well.py")
    assert not tree.passes("test_lost.py")
