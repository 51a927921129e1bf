"""Sets how many examples the property tests of whole conversations use: the same in every run, or
with SMSGW_TEST_DEPTH=100 a hundred times as many, others in each."""

import os

from hypothesis import HealthCheck, Phase, settings

DEPTH = int(os.environ.get("SMSGW_TEST_DEPTH", "1"))


def examples(number: int, *, shrinks: bool = True) -> settings:
    shrinking = (Phase.shrink,) if shrinks else ()
    return settings(
        max_examples=number * DEPTH,
        derandomize=DEPTH == 1,
        database=None,
        phases=(Phase.explicit, Phase.generate, *shrinking),
        suppress_health_check=list(HealthCheck),
    )
