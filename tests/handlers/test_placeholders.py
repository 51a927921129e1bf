"""Each file declares the values that its wordings introduce, and no name is declared twice."""

from handlers import DECLARED, PLACEHOLDERS, SECTIONS, WORDINGS
from handlers.placeholders import count
from smsgw.configuration import placeholders


def test_no_placeholder_is_declared_twice() -> None:
    assert [*placeholders.declared_twice(DECLARED)] == []
    assert len(PLACEHOLDERS) > 40
    two = {"jam": {"offices": count(12)}, "kota": {"offices": count(3), "month": count(1)}}
    assert [fault.partition(";")[0] for fault in placeholders.declared_twice(two)] == [
        "{month} is declared by SHARED and kota",
        "{offices} is declared by jam and kota",
    ]


def test_every_value_of_a_wording_is_declared() -> None:
    assert placeholders.undeclared({name for names in WORDINGS.values() for name in names}) == set()
    assert placeholders.undeclared({"month", "branches"}) == {"branches"}


def test_a_file_uses_each_placeholder_that_it_declares() -> None:
    for section, own in DECLARED.items():
        used = {name for names in SECTIONS[section].WORDINGS.values() for name in names}
        assert set(own) - used == set(), section
