import pytest

from grammar import Command, Misread, Reason
from handlers import decision
from handlers.changes import Choice, Consent, OpenQuestion
from handlers.question import Bound, Caller
from smsgw.configuration import compiler

BATAL = Command("stop", {}, "BATAL", "")
BERHENTI = Command("stop", {}, "BERHENTI", "")
LETTER = Misread(Reason.UNKNOWN, rest="B", as_answer="B")
YES = Misread(Reason.UNKNOWN, rest="MUHUN", as_answer="ya")
CHOICE = Choice(Command("klaim", {}, "KLAIM", ""))
WORD = Misread(Reason.UNKNOWN, rest="BUDI")


@pytest.mark.parametrize(
    ("parsed", "asked", "keyword"),
    [
        (BATAL, None, "stop"),
        (BATAL, Consent("19012345678"), "tidak"),
        (BATAL, CHOICE, "tidak"),
        (BERHENTI, CHOICE, "stop"),
        (LETTER, CHOICE, "klaim"),
        (LETTER, Consent("19012345678"), None),
        (LETTER, None, None),
        (WORD, CHOICE, None),
        (YES, Consent("19012345678"), "ya"),
        (YES, None, None),
    ],
)
def test_an_open_question_changes_what_a_message_means(
    parsed: Command | Misread, asked: OpenQuestion | None, keyword: str | None
) -> None:
    assert decision.resolve(parsed, Caller("+6281311112222", open=asked)).keyword == keyword


TWO = (Bound("21000000017"), Bound("21000000025"))


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("yang 0025", "B"),
        ("yg akhirannya 17 pak", "A"),
        ("saldo 0025", "B"),
        ("0000025", "B"),
        ("yang 0000", ""),  # ends none
        ("21000000", ""),  # begins both
        ("5", ""),  # one digit is a letter of the choice, or nothing
        ("0017 atau 0025", ""),
        ("status 0025", ""),  # another question
    ],
)
def test_a_card_is_chosen_by_its_last_digits(text: str, chosen: str) -> None:
    keywords = compiler.load_shipped()
    said = keywords.grammar.parse(text)
    asked = Choice(Command("saldo", {}, "SALDO", ""))
    inquiry = decision.Inquiry(keywords, said, text, Caller("+6281311112222", TWO, open=asked))
    read = decision.meant(inquiry)
    letter = read.rest if read.rest in {"A", "B"} else ""
    assert letter == chosen
    assert read.keyword == "saldo" or not chosen
