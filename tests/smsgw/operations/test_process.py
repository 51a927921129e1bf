"""A long-lived process does not look through what it loaded again and again."""

import subprocess
import sys

SCRIPT = """
import gc
from smsgw.operations import process
process.freeze_loaded_objects()
print(gc.get_freeze_count() > 1_000, gc.get_threshold())
class Ring: pass
for _ in range(100_000):
    ring = Ring()
    ring.self = ring
print(len([each for each in gc.get_objects() if isinstance(each, Ring)]) < 50_000)
"""


def test_what_is_loaded_is_kept_and_the_rest_still_collected() -> None:
    made = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert made.stdout.split("\n")[:2] == ["True (20000, 20, 50)", "True"], made.stderr
