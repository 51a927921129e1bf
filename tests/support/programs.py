"""Finds programs of Debian that tests of the deployment run. Without one its tests are skipped;
with SMSGW_REQUIRE_NAME, as in CI, they fail."""

import os
import shutil

import pytest

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def required(name: str, package: str) -> str:
    """Returns the path of a program."""
    found = shutil.which(name, path=PATH)
    if found is None:
        missing(name.partition("-")[0], f"no {name} here: apt-get install {package}")
    return str(found)


def missing(name: str, reason: str) -> None:
    """Ends the test: it fails where `name` is required, and is skipped elsewhere."""
    if os.environ.get(f"SMSGW_REQUIRE_{name.upper()}"):
        pytest.fail(reason)
    pytest.skip(reason)
