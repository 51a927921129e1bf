"""Checks that unrecognised messages are grouped by shape: what several phones wrote is shown, and
nothing of one alone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from smsgw.backoffice import unrecognised
from smsgw.backoffice.concept_proposals import ConceptWord
from smsgw.backoffice.unrecognised import Alias, Change, Filler, NotAccepted, UnrecognisedShapes
from smsgw.configuration import background_file, compiler, document, versions
from smsgw.configuration.document import RawDocument
from smsgw.runtime import Runtime
from smsgw.transcripts import library, phrases, reader, runner
from tests.conftest import Clock
from tests.support.documents import add_custom_keywords, edited_document
from tests.support.unrecognised import DUIT, Wrote, numbers, phone
from tests.support.unrecognised import wrote as wrote

ANI = "operator:ani"
SHIPPED = document.loads(document.dump_shipped())


def gathered(rt: Runtime, raw: RawDocument = SHIPPED, days: int = 7) -> UnrecognisedShapes:
    return unrecognised.gather(rt, rt.now() - timedelta(days=days), unrecognised.reader(raw))


def shapes(found: UnrecognisedShapes) -> list[tuple[str, int, int]]:
    return [(" ".join(each.tokens), each.messages, each.phones) for each in found.shapes]


def test_similar_texts_share_one_shape(rt: Runtime, wrote: Wrote) -> None:
    wrote(*DUIT[:4])
    wrote("payung robek kumaha", "payung robek kumaha", "payung robek, kumaha dong")
    found = gathered(rt)
    assert shapes(found) == [("DUIT GUE", 4, 4), ("PAYUNG ROBEK KUMAHA", 3, 3)]
    assert (found.messages, found.others, found.is_cut) == (7, 0, False)
    assert found.shapes[0].proposal == Alias("DUIT GUE", "saldo")


def test_nothing_from_a_single_phone_is_shown(rt: Runtime, wrote: Wrote) -> None:
    one = phone()
    for name in ("Wulandari", "Suharto", "Kusnadi", "Wijayanti"):
        wrote(f"halo duit gue {name} gak ada 0857{next(numbers)}")
    wrote(*["kenapa duit gue habis dipakai Wulandari"] * 5, by=one)
    wrote(*["gak ada duit Wulandari hamil"] * 2, by=one)
    found = gathered(rt)
    assert shapes(found) == [("DUIT GUE … GAK ADA #", 4, 4)]
    assert found.others > 0
    assert "WULANDARI" not in repr(found)
    assert "0857" not in repr(found)


def test_numbers_are_replaced(rt: Runtime, wrote: Wrote) -> None:
    for _ in range(3):
        wrote("plat B1234XYZ gimana 0890 17")
    assert [shape for shape, *_ in shapes(gathered(rt))] == ["PLAT # GIMANA #"]


def test_answered_and_old_messages_are_left_out(rt: Runtime, wrote: Wrote, clock: Clock) -> None:
    for _ in range(3):
        wrote("SALDO", "YA", "19012345678", "makasih", "DAFTAR", "SALDO 1901234")
    assert gathered(rt).shapes == []
    wrote(*DUIT)
    clock.moves(days=2)
    assert gathered(rt, days=1).shapes == []
    assert shapes(gathered(rt, days=3))[0][0] == "DUIT GUE"


def test_messages_the_draft_recognises_are_left_out(rt: Runtime, wrote: Wrote) -> None:
    """An alias is found only as it is written, so each message counts by itself."""
    wrote(*DUIT[:4], "duit punya gue", "duit punya gue", "duit punya gue")
    raw, _ = unrecognised.accept(SHIPPED, Alias("DUIT GUE", "saldo"), "DUIT GUE")
    assert shapes(gathered(rt, raw)) == [("DUIT PUNYA GUE", 3, 3)]


def test_proposed_words_keep_their_order(rt: Runtime, wrote: Wrote) -> None:
    wrote(*["kapan nih plat dong jadi"] * 3)
    proposed = gathered(rt).shapes[0].proposal
    raw, _ = unrecognised.accept(SHIPPED, Alias(proposed.words, "klaim"), proposed.words)
    assert gathered(rt, raw).shapes == []


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("duitnya habis", "saldo"),
        ("alamatmu apa", "kantor"),
        ("gimana nasibku", None),
        ("plat nomornya", None),
    ],
)
def test_a_hinted_keyword_is_proposed(
    rt: Runtime, wrote: Wrote, text: str, keyword: str | None
) -> None:
    wrote(*[text] * 3)
    found = gathered(rt).shapes
    assert [each.proposal.keyword for each in found] == [keyword]


def test_a_word_that_can_be_ignored_is_proposed_as_filler(rt: Runtime, wrote: Wrote) -> None:
    wrote(*["MENU BOSKU"] * 3, *["lanjut bosque"] * 3, *["STOP JANGAN"] * 3)
    proposed = {each.text: each.proposal for each in gathered(rt).shapes}
    assert proposed["LANJUT BOSQUE"] == Filler("BOSQUE", "lanjut")
    assert isinstance(proposed["STOP JANGAN"], Alias)  # nobody is stopped by a guess


@pytest.mark.parametrize(
    "text",
    [
        "kartu hilang",
        "hp saya kecurian",
        "hapus akunku",
        "bahasanya jawa",
        "kabari gue",
        "kartu hilang saldonya gimana",
        "orangnya salah",
        "hilang duit gue",
        "nomornya ganti",
    ],
)
def test_no_keyword_that_changes_something_is_proposed(
    rt: Runtime, wrote: Wrote, text: str
) -> None:
    """Otherwise two clicks and a publish would unlink everybody who writes "kartu hilang"."""
    wrote(*[text] * 3)
    assert [each.proposal.keyword for each in gathered(rt).shapes if each.proposal.keyword] == []


def test_a_long_list_is_cut_and_says_so(rt: Runtime, wrote: Wrote) -> None:
    wrote(*["payung robek"] * 3, *["duit gue"] * 3)
    by = unrecognised.reader(SHIPPED)
    found = unrecognised.gather(rt, rt.now() - timedelta(days=1), by, most=3)
    assert (shapes(found), found.messages, found.is_cut) == ([("DUIT GUE", 3, 3)], 3, True)


def test_a_concept_is_proposed_for_a_word_that_nothing_reads(rt: Runtime, wrote: Wrote) -> None:
    wrote(*["bpjs gw dipundhuti piye"] * 3, *["payung robek"] * 3)
    proposed = {each.text: each.concepts for each in gathered(rt).shapes}
    first = proposed["BPJS GW DIPUNDHUTI PIYE"][0]
    assert (first.words, first.concept, first.topic) == (
        *("DIPUNDHUTI", "WITHDRAW"),
        "how_to_withdraw",
    )
    assert proposed["PAYUNG ROBEK"] == []


def test_a_word_of_one_phone_is_proposed_for_no_concept(rt: Runtime, wrote: Wrote) -> None:
    wrote("bpjs gw dipundhuti piye", *["bpjs gw dipanggangi piye"] * 2)
    assert [(each.text, each.concepts) for each in gathered(rt).shapes] == [("BPJS GW PIYE", [])]


def test_a_change_is_shown_before_it_is_made(rt: Runtime) -> None:
    """It names transcripts and counts private messages that are read differently."""
    conversation = phrases.shown_by("BPJS GW DIPUNDHUTI PIYE", "saldo")
    with rt.writing() as tx:
        library.save(tx, "of pundhut", conversation, ANI)
        library.save(tx, "of money", phrases.shown_by("SALDO", "saldo"), ANI)
        background_file.save(tx, "payung robek\ndipundhuti bpjs iso ta\n", ANI)
    change, phrase = ConceptWord("DIPUNDHUTI", "WITHDRAW"), "BPJS GW DIPUNDHUTI PIYE"
    effect = phrases.preview(rt, change, phrase)
    assert (effect.keyword, effect.topic) == ("info", "how_to_withdraw")
    assert effect.transcripts == ("of pundhut",)
    assert (effect.private, effect.all_private, effect.taken) == (1, 2, 1)
    with rt.reading() as tx:
        assert versions.draft(tx) is None


ACCEPTED = [
    (Alias("DUIT GUE", "saldo"), "DUIT GUE"),
    (Alias("ON", "mulai"), "ON"),  # to YAML no word
    (Alias("MAU IKUT BPJSTK", "daftar"), "MAU IKUT BPJSTK"),
    (Alias("DI MANA CABANGNYA", "kantor"), "DI MANA CABANGNYA"),
    (Alias("JANGAN KIRIM LAGI", "stop"), "JANGAN KIRIM LAGI"),
    (Alias("CUTI BERSAMA", "libur"), "CUTI BERSAMA"),
    (ConceptWord("DIPUNDHUTI", "WITHDRAW"), "BPJS GW DIPUNDHUTI PIYE"),
    (Filler("BOSQUE"), "TIDAK BOSQUE"),
    (Filler("BOSQUE"), "YA BOSQUE"),
]


@pytest.mark.parametrize(("change", "text"), ACCEPTED, ids=lambda each: str(each))
def test_an_accepted_phrase_is_in_the_draft_with_a_transcript(
    rt: Runtime, tmp_path: Path, change: Change, text: str
) -> None:
    with rt.writing() as tx:
        versions.save(tx, document.loads(edited_document(add_custom_keywords)), 0, ANI, "all")
    phrases.accept(rt, change, text, ANI)
    with rt.reading() as tx:
        draft = versions.draft(tx)
        (transcript,) = library.newest(tx)
    assert draft.edition == 2
    assert text in transcript.text
    steps = list(
        runner.run(
            reader.parse(transcript.text, transcript.name, configuration=compiler.load(draft.text))
        )
    )
    assert [each.differs for each in steps] == [()]
    assert steps[0].answer.verdict.keyword is not None


def test_the_transcript_contains_the_phrase(rt: Runtime) -> None:
    """With the published version, it differs."""
    text = phrases.shown_by("DUIT GUE", "saldo")
    (step,) = runner.run(reader.parse(text, "shown"))
    assert step.differs == ("keyword: expected saldo, got null",)


@pytest.mark.parametrize(
    ("change", "text", "why"),
    [
        (Alias("IURAN", "saldo"), "", "belongs to"),
        (Alias("BERHENTI", "lapor"), "", "BERHENTI"),
        (Alias("DUIT", "nothing"), "", "fix them first"),
        (Alias("DUIT", None), "", "fix them first"),
        (Alias("", "saldo"), "", "1 to 4 words"),
        (Alias("SATU DUA TIGA EMPAT LIMA", "saldo"), "", "1 to 4 words"),
        (Alias("STOPP", "saldo"), "", "one slip apart"),
        (ConceptWord("DUIT", "NOTHING"), "DUIT", "fix them first"),
        (ConceptWord("PAYUNG", "CAN"), "PAYUNG ROBEK", "unknown"),
        (ConceptWord("SATU DUA TIGA EMPAT LIMA", "CAN"), "SATU", "1 to 4 words"),
        (Filler("DUIT"), "DUIT GUE", "unknown"),
        (Filler("DUIT GUE"), "DUIT GUE", "1 to 1 words"),
        (Filler("DUIT"), "", "1 to 1 words"),
    ],
)
def test_a_harmful_phrase_is_refused(rt: Runtime, change: Change, text: str, why: str) -> None:
    with pytest.raises(NotAccepted, match=why):
        phrases.accept(rt, change, text, ANI)
    with rt.reading() as tx:
        assert versions.draft(tx) is None
        assert library.newest(tx) == []


def test_a_draft_with_errors_accepts_no_phrase(rt: Runtime) -> None:
    def broken(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"].pop("poster")

    with rt.writing() as tx:
        versions.save(tx, document.loads(edited_document(broken)), 0, ANI, "all")
    with pytest.raises(NotAccepted, match="poster is missing"):
        phrases.accept(rt, Alias("DUIT GUE", "saldo"), "DUIT GUE", ANI)


@pytest.mark.parametrize(
    ("typed", "words"),
    [("duit  gue", "DUIT GUE"), ("duit 5", ""), ("a" * 81, ""), ("<b>", "B"), ("", "")],
)
def test_only_words_are_accepted(typed: str, words: str) -> None:
    assert unrecognised.words_of(typed) == words
