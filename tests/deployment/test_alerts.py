"""Each alert fires on what it is for, and on nothing else, however many web processes are
scraped."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from smsgw.runtime import Runtime
from tests.conftest import on_sqlite
from tests.support import metric_labels, promql
from tests.support.alert_cases import ALL_IS_WELL, NOTHING_THERE, WORLDS
from tests.support.alert_worlds import STEP, World
from tests.support.programs import required

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
PAGE = (ROOT / "docs" / "operations.md").read_text()
LINK = "https://docs.example.org/smsgw/operations.html#"


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    """Returns the rules by the name of their alert."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = required("promtool", "prometheus")
    return subprocess.run([program, *arguments], capture_output=True, text=True)


def test_prometheus_accepts_the_rules(rules: dict[str, Any]) -> None:
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stderr
    assert f"SUCCESS: {len(rules)} rules found" in done.stdout


@pytest.mark.parametrize(
    ("processes", "worlds"), [(1, [*ALL_IS_WELL, *NOTHING_THERE]), (2, WORLDS)], ids=["one", "two"]
)
def test_each_alert_fires_on_what_it_is_for_and_is_silent_otherwise(
    rules: dict[str, Any], tmp_path: Path, processes: int, worlds: list[World]
) -> None:
    tests = [
        world.promtool(rules, processes) for world in worlds if processes > 1 or not world.of_one
    ]
    written = tmp_path / "tests.yaml"
    content = {"rule_files": [str(RULES)], "evaluation_interval": f"{STEP}m", "tests": tests}
    written.write_text(yaml.safe_dump(content))
    done = promtool("test", "rules", written)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tried(rules: dict[str, Any]) -> None:
    assert {name for world in WORLDS for name in world.alerts} == set(rules)


def test_each_alert_links_to_its_explanation(rules: dict[str, Any]) -> None:
    headings = re.findall(r"^### (\w+)$", PAGE, re.M)
    assert list(rules) == headings
    for name, rule in rules.items():
        assert rule["annotations"]["runbook_url"] == f"{LINK}{name.lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket"}


@on_sqlite
def test_the_rules_name_what_exists_and_count_it_once(
    rules: dict[str, Any], rt: Runtime, environ: dict[str, str]
) -> None:
    metrics = metric_labels.labels(rt, environ)
    selected = [each for rule in rules.values() for each in promql.selectors(rule["expr"])]
    assert [fault for each in selected for fault in each.faults(metrics)] == []
