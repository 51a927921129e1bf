"""Reads /metrics."""

from contextlib import suppress

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families as families
from redis.exceptions import RedisError

from smsgw.operations import metrics
from smsgw.runtime import Runtime


def told(client: FlaskClient) -> str:
    """Reads what is counted now: on a busy machine counting takes long, and is told again."""
    rt: Runtime = client.application.extensions["smsgw"]
    if rt.redis is not None:
        with suppress(RedisError):  # where it is away, nothing is told again
            rt.redis.delete(metrics.CACHE_KEY)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return answer.text


def figures(client: FlaskClient) -> dict[tuple[str, ...], float]:
    """Returns (name, values of its labels in alphabetical order…) of every sample."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families(told(client))
        for sample in family.samples
    }
