"""A wording in an optional language waits for a review until it is listed as reviewed."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from smsgw.cli import main
from smsgw.configuration import document, lint, merge, reviews
from tests.support.documents import edited_document

MARK = "saldo.balance.jv"


def reviewed_document(*marks: str) -> dict[str, Any]:
    return {**deepcopy(document.shipped_raw()), "reviewed": [*marks]}


def test_every_optional_wording_that_is_shipped_waits_for_a_speaker() -> None:
    raw = document.shipped_raw()
    marks = reviews.texts(raw)
    assert MARK in marks
    assert len(marks) >= 24
    assert reviews.listed(raw) == []
    assert reviews.waiting(raw, "saldo") == [MARK, "saldo.balance.su"]
    assert reviews.waiting(raw, "kontak") == []


def test_confirming_lists_a_wording_once() -> None:
    raw = reviews.confirm(reviews.confirm(document.shipped_raw(), MARK), MARK)
    assert raw["reviewed"] == [MARK]
    assert reviews.waiting(raw, "saldo") == ["saldo.balance.su"]
    assert "reviewed" not in document.shipped_raw()


@pytest.mark.parametrize("text", ["Saldo {nkp}: {total} ({as_of})", ""])
def test_an_edited_wording_waits_again(text: str) -> None:
    before = reviewed_document(MARK, "saldo.balance.su")
    after = deepcopy(before)
    after["keywords"]["saldo"]["wordings"]["balance"]["jv"] = text
    assert reviews.forget_edited([before], after)["reviewed"] == ["saldo.balance.su"]
    after["keywords"]["saldo"]["wordings"]["balance"]["su"] = text
    assert "reviewed" not in reviews.forget_edited([before], after)


def test_another_edit_leaves_the_list_as_it_is() -> None:
    before = reviewed_document(MARK)
    after = deepcopy(before)
    after["keywords"]["saldo"]["wordings"]["balance"]["en"] = "Balance"
    assert reviews.forget_edited([before], after) is after


@pytest.mark.parametrize(
    ("published", "drafted", "reviewed"),
    [
        ({}, {"reviewed": [MARK]}, [MARK]),
        ({"text": "Saldo"}, {"reviewed": [MARK]}, []),
        ({"text": "Saldo", "reviewed": [MARK]}, {}, [MARK]),
        ({"reviewed": [MARK]}, {"text": "Saldo"}, []),
        ({"reviewed": [MARK]}, {"text": "Saldo", "reviewed": [MARK]}, [MARK]),
    ],
)
def test_a_merge_keeps_what_was_confirmed_with_the_merged_text(
    published: dict[str, Any], drafted: dict[str, Any], reviewed: list[str]
) -> None:
    def document_with(text: str = "", **parts: Any) -> dict[str, Any]:
        raw = {**deepcopy(document.shipped_raw()), **parts}
        if text:
            raw["keywords"]["saldo"]["wordings"]["balance"]["jv"] = text
        return raw

    theirs, ours = document_with(**published), document_with(**drafted)
    merged = merge.merge(document.shipped_raw(), theirs, ours).raw
    assert reviews.listed(reviews.forget_edited([theirs, ours], merged)) == reviewed


@pytest.mark.parametrize("listed", [None, "saldo.balance.jv", {"jv": 1}, [1, None, ["x"]]])
def test_a_draft_may_hold_anything(listed: object) -> None:
    raw = {**document.shipped_raw(), "reviewed": listed, "wordings": [1], "keywords": {"x": 3}}
    assert (reviews.listed(raw), reviews.texts(raw)) == ([], {})
    assert reviews.confirm(raw, MARK)["reviewed"] == [MARK]


def test_a_warning_names_what_waits_in_each_language() -> None:
    marks = reviews.texts(document.shipped_raw())
    all_but_one = [each for each in marks if each != MARK and each.endswith("jv")]
    warnings = lint.of(reviewed_document(*all_but_one)).warnings
    waiting = [each for each in warnings if "need a review" in each]
    assert [each.partition(" need")[0] for each in waiting] == [
        "these wordings in jv",
        "these wordings in su",
    ]
    assert waiting[0].endswith("confirms each in the console: saldo.balance")
    assert lint.of(reviewed_document(*marks)).faults == []
    assert [each for each in lint.of(reviewed_document(*marks)).warnings if "review" in each] == []


@pytest.mark.parametrize("mark", ["saldo.balance.en", "saldo.balanse.jv", "kontak.ways.su", ""])
def test_a_name_on_the_list_that_is_no_such_wording_is_reported(mark: str) -> None:
    found = lint.of(reviewed_document(mark))
    assert found.faults == []
    assert any(each.startswith(f"reviewed: there is no wording {mark} ") for each in found.warnings)


def test_the_command_warns_and_says_that_it_can_be_published(tmp_path: Path) -> None:
    file = tmp_path / "keywords.yaml"
    file.write_text(edited_document(lambda raw: raw.update(reviewed=[MARK])))
    done = CliRunner().invoke(main, ["keywords", "check", str(file)])
    assert "warning: these wordings in jv need a review" in done.output
    assert (done.exit_code, "can be published" in done.output) == (0, True)
