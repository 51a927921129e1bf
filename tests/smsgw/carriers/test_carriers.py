"""A carrier is one file and one line: what belongs to it stands in its file."""

from pathlib import Path

import pytest
import yaml

from smsgw import carriers, settings
from smsgw.carriers.carrier import Route
from tests.support.twilio_api import ALL_CARRIERS

ROOT = Path(__file__).parents[3]
ELSEWHERE = ["settings.py", "variables.py", "web/webhooks.py", "cli/doctor.py"]


def routes() -> list[Route]:
    made = settings.load(ALL_CARRIERS)
    built = carriers.build(made.carriers, made.of_carriers)
    return [route for carrier in built.values() for route in carrier.routes]


@pytest.mark.parametrize("file", ELSEWHERE)
@pytest.mark.parametrize("name", ["twilio", "kannel", "simulator"])
def test_no_other_file_names_a_carrier(file: str, name: str) -> None:
    assert name not in (ROOT / "smsgw" / file).read_text().lower()


def test_each_carrier_is_named_as_it_names_itself() -> None:
    made = settings.load(ALL_CARRIERS)
    built = carriers.build(made.carriers, made.of_carriers)
    assert set(made.carriers) < set(built) <= set(carriers.MODELS)
    assert all(carrier.name == name for name, carrier in built.items())


def test_each_webhook_is_documented_as_its_carrier_declares_it() -> None:
    paths = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())["paths"]
    documented = {path.removeprefix("/in/") for path in paths if path.startswith("/in/")}
    assert {route.path for route in routes()} == documented
    for route in routes():
        operations = paths[f"/in/{route.path}"]
        assert {method.upper() for method in operations} == set(route.methods)
        assert operations[route.methods[0].lower()]["summary"] == route.summary
        assert (
            str(route.acknowledgement.status) in operations[route.methods[0].lower()]["responses"]
        )
