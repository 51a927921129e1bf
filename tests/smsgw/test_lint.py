from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from smsgw import lint
from smsgw.cli import main
from tests.smsgw.test_document import changed, with_made

SEEDS = resources.files("smsgw").joinpath("seeds/keywords.yaml").read_text("utf-8")


def test_what_we_ship_may_be_published() -> None:
    assert lint.faults(SEEDS) == []
    assert len(lint.warnings(SEEDS)) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("aliases: [SAL,", "aliases: [STATUS,"), "'STATUS' belongs to saldo and to status"),
        (("poster: JP [<NKP>]", "poster: JP [<PIN>]"), "<PIN> is no slot"),
        (("{total}.[ Status", "{totl}.[ Status"), "{totl} is no value of this reply"),
        (("Saldo JHT NKP {nkp} per", "Saldo JHT NKP {nkp} " + "x" * 150), "segments instead of 1"),
        (("aliases: [BERHENTI, ", "aliases: ["), "BERHENTI is missing"),
        (("aliases: [CODE", "aliases: [STOPP, CODE"), "STOPP (kode) are one slip apart"),
        (("aliases: [CODE", "aliases: [KELUAR, CODE"), "KELUAR (kode) is never reached"),
        (("aliases: [CODE", "aliases: [METRO KODE, CODE"), "METRO KODE (kode) is never reached"),
        (("aliases: [CODE", "aliases: [UNREG, CODE"), "UNREG belongs to two keywords"),
    ],
)
def test_what_may_not_be_published_is_said(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    assert change[0] in SEEDS
    file = tmp_path / "keywords.yaml"
    file.write_text(SEEDS.replace(*change, 1))
    done = CliRunner().invoke(main, ["keywords", "check", str(file)])
    assert done.exit_code == 1
    assert told in done.output


def test_what_is_exported_can_be_checked(tmp_path: Path) -> None:
    file = tmp_path / "keywords.yaml"
    assert CliRunner().invoke(main, ["keywords", "export", str(file)]).exit_code == 0
    done = CliRunner().invoke(main, ["keywords", "check", str(file)])
    assert (done.exit_code, "can be published" in done.output) == (0, True)
    assert "INFO" in done.output


GARBAGE = (None, [], "x", 5, True, [1], {"a": 5}, {"a": None}, {"a": [1]}, {"a": {"b": 5}})


@pytest.mark.parametrize("held", GARBAGE, ids=repr)
@pytest.mark.parametrize("where", ["keywords", "wordings", "tables", "terms", "labels"])
def test_garbage_is_a_fault_or_harmless_and_never_a_bug(where: str, held: object) -> None:
    assert isinstance(lint.faults(changed(lambda raw: raw.update({where: held}))), list)


@pytest.mark.parametrize("held", [*GARBAGE, datetime(2026, 1, 1, 10, 0, tzinfo=UTC)], ids=repr)
@pytest.mark.parametrize("where", ["poster", "wordings", "aliases", "from", "topics"])
def test_garbage_in_a_keyword_is_a_fault(where: str, held: object) -> None:
    def change(raw: dict[str, Any]) -> None:
        with_made(raw)
        raw["keywords"]["libur"][where] = held

    assert isinstance(lint.faults(changed(change)), list)


def test_a_time_is_no_day() -> None:
    """Days are compared with days, each time that messages are answered."""

    def change(raw: dict[str, Any]) -> None:
        raw["keywords"]["klaim"]["from"] = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)

    assert lint.faults(changed(change)) == [
        "klaim: from and until are days, such as 2026-01-31",
    ]
