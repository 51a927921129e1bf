"""Checks how private messages are judged: how many are taken for ours, and what would change."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from smsgw.cli import main
from smsgw.configuration import background, document, validation
from smsgw.configuration.background import (
    MOST_MESSAGES,
    ActingLine,
    NotPrivateMessages,
    TakenMessage,
)
from smsgw.configuration.document import Document

PRIVATE = """# private
Bu aku pulang agak malem ya, ga usah ditunggu makannya

Mas utang yg bulan kemarin kapan mau dibayar, aku lg butuh bgt nih
"""
SALDO, STOP, TOPIC = "SALDO", "STOP", "bara saldo ambo kini da"


def judged(*lines: str, by: Document | None = None) -> background.BackgroundFindings:
    read = by or validation.load_shipped()
    return background.judge(read, background.parse("\n".join(lines)))


def test_comments_and_empty_lines_are_no_messages() -> None:
    assert [each.line for each in background.parse(PRIVATE)] == [2, 4]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# nothing\n\n", "it has no messages"),
        ("halo\n" * (MOST_MESSAGES + 1), "more than 5,000 messages"),
        ("h" * 500_001, "more than 500,000 characters"),
    ],
)
def test_a_file_without_use_is_refused(text: str, why: str) -> None:
    with pytest.raises(NotPrivateMessages, match=why):
        background.parse(text)


def test_what_is_taken_is_counted_by_keyword_and_topic() -> None:
    found = judged(PRIVATE, TOPIC, SALDO, SALDO, "makasih")
    assert found.taken == (
        TakenMessage(6, "saldo", "balance", False),
        TakenMessage(7, "saldo", None, False),
        TakenMessage(8, "saldo", None, False),
    )
    assert found.takers == [("saldo", 2), ("saldo (topic balance)", 1)]
    assert [str(each) for each in found.doubts()] == [
        "3 of 6 private messages are taken for ours, more than 2 %: saldo 2, "
        "saldo (topic balance) 1"
    ]


def test_two_of_a_hundred_are_not_too_many() -> None:
    rest = ["Es batunya udah mencair semua bu, gimana ini dagangannya"] * 98
    assert list(judged(*rest, SALDO, SALDO).doubts()) == []
    assert judged(*rest, SALDO, SALDO, SALDO).is_too_many


def test_a_line_that_would_change_something_is_named() -> None:
    """What is only asked about, and YA where nobody asked, change nothing."""
    found = judged(PRIVATE, STOP, "ojo sms aku maneh", "ya")
    assert [each.keyword for each in found.taken] == ["stop", "stop", "ya"]
    assert [each for each in found.doubts() if isinstance(each, ActingLine)] == [
        ActingLine(6, "stop")
    ]


def test_a_change_counts_lines_that_are_read_differently() -> None:
    raw: dict[str, Any] = deepcopy(document.shipped_raw())
    raw["concepts"]["BALANCE"] = []
    lines = (PRIVATE, TOPIC, SALDO)
    becomes = judged(*lines, by=validation.build(raw))
    assert background.changed(judged(*lines), becomes) == 1


def test_the_command_says_what_takes_them_and_shows_no_text(tmp_path: Path) -> None:
    keywords, private = tmp_path / "keywords.yaml", tmp_path / "private.txt"
    keywords.write_text(document.shipped_text(), "utf-8")
    private.write_text(f"{PRIVATE}{TOPIC}\n{STOP}\n", "utf-8")
    arguments = ["keywords", "check", str(keywords), "--background", str(private)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "warning: 2 of 4 private messages are taken for ours, more than 2 %" in done.output
    assert "the private message in line 6 would change something, as stop does" in done.output
    assert "2 of 4 private messages (50.0 %) are taken for ours\n" in done.output
    assert "  1 saldo (topic balance)\n" in done.output
    assert "ambo" not in done.output
    private.write_text("# none\n", "utf-8")
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, "write one a line" in done.output) == (1, True)


def test_what_is_shipped_takes_few_private_messages_for_ours_and_none_to_act_on() -> None:
    file = Path(__file__).parents[2] / "background" / "private_sms.txt"
    assert list(judged(file.read_text("utf-8")).doubts()) == []
