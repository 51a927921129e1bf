"""Checks how differences are reported to people and to programs."""

# ruff: noqa: E501 (a step is a line, as in transcripts)

import json
from xml.etree import ElementTree

from smsgw.transcripts import collection, reader, report
from smsgw.transcripts.collection import PlayedConversation
from smsgw.transcripts.report import Totals

TEXT = """\
now: 2025-10-31T10:00:00+07:00
registered: {"+6281234567890": ["19012345678"]}
conversations:
- name: a wrong one
  kind: balance
  steps:
  - {from: "+6281234567890", text: SALDO, expect: {keyword: saldo, reply: "Saldo JHT NKP *******5678 per 30-09-2025: Rp1. Status AKTIF."}}
  - {from: "+6281234567890", text: IURAN, expect: {keyword: saldo, outcome: confirm}}
  - {wait: 5m, expect: {also: [{to: "+6285612345678"}]}}
- name: a right one
  kind: balance
  steps:
  - {from: "+6281234567890", text: SALDO, expect: {keyword: saldo}}
- name: a dangerous one
  kind: consent
  steps:
  - {from: "+6281234567890", text: SALDO, expect: {never: [{keyword: saldo}]}}
"""


def played() -> list[PlayedConversation]:
    return list(collection.play(collection.choose([reader.parse(TEXT, "x.yaml")], [])))


def test_the_first_difference_is_shown_in_full() -> None:
    lines = list(report.lines(played()[0]))
    assert lines[:3] == [
        "x.yaml:7: a wrong one, step 1",
        "  sent      +6281234567890: SALDO",
        "  reply",
    ]
    assert "Rp1." in lines[3]
    assert "[-Rp1.-] Status" in lines[3]
    assert "{+Rp123.456.789.+} Status" in lines[4]
    assert lines[5] == (
        "  perhaps a consequence: step 2 (line 8): keyword, outcome; step 3 (line 9): also"
    )
    assert list(report.lines(played()[1])) == []


def test_words_that_differ_are_marked() -> None:
    assert report.mark_differences("a b c d", "a x c") == ("a [-b-] c [-d-]", "a {+x+} c")
    assert report.mark_differences("same", "same") == ("same", "same")
    assert report.mark_differences("", "x") == ("[--]", "{+x+}")


def test_json_has_the_place_the_text_the_wording_and_the_kind() -> None:
    first, second, third = map(json.loads, report.as_json(played()[0]))
    assert (first["file"], first["line"], first["kind"]) == ("x.yaml", 7, "balance")
    assert (first["text"], first["wording"], first["action"]) == (
        "SALDO",
        "saldo.balance",
        "message",
    )
    assert (first["agrees"], len(first["differs"]), second["step"]) == (False, 1, 2)
    assert (third["action"], third["reply"], third["segments"], third["also"]) == (
        "wait",
        None,
        0,
        [],
    )


def test_totals_tell_agreement_by_kind_and_dangers_apart() -> None:
    totals = Totals(files=1)
    for each in played():
        totals.add(each)
    assert totals.sentence() == "5 steps, 4 differ, 1 dangerous"
    assert [line.split() for line in totals.table()] == [
        ["kind", "agree", "of", "dangers"],
        ["balance", "1", "2", "0"],
        ["consent", "0", "1", "1"],
    ]
    totals_json = json.loads(report.totals_as_json(totals))["totals"]
    assert totals_json["kinds"]["consent"] == {"conversations": 1, "agree": 0, "dangers": 1}
    assert (totals_json["conversations"], totals_json["conversations_that_differ"]) == (3, 2)


def test_junit_has_a_case_a_conversation() -> None:
    root = ElementTree.fromstring(report.junit(played()))  # noqa: S314 (our own)
    suite = root.find("testsuite")
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("x.yaml", "3", "2")
    first, second, _ = suite.findall("testcase")
    assert (first.get("name"), first.get("line")) == ("a wrong one", "4")
    assert first.find("failure").get("message").startswith("step 1: reply: expected")
    assert second.find("failure") is None
