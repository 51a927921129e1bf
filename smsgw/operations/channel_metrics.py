"""Builds the metric family of channels beside SMS."""

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from redis.exceptions import RedisError

from smsgw import logs
from smsgw.messaging import channel_counts
from smsgw.runtime import Runtime

log = logs.get(__name__)


def by_other_channels(rt: Runtime) -> Metric:
    family = CounterMetricFamily(
        "smsgw_other_channel_messages",
        "Messages stored that came by WhatsApp or RCS.",
        labels=["carrier", "channel"],
    )
    try:
        for which, number in channel_counts.counts(rt).items():
            family.add_metric(which, number)
    except RedisError as error:
        log.warning("messages of other channels cannot be read", error=type(error).__name__)
    return family
