"""Checks that faults of transcripts name line and column, and say in plain words what was probably
meant."""

# ruff: noqa: E501 (a step is a line, as in transcripts)

from pathlib import Path

import pytest

from smsgw.transcripts import reader
from smsgw.transcripts.faults import TranscriptError
from smsgw.transcripts.format import dumps
from smsgw.transcripts.reader import TranscriptDocument

HEAD = """\
now: 2025-10-31T10:00:00+07:00
registered: {"+6281234567890": ["19012345678"]}
conversations:
- name: one
  steps:
"""
SALDO = '  - {from: "+6281234567890", text: SALDO, expect: {outcome: answered}}\n'


def faults(text: str) -> list[str]:
    """Returns "LINE:COLUMN: what is wrong" of each fault."""
    with pytest.raises(TranscriptError) as raised:
        reader.parse(text, "t")
    return [str(each).removeprefix("t:") for each in raised.value.faults]


def read(text: str) -> TranscriptDocument:
    return reader.parse(text, "t")


def with_step(step: str) -> str:
    return HEAD + SALDO + f"  - {step}\n"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        # keys
        (
            "{from: x, text: y, expect: {outcom: answered}}",
            "7:33: there is no key 'outcom' here; did you mean 'outcome'?",
        ),
        ("{from: x, txt: y}", "7:15: there is no key 'txt' here; did you mean 'text'?"),
        (
            "{from: x, text: y, keyword: saldo}",
            "7:24: there is no key 'keyword' here; it belongs under expect",
        ),
        (
            "{from: x, text: y, expect: {state: {lokced: true}}}",
            "7:41: there is no key 'lokced' here; did you mean 'locked'?",
        ),
        (
            "{from: x, from: z, text: y}",
            "7:15: 'from' stands here a second time; it is in line 7 already",
        ),
        ("{from: x, text: y, ? [a] : b}", "7:26: a key is a word, not a list or a mapping"),
        # names
        (
            "{from: x, text: y, expect: {keyword: salod}}",
            "7:42: there is no keyword 'salod'; did you mean 'saldo'?",
        ),
        (
            "{from: x, text: y, expect: {outcome: anwered}}",
            "7:42: there is no outcome 'anwered'; did you mean 'answered'?",
        ),
        (
            "{from: x, text: y, expect: {reason: echos}}",
            "7:41: there is no reason 'echos'; did you mean 'echo'?",
        ),
        (
            "{from: x, text: y, expect: {state: {open: concent}}}",
            "7:47: there is no question 'concent'; did you mean 'consent'?",
        ),
        # scalars without quotes
        ("{from: x, text: YES}", "7:21: 'text' needs quotes: \"YES\""),
        ("{from: x, text: 0123}", "7:21: 'text' needs quotes: \"0123\""),
        ("{from: x, text: 1e3}", "7:21: 'text' needs quotes: \"1e3\""),
        ("{from: x, text: true}", "7:21: 'text' needs quotes: \"true\""),
        (
            "{from: x, text: y, expect: {contains: [0017]}}",
            "7:44: 'contains' needs quotes: \"0017\"",
        ),
        (
            "{from: x, text: y, expect: {contains: [15:30]}}",
            "7:44: 'contains' needs quotes: \"15:30\"",
        ),
        (
            "{from: x, text: y, expect: {lacks: [2025-09-30]}}",
            "7:41: 'lacks' needs quotes: \"2025-09-30\"",
        ),
        (
            "{from: x, text: y, expect: {state: {bound: [19012345678]}}}",
            "7:49: 'bound' needs quotes: \"19012345678\"",
        ),
        # kinds of values
        (
            "{from: x, text: y, expect: {contains: Rp}}",
            "7:43: 'contains' is a list, such as [\"Rp\"]",
        ),
        (
            "{from: x, text: y, expect: {max_segments: one}}",
            "7:47: 'max_segments' is a whole number without quotes",
        ),
        ("{from: x, text: y, expect: {max_segments: 0}}", "7:47: 'max_segments' is 1 or more"),
        (
            "{from: x, text: y, expect: {state: {locked: yes}}}",
            "7:49: 'locked' is true or false",
        ),
        ("{from: x, text: y, expect: saldo}", "7:32: 'expect' needs a mapping (key: value)"),
        ("{from: x, text: [y]}", "7:21: 'text' is a text, not a list or a mapping"),
        ("{from: x, text: y, gap: }", "7:24: 'gap' has no value; give it one, or leave it out"),
        (
            '{from: x, text: y, expect: {contains: [" "]}}',
            "7:44: 'contains' is blank, and every reply holds that",
        ),
        (
            '{from: x, text: y, expect: {matches: "("}}',
            "7:42: 'matches' is not a valid regular expression: missing ), unterminated subpattern "
            "at position 0",
        ),
        (
            "{from: x, text: y, expect: {also: [{to: abc}]}}",
            "7:45: 'abc' is not a phone number such as +6281234567890",
        ),
        (
            '{from: x, text: y, expect: {also: [{to: "0812-3456-7890"}]}}',
            "7:45: '0812-3456-7890' is not a phone number such as +6281234567890; "
            "did you mean +6281234567890?",
        ),
        ("{from: x, text: y, expect: {also: [{count: 1}]}}", "7:40: 'to' is missing"),
        ("{from: x, text: y, expect: {any: []}}", "7:38: 'any' is empty; it needs one entry at least"),
        (
            "{from: x, text: y, expect: {never: [{}]}}",
            "7:32: any and never hold answers that say something",
        ),
        # what a step is
        ("{from: x}", "7:5: from and text go together"),
        ("{text: x}", "7:5: a step has one of from, wait, days, ledger"),
        ("{wait: 1m, ledger: up}", "7:5: a step has one of from, wait, days, ledger"),
        ("{wait: 15 minutes}", "7:12: 'wait' is a number with s, m, h or d, such as 15m"),
        ("{wait: -5m}", "7:12: 'wait' is a number with s, m, h or d, such as 15m"),
        ("{ledger: away}", "7:14: 'ledger' is 'up' or 'down'"),
        ("{days: 0}", "7:12: 'days' is 1 or more"),
        ("{report: lost}", "7:14: 'report' is 'sent', 'delivered' or 'undelivered'"),
        (
            "{wait: 1m, expect: {keyword: saldo}}",
            "7:5: only a message has keyword; this step may expect also, state",
        ),
        ("{wait: 1m, gap: 5s}", "7:5: gap and at are for messages; time alone goes by with wait"),
        (
            "{from: x, text: y, gap: 5s, at: 2025-10-31T11:00:00+07:00}",
            "7:5: 'steps' has gap or at, not both",
        ),
        (
            "{from: x, text: y, at: 2025-10-31T09:00:00+07:00}",
            "7:28: the clock stands at 2025-10-31T10:00:20+07:00 already",
        ),
        ("{wait: 999999d}" + "\n  - {wait: 999999d}" * 2, "9:5: the clock would pass the year 9999"),
        (
            '{officer: {accept: "19012345678", refuse: "19012345678"}}',
            "7:15: 'officer' has one of look, accept, refuse, answer, erase",
        ),
        ('{officer: {accept: "1901"}}', "7:24: '1901' is not an NKP of 11 digits"),
        ("{officer: {answer: ADU-251031-0001}}", "7:15: answer and text go together"),
        ('{number_on_file: {"99999999999": null}}', "7:23: nobody in the ledger has the NKP 9999"),
        # steps and what was before them
        ("{from: x, text: y, expect: {same_reply_as: 3}}", "7:48: same_reply_as names an earlier"),
        (
            "{wait: 1m}\n  - {from: x, text: y, expect: {same_reply_as: 2}}",
            "8:48: step 2 is no message, so it has no reply",
        ),
        ('{from: "+6289", text: "=echo"}', "7:27: =echo needs a reply to this phone before"),
        ('{from: x, text: "=echo "}', "7:21: did you mean '=echo', to the letter?"),
        ("{from: x, text: KODE =CODE}", "7:21: did you mean '=code', to the letter?"),
        (
            "{from: x, text: KODE =code}",
            "7:21: =code needs a registration (DAFTAR) before, which sends a code",
        ),
        (
            "{from: x, text: y, expect: {reason: frozen}}",
            "7:5: reason is one of duplicate, echo, courtesy",
        ),
        (
            '{officer: {accept: "19012345678"}, expect: {reason: echo}}',
            "7:5: reason is one of not_waiting, not_in_ledger",
        ),
        # files
        (
            "{publish: x.yaml}",
            "7:15: 'publish' names a file, and this transcript lies in no folder",
        ),
    ],
)  # fmt: skip
def test_an_error_in_a_step_names_its_place(step: str, message: str) -> None:
    found = faults(with_step(step))
    assert any(each.startswith(message) for each in found), found
    assert len(found) == 1, found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: the file is empty; a transcript has at least now and conversations"),
        ("- a", "1:1: the file is no mapping; a transcript has at least now and conversations"),
        ("now: 2025-10-31T10:00:00+07:00", "1:1: 'conversations' is missing"),
        (
            HEAD.replace("regis", "reigs") + SALDO,
            "2:1: there is no key 'reigstered' here; did you mean",
        ),
        (
            HEAD.replace("2025-10-31T", "2025-02-30T") + SALDO,
            "1:6: 2025-02-30 is not in the calendar",
        ),
        (HEAD.replace("T10:", "T25:") + SALDO, "1:6: 2025-10-31T25:00:00+07:00 is no time"),
        (
            HEAD.replace("T10:00:00+07:00", "") + SALDO,
            "1:6: 'now' is a day, a time and a time zone",
        ),
        (HEAD.replace("+07:00", "") + SALDO, "1:6: 'now' is a day, a time and a time zone"),
        (HEAD.replace("19012345678", "99999999999") + SALDO, "2:33: nobody in the ledger has"),
        (HEAD.replace("19012345678", "1901") + SALDO, "2:33: '1901' is not an NKP of 11 digits"),
        (
            HEAD.replace('"+6281234567890"', '"081234567890"') + SALDO,
            "2:14: '081234567890' is not a phone number such as +6281234567890; did you mean",
        ),
        (
            HEAD.replace('678"]', '678"], "+6281311112222": ["19012345678"]') + SALDO,
            "2:68: 19012345678 is bound to +6281234567890 already; an NKP has one phone",
        ),
        (HEAD.replace("steps:", "steps: []"), "5:10: 'steps' is empty"),
        (
            HEAD + '  - {from: "+628", text: x}',
            "4:3: this conversation checks nothing; give a step an expect",
        ),
        (HEAD + SALDO + "- name: one\n  steps:\n" + SALDO, "7:9: conversation 1 has the same name"),
        (HEAD + SALDO + "settings: {timezone: Mars}", "7:22: must be an IANA time zone"),
        (HEAD + SALDO + 'settings: {countries: ["0"]}', "7:23: is a list of calling codes"),
        (HEAD + SALDO + "keywords: x.yaml", "7:11: 'keywords' names a file, and this"),
        ("a: 1\n---\nb: 2", "2:1: a second document begins here (---)"),
        ("a:\n\tb: 1", "2:1: a tab stands here; YAML is indented with blanks"),
        ("a: [1\n", "2:1: this is not YAML: "),
        ("a: *b", "1:4: this alias (*) has no anchor (&) before it"),
        ("a: \x00", "1:1: a control character stands here; remove it"),
        ("title: &x [*x]", "1:8: this holds itself, by an alias (*)"),
        ("a: !!python/object:os.system x", "1:4: a tag (!) stands here; a transcript has none"),
        ("- " * 60 + "x", "1:101: lists and mappings lie too deep in each other"),
    ],
)
def test_an_error_in_a_file_names_its_place(text: str, message: str) -> None:
    found = faults(text)
    assert found[0].startswith(message), found


def test_all_errors_are_reported_together() -> None:
    text = HEAD.replace("registered", "registred") + (
        '  - {from: "+628", txt: x, expect: {keyword: salod, a: 1}}\n  - {wait: soon}\n'
    )
    assert [each.split(": ", 1)[0] for each in faults(text)] == [
        "2:1", "6:20", "6:46", "6:53", "7:12"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        HEAD + SALDO,
        "\ufeff" + HEAD + SALDO,
        (HEAD + SALDO).replace("\n", "\r\n"),
        HEAD.replace("2025-10-31T10:00:00+07:00", "'2024-02-29 23:59:59.5Z'") + SALDO,
        HEAD.replace("2025", "1900") + SALDO,
        HEAD.replace("2025", "9999") + SALDO,
        HEAD + SALDO.replace("text: SALDO", "text: &t SALDO") + SALDO.replace("SALDO", "*t"),
        HEAD + SALDO.replace("{from", "&s {from") + "  - {<<: *s, text: saldo}\n",
        HEAD + SALDO.replace('"+6281234567890"', "+6281234567890"),
        HEAD + SALDO.replace('"+6281234567890"', "081234567890"),
        HEAD + SALDO.replace("SALDO", '"SALDO 🙏🏽"'),
        HEAD + SALDO.replace("SALDO", "x" * 5000),
        HEAD + SALDO.replace("outcome: answered", "reply: null, reason: null"),
        HEAD
        + SALDO.replace("outcome: answered", "any: [{keyword: saldo}], never: [{keyword: ya}]"),
        HEAD + SALDO.replace("outcome: answered", "also: [], state: {open: null}"),
    ],
)
def test_a_valid_file_is_read(text: str) -> None:
    assert read(text).transcript.conversations[0].name == "one"


def test_an_unquoted_phone_number_is_read() -> None:
    document = read(HEAD + SALDO.replace('"+6281234567890"', "+6281234567890"))
    assert document.transcript.conversations[0].steps[0].sender == "+6281234567890"


def test_a_yaml_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    found = faults("\n".join(lines))
    assert len(found) == 1
    assert "the file holds over 500,000 values" in found[0]


def test_named_files_are_relative_to_the_transcript(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "participants.csv").write_text("nkp\n29000000001\n")
    path = tmp_path / "made.yaml"
    path.write_text("ledger: ledger\n" + (HEAD + SALDO).replace("19012345678", "29000000001"))
    assert reader.read(path).ledger == tmp_path / "ledger"
    path.write_text("ledger: ledgr\nkeywords: k.yaml\n" + HEAD + SALDO)
    with pytest.raises(TranscriptError) as raised:
        reader.read(path)
    assert [each.text for each in raised.value.faults] == [
        f"{tmp_path / 'ledgr'} is not a folder",
        f"{tmp_path / 'k.yaml'} cannot be read: No such file or directory",
    ]


def test_invalid_utf_8_is_reported_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "made.yaml"
    path.write_bytes(b"now: x\ntitle: caf\xe9\n")
    with pytest.raises(TranscriptError, match=r"made.yaml:2:11: is not UTF-8"):
        reader.read(path)


@pytest.mark.parametrize(
    "text", ["YES", "no", "0017", "1e3", "0o17", "15:30", "2025-09-30", "", "~", "a: b", "x\ny"]
)
def test_a_written_transcript_reads_back_the_same(text: str) -> None:
    steps = [{"from": "+6281234567890", "text": text, "expect": {"outcome": "answered"}}]
    document = {
        "now": "2025-10-31T10:00:00+07:00",
        "conversations": [{"name": text or "empty", "steps": steps}],
    }
    held = read(dumps(document)).transcript.conversations[0]
    assert (held.name, held.steps[0].text) == (text or "empty", text)
