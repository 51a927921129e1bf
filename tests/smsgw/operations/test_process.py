"""A process does not look through what it loaded again and again."""

import gc
import subprocess
import sys

import click

from smsgw.cli import main

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


def test_a_command_looks_for_no_garbage_in_what_it_imported() -> None:
    before = gc.get_freeze_count()
    assert main.get_command(click.Context(main), "segments") is not None
    assert gc.get_freeze_count() > before
    assert gc.isenabled()
