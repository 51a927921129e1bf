"""Differences of two configurations are shown line by line, with their place."""

from smsgw.configuration import diff, document
from smsgw.configuration.diff import DifferenceKind, Line
from tests.support.documents import edited_document

SHIPPED = document.dump_shipped()


def test_a_changed_line_marks_the_changed_part() -> None:
    text = SHIPPED.replace("Saldo JHT NKP {nkp} per", "Saldo JHT Anda, NKP {nkp} per", 1)
    difference = diff.compare(SHIPPED, text)
    (change,) = difference.changes
    assert change.place == ("keywords", "saldo", "wordings", "balance")
    gone, new = (each for each in change.lines if each.kind is not DifferenceKind.SAME)
    assert (gone.kind, new.kind) == (DifferenceKind.REMOVED, DifferenceKind.ADDED)
    assert new.head.endswith("Saldo JHT ")
    assert new.changed == "Anda, "
    assert new.tail.startswith("NKP {nkp} per")
    assert (difference.added, difference.removed, difference.left_out) == (1, 1, 0)


def test_an_added_alias_stands_under_its_keyword() -> None:
    difference = diff.compare(
        SHIPPED, edited_document(lambda raw: raw["keywords"]["iuran"]["aliases"].append("SETOR"))
    )
    (change,) = difference.changes
    assert change.place == ("keywords", "iuran", "aliases")
    assert Line(DifferenceKind.ADDED, "    - SETOR") in change.lines


def test_equal_texts_have_no_difference() -> None:
    assert diff.compare(SHIPPED, SHIPPED) == diff.Difference([], 0, 0, 0)


def test_a_long_difference_counts_the_omitted_lines() -> None:
    difference = diff.compare("", "\n".join(map(str, range(1000))))
    assert (difference.added, difference.left_out) == (1000, 1000 - diff.MAX_LINES)


def test_unrelated_texts_are_compared_quickly() -> None:
    one, other = "a\n" * 50_000, "".join(f"{number}\n" for number in range(50_000))
    difference = diff.compare(one, other)
    assert (difference.added, difference.removed) == (50_000, 50_000)
