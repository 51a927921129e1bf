"""Reads /metrics."""

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families as families


def figures(client: FlaskClient) -> dict[tuple[str, ...], float]:
    """Returns (name, values of its labels in alphabetical order…) of every sample."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families(answer.text)
        for sample in family.samples
    }
