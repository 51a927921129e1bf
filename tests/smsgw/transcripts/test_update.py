"""--update changes `reply` and `also` alone, keeps all else to the letter, and leaves nothing that
differs."""

import re
from pathlib import Path

import pytest

from smsgw.transcripts import reader, runner, update
from smsgw.transcripts.reader import TranscriptDocument
from smsgw.transcripts.runner import Result
from smsgw.transcripts.update import NotUpdated

HEAD = """\
# About this file.
title: "by hand"   # its title
now: 2025-10-31T10:00:00+07:00
registered: {"+6281234567890": ['19012345678']}
conversations:
"""
BY_HAND = (
    HEAD
    + """\
- name: block style, with comments
  steps:
  # who asks
  - from: "+6281234567890"   # P1
    text: SALDO
    expect:
      outcome: answered   # of course
      contains:
      - Rp   # an amount
  - from: "+6281234567890"
    text: makasih

  # another phone
  - from: "+6289900000000"
    text: DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992#20098765432
    expect:
      also:   # the number on file
      # gets a code
      - to: "+6285612345678"
        reply: old
      outcome: pending
- name: flow style
  steps:
  - {from: "+6281234567890", text: 'SALDO', expect: {keyword: saldo, }}
  - {from: "+6281234567890", text: IURAN, expect: {reply: 'old', keyword: iuran}}
  - {from: "+6281234567890", text: STATUS, expect: {reply: "Status NKP *******5678: {ref}"}}
  - {from: "+6281234567890", text: JP, expect: {reply: "JP. Ref {ref}"}}
- name: anchors
  steps:
  - {from: "+6281234567890", text: SALDO, expect: &ok {outcome: answered}}
  - {from: "+6281234567890", text: IURAN, expect: *ok}
  - &again {from: "+6281234567890", text: JP, expect: {outcome: answered, reply: old}}
  - {report: delivered}
  - *again
  - {<<: *again, text: STATUS}
- name: block scalars
  steps:
  - from: "+6281234567890"
    text: KONTAK
    expect:
      reply: |
        old
        text
      keyword: kontak
  - from: "+6281234567890"
    text: >-
      terima
      kasih
    expect: {reply: old}"""
)


def results(document: TranscriptDocument) -> list[list[Result]]:
    made = runner.run(document)
    return [[next(made) for _ in each.steps] for each in document.transcript.conversations]


def updated(text: str, *, force: bool = False) -> str:
    document = reader.parse(text, "t")
    return update.rewrite(document, results(document), force=force)


def differing(text: str) -> list[str]:
    found = results(reader.parse(text, "t"))
    return [each for steps in found for result in steps for each in result.differs]


def test_update_keeps_comments_order_quotes_and_anchors() -> None:
    after = updated(BY_HAND)
    assert differing(after) == []
    assert updated(after) == after
    comments = re.findall(r"#[^\n\"#]*$", BY_HAND, re.MULTILINE)
    assert comments == re.findall(r"#[^\n\"#]*$", after, re.MULTILINE)
    for expected in (
        "&ok {outcome: answered",
        "<<: *ok,",
        "&again {",
        "text: 'SALDO'",
        ">-\n      terima",
    ):
        assert expected in after
    assert "Ref {ref}" in after
    assert "expect: {reply: null}" in after  # thanks stay silent
    assert "reply: 'Iuran NKP" in after  # with the quotes that stood there
    assert (
        'also:   # the number on file\n      # gets a code\n        [{to: "+6285612345678"' in after
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_update_keeps_line_ends(end: str) -> None:
    after = updated(BY_HAND.replace("\n", end))
    assert after.count("\r") == (after.count("\n") if end == "\r\n" else 0)
    assert differing(after) == []


@pytest.mark.parametrize(
    "expect", ["keyword: iuran", "outcome: confirm", "contains: [x]", "state: {locked: true}"]
)
def test_update_refuses_other_differences(expect: str) -> None:
    step = f'  - {{from: "+6281234567890", text: SALDO, expect: {{{expect}}}}}\n'
    text = HEAD + "- name: one\n  steps:\n" + step
    with pytest.raises(NotUpdated, match=rf"t:8: one: {expect.split(':')[0]}"):
        updated(text)
    assert 'reply: "Saldo JHT' in updated(text, force=True)


def test_a_file_is_written_whole_with_its_mode_and_byte_order_mark(tmp_path: Path) -> None:
    path, link = tmp_path / "made.yaml", tmp_path / "link.yaml"
    path.write_bytes(b"\xef\xbb\xbfold")
    path.chmod(0o640)
    link.symlink_to(path)
    update.write(link, "new: é\n")
    assert path.read_bytes() == b"\xef\xbb\xbfnew: \xc3\xa9\n"
    assert (path.stat().st_mode & 0o777, link.is_symlink()) == (0o640, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.yaml", "made.yaml"]
