"""Checks what the steps of a transcript do, and what each expectation refuses."""

# ruff: noqa: E501 (a step is a line, as in transcripts)

from pathlib import Path

import pytest

from smsgw.configuration import document
from smsgw.transcripts import reader, runner
from smsgw.transcripts.faults import TranscriptError
from smsgw.transcripts.runner import Result

P1, P1_NKP = "+6281234567890", "19012345678"
P2, P2_NKP = "+6285612345678", "20098765432"
STRANGER = "+6289900000000"
DAFTAR = "DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992#20098765432"
HEAD = """\
now: 2025-10-31T10:00:00+07:00
registered: {"+6281234567890": ["19012345678"]}
"""
STEPS = "conversations:\n- name: one\n  steps:\n"


def play(*steps: str, head: str = HEAD) -> list[Result]:
    text = head + STEPS + "".join(f"  - {step}\n" for step in steps)
    return list(runner.run(reader.parse(text, "t")))


def says(text: str, expect: str = "reason: null", sender: str = P1, more: str = "") -> str:
    return f'{{from: "{sender}", text: "{text}", expect: {{{expect}}}{more}}}'


def differs(*steps: str, head: str = HEAD) -> list[str]:
    return [each for result in play(*steps, head=head) for each in result.differs]


SALDO = (
    "Saldo JHT NKP *******5678 per 30-09-2025: Rp123.456.789. Status AKTIF. "
    "Iuran terakhir 09-2025. Setoran Rp98.765.432, hasil Rp24.691.357. Bantuan 175. Ref FPGH4F"
)


@pytest.mark.parametrize(
    "expect",
    [
        "keyword: saldo, outcome: answered, reason: null",
        f'reply: "{SALDO}"',
        f'reply: "{SALDO.replace("FPGH4F", "{ref}")}"',
        'contains: ["Rp123.456.789", AKTIF], lacks: ["Rp0"], max_segments: 1',
        'matches: "Ref [A-Z0-9]{6}$"',
        "also: []",
        'state: {bound: ["19012345678"], locked: false, language: id, stopped: false, open: null}',
        "state: {cases: 0}",
        "any: [{keyword: iuran}, {keyword: saldo, contains: [Rp]}]",
        "never: [{keyword: ya}, {keyword: saldo, outcome: confirm}]",
        f'also: [{{to: "{P2}", count: 0}}]',
    ],
)
def test_a_matching_result_agrees(expect: str) -> None:
    assert differs(says("SALDO", expect)) == []


@pytest.mark.parametrize(
    ("expect", "sentence"),
    [
        ("keyword: iuran", "keyword: expected iuran, got saldo"),
        ("outcome: confirm", "outcome: expected confirm, got answered"),
        ("reason: echo", "reason: expected echo, got null"),
        ("reply: null", "reply: expected None, got 'Saldo"),
        (f'reply: "{SALDO[:-1]}"', "reply: expected"),
        (f'reply: "{SALDO.replace("FPGH4F", "{code}")}"', "reply: expected"),
        ("contains: [saldo]", "contains: 'saldo' is not in"),
        ("lacks: [AKTIF]", "lacks: 'AKTIF' is in"),
        ('matches: "^Rp"', "matches: '^Rp' is not in"),
        ("state: {bound: []}", "state: bound: expected [], got [19012345678]"),
        ("state: {locked: true}", "state: locked: expected true, got false"),
        ("state: {language: en}", "state: language: expected en, got id"),
        ("state: {stopped: true}", "state: stopped: expected true, got false"),
        ("state: {open: consent}", "state: open: expected consent, got null"),
        ("state: {cases: 1}", "state: cases: expected 1, got 0"),
        ("any: [{keyword: iuran}]", "any: none of 1 answers fits; the nearest: keyword: expected"),
        ("any: [{keyword: saldo, outcome: confirm}]", "any: none of 1 answers fits; the nearest: outcome"),
        ("never: [{keyword: saldo}]", "never: DANGER, this must not come: keyword saldo"),
        (f'also: [{{to: "{P2}"}}]', f"also: expected an SMS to {P2}, {P2} got nothing"),
        (f'also: [{{to: "{P2}", count: 1}}]', f"also: expected 1 such SMS to {P2}, got 0"),
    ],
)  # fmt: skip
def test_a_different_result_is_reported(expect: str, sentence: str) -> None:
    found = differs(says("SALDO", expect))
    assert len(found) == 1
    assert found[0].startswith(sentence), found


def test_max_segments_and_same_reply_as_can_differ() -> None:
    # An officer's answer may take three.
    long = "x" * 200
    found = differs(
        says("LAPOR iuran tidak dibayar", "max_segments: 1"),
        says("SALDO", "same_reply_as: 1"),
        f'{{officer: {{answer: ADU-251031-0001, text: "{long}"}}, expect: {{also: []}}}}',
    )
    assert [each.split(":")[0] for each in found] == ["same_reply_as", "also"]


CODE_SENT = f'also: [{{to: "{P2}", contains: ["KODE {{code}}"]}}]'


def test_also_says_that_nobody_else_gets_anything() -> None:
    found = differs(says(DAFTAR, "outcome: pending, also: []", STRANGER))
    assert found[0].startswith(f"also: nobody else should get anything, {P2} got 'HP lain")


@pytest.mark.parametrize(
    ("expected", "fits"),
    [
        ("contains: [KODE], lacks: [Rp], count: 1", True),
        ("contains: [KODE], count: 2", False),
        ("contains: [Rp]", False),
        ("lacks: [KODE]", False),
        ('reply: "x"', False),
        (
            'reply: "HP lain ingin info saldo NKP *******5432. Bila itu Anda, ketik di HP itu: KODE '
            '{code} (10 menit). Bukan Anda? Jangan beri siapa pun, balas TOLAK"',
            True,
        ),
    ],
)
def test_also_looks_at_what_somebody_else_gets(expected: str, fits: bool) -> None:
    step = says(DAFTAR, f'also: [{{to: "{P2}", {expected}}}]', STRANGER)
    assert (differs(step) == []) == fits


def test_codes_and_references_are_the_same_in_every_run() -> None:
    steps = says(DAFTAR, sender=STRANGER), says("KODE =code", "outcome: answered", STRANGER)
    one, two = play(*steps), play(*steps)
    assert [each.got for each in one] == [each.got for each in two]
    assert one[1].differs == ()
    assert one[1].sent_text != "KODE =code"


def test_code_or_echo_without_a_source_is_a_difference() -> None:
    wrong = says(DAFTAR.replace("1992", "1993"), "outcome: pending", STRANGER)
    found = play(wrong, says("KODE =code", "keyword: kode", STRANGER))
    assert found[1].differs == ("text: =code stands for the last code, and none was sent",)
    assert found[1].answer is None
    silent = play(says("terima kasih", "reason: courtesy"), says("=echo"))
    assert silent[1].differs == ("text: =echo stands for our last reply, and there is none",)


def test_the_clock_moves_by_gap_and_at() -> None:
    """A repeat is silent for two minutes."""
    repeat = "reason: duplicate"
    assert differs(says("SALDO"), says("SALDO", repeat, more=", gap: 119s")) == []
    assert differs(says("SALDO"), says("SALDO", repeat, more=", gap: 2m")) != []
    assert (
        differs(says("SALDO"), says("SALDO", repeat, more=", at: 2025-10-31T10:02:19+07:00")) == []
    )
    assert (
        differs(says("SALDO"), says("SALDO", repeat, more=", at: 2025-10-31T10:02:20+07:00")) != []
    )


def test_the_number_on_file_changes() -> None:
    change = f'{{number_on_file: {{"{P1_NKP}": "{STRANGER}"}}, expect: {{state: {{bound: ["{P1_NKP}"]}}}}}}'
    assert differs(
        says("SALDO", "outcome: answered"),
        change,
        says("IURAN", "outcome: not_registered, state: {bound: []}"),
        says(f"SALDO {P1_NKP}", "outcome: confirm", STRANGER),
    ) == []  # fmt: skip


def test_each_conversation_starts_with_the_original_ledger() -> None:
    change = f'{{number_on_file: {{"{P1_NKP}": "+6281999999999"}}}}'
    text = HEAD + STEPS + f"  - {change}\n  - {says('SALDO', 'outcome: not_registered')}\n"
    text += f"- name: two\n  steps:\n  - {says('SALDO', 'outcome: answered')}\n"
    results = list(runner.run(reader.parse(text, "t")))
    assert [each.differs for each in results] == [(), (), ()]


def test_an_officer_accepts_refuses_and_looks() -> None:
    officer = f'{{officer: {{accept: "{P2_NKP}", from: "{STRANGER}", by: ani}}, expect: {{also: [{{to: "{STRANGER}", contains: [Petugas]}}], state: {{bound: ["{P2_NKP}"]}}}}}}'
    look = f'{{officer: {{look: "{P2_NKP}"}}, expect: {{also: []}}}}'
    again = f'{{officer: {{accept: "{P2_NKP}"}}, expect: {{reason: not_waiting, also: []}}}}'
    seen = f'{{officer: {{look: "{P2_NKP}", by: ani}}, expect: {{also: []}}}}'
    assert differs(says(DAFTAR, sender=STRANGER), look, seen, officer, again) == []
    unseen = f'{{officer: {{accept: "{P2_NKP}"}}, expect: {{reason: not_looked, also: []}}}}'
    assert differs(says(DAFTAR, sender=STRANGER), unseen) == []
    refuse = f'{{officer: {{refuse: "{P2_NKP}", because: differs}}, expect: {{also: [{{to: "{STRANGER}", contains: [tidak cocok]}}], state: {{bound: []}}}}}}'
    assert differs(says(DAFTAR, sender=STRANGER), refuse) == []
    found = differs(says(DAFTAR, sender=STRANGER), f'{{officer: {{accept: "{P1_NKP}"}}}}')
    assert found == ["officer: it could not be done (not_waiting)"]


def test_an_officer_answers_a_complaint_and_erases() -> None:
    answered = '{officer: {answer: ADU-251031-0001, text: Sudah dibayar.}, expect: {also: [{to: "+6281234567890", reply: "Aduan ADU-251031-0001: Sudah dibayar."}], state: {cases: 0}}}'
    assert differs(says("LAPOR belum dibayar", "state: {cases: 1}"), answered) == []
    erased = '{officer: {erase: ADU-251031-0001}, expect: {also: [{to: "+6281234567890", contains: [sudah dihapus]}], state: {bound: [], cases: 0}}}'
    assert differs(says("HAPUS DATA", "state: {cases: 1}"), erased) == []
    linked = '{officer: {answer: ADU-251031-0001, text: "lihat https://x.id"}}'
    assert differs(says("LAPOR belum dibayar"), linked) == [
        "officer: this answer cannot be sent (link)"
    ]


def test_a_report_moves_the_last_reply() -> None:
    """A sender who has the answer asks again; while it is being sent a repeat is silent."""
    assert differs(says("SALDO"), says("SALDO", "reason: duplicate")) == []
    assert differs(says("SALDO"), "{report: delivered}", says("SALDO", "outcome: answered")) == []
    assert differs(says("makasih", "reason: courtesy"), "{report: delivered}") == [
        "report: no reply was sent before this step"
    ]


def test_waiting_days_runs_the_periodic_work() -> None:
    assert (
        differs(
            says("SALDO"),
            '{days: 91, expect: {state: {bound: ["19012345678"]}}}',
            says("ULANG", "outcome: unknown"),
        )
        == []
    )
    unused = f'starts: {{"{P2}": {{bindings: [{{nkp: "{P2_NKP}", unused: 360d}}]}}}}\n'
    bound = "outcome: confirm"
    gone = "outcome: not_registered, state: {bound: []}"
    for days, outcome in ((4, bound), (7, gone)):
        steps = f"{{days: {days}}}", says("IURAN", outcome, P2)
        assert differs(*steps, head=HEAD + unused) == []


def test_other_keywords_answer_from_a_step_on(tmp_path: Path) -> None:
    folder = tmp_path
    shipped = document.shipped_text()
    (folder / "other.yaml").write_text(shipped.replace("Saldo JHT NKP", "Saldo Anda NKP"))
    steps = [
        says("SALDO", "contains: [Saldo JHT NKP]"),
        "{publish: other.yaml}",
        says("SALDO 19012345678", "contains: [Saldo Anda NKP]"),
    ]
    path = folder / "made.yaml"
    path.write_text(HEAD + STEPS + "".join(f"  - {each}\n" for each in steps))
    assert [each.differs for each in runner.run(reader.read(path))] == [(), (), ()]
    path.write_text("keywords: other.yaml\n" + HEAD + STEPS + f"  - {steps[2]}\n")
    assert [each.differs for each in runner.run(reader.read(path))] == [()]


def test_a_world_starts_as_it_is_described() -> None:
    head = f"""\
now: 2025-10-31T10:00:00+07:00
starts:
  "{P1}": {{stopped: true, language: en, locked: true, bindings: [{{nkp: "{P1_NKP}", on_file: "{P1}", unused: 59d}}]}}
  "{P2}": {{bindings: [{{nkp: "{P2_NKP}", on_file: "+6281200000000"}}]}}
  "{STRANGER}": {{bindings: [{{nkp: "28000000013", unused: 365d}}]}}
"""
    state = f'state: {{stopped: true, language: en, locked: true, bound: ["{P1_NKP}"]}}'
    assert differs(says("SALDO", f"contains: [balance], {state}"), head=head) == []
    assert (
        differs(says("SALDO", "outcome: not_registered, state: {bound: []}", P2), head=head) == []
    )
    assert (
        differs(says("SALDO", "outcome: not_registered, state: {bound: []}", STRANGER), head=head)
        == []
    )


def test_settings_are_the_files_own() -> None:
    abroad = "+60123456789"
    there = 'settings: {countries: ["62"], timezone: Asia/Jayapura, holidays: ["2025-11-03"]}\n'
    assert differs(says("KONTAK", "outcome: answered", abroad)) == []
    assert differs(says("KONTAK", "reason: unreachable_sender", abroad), head=HEAD + there) == []


def test_the_ledger_can_fail_and_recover() -> None:
    answer = (
        f'{{wait: 10s, expect: {{also: [{{to: "{P1}", contains: ["Rp123.456.789"], count: 1}}]}}}}'
    )
    assert (
        differs(
            "{ledger: down}",
            says("SALDO", "outcome: unavailable"),
            "{wait: 1m, expect: {also: []}}",
            "{ledger: up}",
            answer,
        )
        == []
    )


def test_a_clock_that_runs_out_is_a_fault_of_the_file() -> None:
    head = HEAD.replace("2025-10-31T10", "9999-12-31T10")
    with pytest.raises(TranscriptError, match="t:6:5: what begins here would end after the year"):
        play(says("SALDO 20098765432", sender=P2), head=head)
