import pytest

from grammar import Command, Misread, Reason
from handlers import decision
from handlers.changes import Choice, Consent, OpenQuestion
from handlers.question import Caller

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
