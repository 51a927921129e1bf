"""Grafana's own types read the dashboard and lose nothing, and its queries name what exists.

grafana-foundation-sdk has the types, generated from Grafana's schema. What it does not know, such
as a misspelled option, is lost when it writes the dashboard again.
"""

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from smsgw.runtime import Runtime
from tests.conftest import on_sqlite
from tests.support import metric_labels, promql

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
UNITS = {value for name, value in vars(units).items() if name[0].isupper()}
WIDTH = 24


@pytest.fixture(scope="module")
def dashboard() -> Any:
    return json.loads(DASHBOARD.read_text())


def test_grafana_knows_all_of_it(dashboard: Any) -> None:
    register_default_plugins()
    assert list(lost(dashboard, _read_and_written(dashboard))) == []


def test_an_option_that_grafana_does_not_know_is_noticed(dashboard: Any) -> None:
    wrong = json.loads(json.dumps(dashboard))
    wrong["panels"][0]["fieldConfig"]["defaults"]["units"] = "s"
    assert list(lost(wrong, _read_and_written(wrong))) == [
        "/panels/0/fieldConfig/defaults/units: 's' becomes None"
    ]


def _read_and_written(dashboard: Any) -> Any:
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


def lost(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Yields what is in ours and not in theirs, which may have more: defaults."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from lost(value, theirs.get(key), f"{where}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(one, other, f"{where}/{place}")
    elif ours != theirs:
        yield f"{where}: {ours!r} becomes {theirs!r}"


def test_each_panel_has_an_id_and_a_place_of_its_own(dashboard: Any) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= WIDTH for panel in panels)
    overlapping = [
        (one["title"], other["title"])
        for one, other in combinations(panels, 2)
        if _overlap(one["gridPos"], other["gridPos"])
    ]
    assert overlapping == []


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not beside and not below


def test_each_panel_asks_the_chosen_prometheus_in_a_unit_of_grafana(dashboard: Any) -> None:
    (source,) = dashboard["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    for panel in dashboard["panels"]:
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{source['name']}}}"}
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)


def test_it_links_to_what_the_alerts_mean(dashboard: Any) -> None:
    (link,) = dashboard["links"]
    assert link["url"] == "https://docs.example.org/smsgw/operations.html#what-each-alert-means"
    assert "\n## What each alert means\n" in (ROOT / "docs" / "operations.md").read_text()


@on_sqlite
def test_its_queries_name_what_exists_and_count_it_once(
    dashboard: Any, rt: Runtime, environ: dict[str, str]
) -> None:
    """However many web processes are scraped."""
    metrics = metric_labels.labels(rt, environ)
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    selected = [each for target in targets for each in promql.selectors(target["expr"])]
    assert [fault for each in selected for fault in each.faults(metrics)] == []


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("max(smsgw_nothing)", "smsgw_nothing does not exist"),
        ("max by (color) (a)", "a has no label color"),
        ('max(a{color="red"})', "a has no label color"),
        ("a", "a is told by each process: it needs max or min by its own labels"),
        ("sum(rate(a[5m]))", "a is told by each process: it needs max or min by its own labels"),
        (
            "max by (instance) (a)",
            "a is told by each process: it needs max or min by its own labels",
        ),
        ("sum(max by (x) (a))", "a is summed after a maximum over y"),
        ('sum(max by (x) (a{y=~"1|2"}))', "a is summed after a maximum over y"),
    ],
)
def test_a_query_that_counts_twice_is_noticed(query: str, fault: str) -> None:
    metrics = {"a": {"x", "y"}}
    assert [found for each in promql.selectors(query) for found in each.faults(metrics)] == [fault]
