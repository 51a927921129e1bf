"""Every word of the console has its Indonesian, and none is left over."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from handlers.changes import NotificationKind
from handlers.question import Outcome
from smsgw.backoffice.announcements import AnnouncementFault
from smsgw.backoffice.backtest_findings import ChangeKind
from smsgw.backoffice.resend import ResendRefusal
from smsgw.configuration import diff, versions
from smsgw.console import MENU, translations
from smsgw.operations import dashboard
from smsgw.storage.audit import Act
from smsgw.storage.tables.messages import AttemptEnd, MessageState, ReplyState, Settled
from smsgw.storage.tables.notifications import RunState
from smsgw.storage.tables.operators import Role, TaskState
from smsgw.storage.tables.phones import RegistrationState

CONSOLE = Path(translations.__file__).parent
TEMPLATES = CONSOLE / "templates"
SPOKEN = re.compile(r"""(?:\b_|\btold|\bPhrase)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""")
# Values that are shown as words.
VALUES = (
    Act,
    Role,
    ReplyState,
    MessageState,
    AttemptEnd,
    RegistrationState,
    TaskState,
    Outcome,
    Settled,
    ResendRefusal,
    ChangeKind,
    diff.DifferenceKind,
    versions.PublishRefusal,
    NotificationKind,
    RunState,
    AnnouncementFault,
)
UNITS = ("d", "h", "m", "s")


def written() -> Iterator[str]:
    for file in (*TEMPLATES.rglob("*.html"), *CONSOLE.rglob("*.py")):
        for single, double in SPOKEN.findall(file.read_text()):
            yield (single or double).replace("\\'", "'").replace('\\"', '"')


def needed() -> set[str]:
    values = {str(each) for kind in VALUES for each in kind}
    menu = {each.name for each in MENU.entries}
    menu |= {tab.name for each in MENU.entries for tab in each.tabs}
    return {*written(), *values, *menu, *dashboard.KINDS, *UNITS}


def test_every_text_is_translated() -> None:
    assert len(set(written())) > 100
    assert sorted(needed() - translations.indonesian().keys()) == []


def test_no_text_is_translated_twice() -> None:
    """YAML would take the last, without a word."""
    node = yaml.compose((CONSOLE / "locale" / "id.yaml").read_text("utf-8"))
    texts = Counter(key.value for key, _ in node.value)
    assert [text for text, times in texts.items() if times > 1] == []


def test_no_translation_is_unused() -> None:
    assert sorted(translations.indonesian().keys() - needed()) == []


def test_placeholders_match_in_both_languages() -> None:
    with_values = 0
    for english, indonesian in translations.indonesian().items():
        names = re.findall(r"\{\w*\}", english)
        assert sorted(names) == sorted(re.findall(r"\{\w*\}", indonesian)), english
        with_values += bool(names)
    assert with_values > 20


def test_an_unknown_text_stays_english() -> None:
    assert translations.translate("never said", "id") == "never said"
    assert translations.translate("Log out", "en") == "Log out"
