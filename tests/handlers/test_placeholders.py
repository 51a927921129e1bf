"""Each file declares the values that its wordings introduce, and no name is declared twice."""

from collections import Counter

from handlers import PLACEHOLDERS, SECTIONS
from handlers.placeholders import Placeholder
from smsgw.configuration import placeholders

DECLARED: dict[str, dict[str, Placeholder]] = {
    section: getattr(source, "PLACEHOLDERS", {}) for section, source in SECTIONS.items()
}


def test_no_placeholder_is_declared_twice() -> None:
    names = Counter(name for own in DECLARED.values() for name in own)
    names.update(placeholders.SHARED.keys())
    assert [name for name, times in names.items() if times > 1] == []
    assert set(names) == set(placeholders.PLACEHOLDERS)
    assert len(PLACEHOLDERS) > 40


def test_a_file_uses_each_placeholder_that_it_declares() -> None:
    for section, own in DECLARED.items():
        used = {name for names in SECTIONS[section].WORDINGS.values() for name in names}
        assert set(own) - used == set(), section
