"""Keeps temporary files in memory, where a commit does not wait for a disk."""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  # where Linux has it
ENOUGH = 2 * 1024**3  # octets; a run takes less than half


def use_for_temporary_files() -> None:
    """Uses memory in this process and those that it starts, if there is enough, programs may be
    started from it, and `TMPDIR` is not set."""
    if "TMPDIR" not in os.environ and _is_usable():
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # asked for before, and kept


def _is_usable() -> bool:
    if not os.access(MEMORY, os.W_OK):
        return False
    is_executable = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    return is_executable and shutil.disk_usage(MEMORY).free >= ENOUGH
