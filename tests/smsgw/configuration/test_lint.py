from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from smsgw.cli import main
from smsgw.configuration import lint
from tests.support.documents import add_custom_keywords, edited, edited_document

SEEDS = resources.files("smsgw.configuration").joinpath("seeds/keywords.yaml").read_text("utf-8")


def test_the_shipped_configuration_has_no_errors() -> None:
    assert lint.check(SEEDS).faults == []
    assert len(lint.check(SEEDS).warnings) == 4  # two are of wordings that wait for a review


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("aliases: [SAL,", "aliases: [STATUS,"), "'STATUS' belongs to saldo and to status"),
        (("poster: JP [<NKP>]", "poster: JP [<PIN>]"), "<PIN> is no slot"),
        (("{total}.[ Status", "{totl}.[ Status"), "{totl} is no value of this reply"),
        (("Saldo JHT NKP {nkp} per", "Saldo JHT NKP {nkp} " + "x" * 150), "segments instead of 1"),
        (("aliases: [BERHENTI, ", "aliases: ["), "BERHENTI is missing"),
        (("aliases: [CODE", "aliases: [STOPP, CODE"), "STOPP (kode) are one slip apart"),
        (("aliases: [CODE", "aliases: [KELUAR, CODE"), "KELUAR (kode) is never reached"),
        (("aliases: [CODE", "aliases: [METRO KODE, CODE"), "METRO KODE (kode) is never reached"),
        (("aliases: [CODE", "aliases: [UNREG, CODE"), "'UNREG' belongs to kode and to stop"),
    ],
)
def test_errors_say_what_may_not_be_published(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    assert change[0] in SEEDS
    file = tmp_path / "keywords.yaml"
    file.write_text(SEEDS.replace(*change, 1))
    done = CliRunner().invoke(main, ["keywords", "check", str(file)])
    assert done.exit_code == 1
    assert message in done.output


def test_an_export_can_be_checked(tmp_path: Path) -> None:
    file = tmp_path / "keywords.yaml"
    assert CliRunner().invoke(main, ["keywords", "export", str(file)]).exit_code == 0
    done = CliRunner().invoke(main, ["keywords", "check", str(file)])
    assert (done.exit_code, "can be published" in done.output) == (0, True)
    assert "INFO" in done.output


@pytest.mark.parametrize(
    ("keyword", "change", "message"),
    [
        ("saldo", {"poster": "CEKDUIT [<NKP>]", "aliases": ["A"]}, "people depend on SALDO"),
        ("saldo", {"poster": "CEKDUIT [<NKP>]", "aliases": ["A"]}, "saldo: A is one letter"),
        ("klaim", {"poster": "K <NOMOR>"}, "klaim: K is one letter"),
        ("saldo", {"poster": "<NKP>"}, "saldo: '<NKP>': a poster begins with a word"),
        ("saldo", {"poster": "[<NKP>]"}, "a poster begins with a word"),
        ("saldo", {"poster": "<NKP> SALDO"}, "a poster begins with a word"),
        ("saldo", {"poster": ""}, "a poster begins with a word"),
        ("saldo", {"aliases": "SAL"}, "saldo.aliases: a list is needed"),
        ("saldo", {"aliases": None}, "saldo.aliases: a list is needed"),
        ("saldo", {"aliases": ["STOP"]}, "'STOP' belongs to saldo and to stop"),
        ("klaim", {"from": date(2026, 2, 1), "until": date(2026, 1, 1)}, "from is after until"),
    ],
)
def test_an_error_names_its_keyword(keyword: str, change: dict[str, Any], message: str) -> None:
    text = edited_document(lambda raw: raw["keywords"][keyword].update(change))
    found = lint.check(text).faults
    assert any(message in each and lint.is_about(each, keyword) for each in found), found


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("keyword", {}, "keyword: this is not known here"),
        ("tables", 5, "tables: a mapping is needed"),
        ("tables", {"mitra": {"columns": 5}}, "table mitra.columns: a list is needed"),
        ("either", {"X": ["STOP"]}, "either.X: two keywords are needed"),
    ],
)
def test_a_wrong_type_is_named_by_its_place(key: str, value: object, message: str) -> None:
    found = lint.check(edited_document(lambda raw: raw.update({key: value}))).faults
    assert any(message in each for each in found), found


def test_all_errors_are_reported_together() -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["klaim"]["budget"] = 9
        raw["keywords"]["saldo"]["poster"] = "SALDO [<PIN>]"
        raw["keywords"]["jp"]["aliases"] = ["DATA", "IURAN"]
        raw["wordings"]["own"]["choose"]["id"] = "{nothing}"

    found = "\n".join(lint.check(edited_document(change)).faults)
    for expected in ("klaim: a budget", "saldo: 'SALDO [<PIN>]'", "own.choose (id): {nothing}"):
        assert expected in found

    def clash(raw: dict[str, Any]) -> None:
        raw["keywords"]["jp"]["aliases"] = ["DATA", "IURAN"]

    assert len(lint.check(edited_document(clash)).faults) == 2


def test_a_removed_shipped_word_is_reported_wherever_it_is_used() -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["klaim"]["poster"] = "TUNTUT [<NOMOR>] [<NKP>]"
        for topic in raw["topics"].values():
            topic["means"] = topic["means"].replace("KLAIM", "TUNTUT")

    text = edited_document(change)
    assert lint.check(text).faults == []
    warnings = lint.check(text).warnings
    assert (
        "klaim: posters and texts that are out say KLAIM, which it does not answer to" in warnings
    )
    assert any(each.startswith("bantuan.") and "it says KLAIM" in each for each in warnings)


GARBAGE = (None, [], "x", 5, True, [1], {"a": 5}, {"a": None}, {"a": [1]}, {"a": {"b": 5}})


@pytest.mark.thorough
@pytest.mark.parametrize("value", GARBAGE, ids=repr)
@pytest.mark.parametrize("where", ["keywords", "wordings", "tables", "terms", "labels"])
def test_garbage_never_crashes_the_linter(where: str, value: object) -> None:
    raw = edited(lambda raw: raw.update({where: value}))
    assert isinstance(lint.of(raw).faults, list)


@pytest.mark.thorough
@pytest.mark.parametrize("value", [*GARBAGE, datetime(2026, 1, 1, 10, 0, tzinfo=UTC)], ids=repr)
@pytest.mark.parametrize("where", ["poster", "wordings", "aliases", "from", "topics"])
def test_garbage_in_a_keyword_is_a_fault(where: str, value: object) -> None:
    def change(raw: dict[str, Any]) -> None:
        add_custom_keywords(raw)
        raw["keywords"]["libur"][where] = value

    found = lint.of(edited(change))
    assert isinstance(found.faults, list)
    assert isinstance(found.warnings, list)


@pytest.mark.thorough
@pytest.mark.parametrize("key", [None, 5, True, date(2026, 1, 1)], ids=repr)
@pytest.mark.parametrize("where", [(), ("keywords",), ("tables",), ("keywords", "libur", "topics")])
def test_a_name_that_is_no_text_is_a_fault(where: tuple[str, ...], key: object) -> None:
    def change(raw: dict[str, Any]) -> None:
        add_custom_keywords(raw)
        for each in where:
            raw = raw[each]
        raw[key] = {}

    assert lint.of(edited(change)).faults


@pytest.mark.thorough
@pytest.mark.parametrize("letters", ["<>[]#ABC ", "<NKP>[] S", '{}[]"\\:,-'])
def test_the_linter_accepts_any_input(letters: str) -> None:
    dice = Random(letters)
    for _ in range(20):
        typed = "".join(dice.choices(letters, k=dice.randint(0, 12)))

        def change(raw: dict[str, Any], typed: str = typed) -> None:
            raw["keywords"]["klaim"] |= {"poster": typed, "aliases": [typed]}
            raw["keywords"]["klaim"]["wordings"]["none"]["id"] = typed

        faults = lint.of(edited(change))
        assert faults.read is not None, typed
        assert isinstance(faults.warnings, list), typed


def test_a_document_that_stays_the_same_is_checked_once() -> None:
    found = lint.of(edited(add_custom_keywords))
    assert lint.of(edited(add_custom_keywords)).read is found.read
    assert lint.of(edited(lambda raw: None)).read is not found.read


def test_a_time_is_refused_as_a_day() -> None:
    """Days are compared with days, each time that messages are answered."""

    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["klaim"]["from"] = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)

    assert lint.check(edited_document(change)).faults == [
        "klaim: from and until are days, such as 2026-01-31",
    ]
