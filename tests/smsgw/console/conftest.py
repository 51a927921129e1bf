from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from smsgw.app import create_app
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.support.console_client import Visitor, logged_in

As = Callable[[Role], Visitor]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Pages are shown from SQLite; what they read and write is tested with both databases."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(scope="session")
def built_apps() -> list[Flask]:
    """Keeps the application for all tests, as its routes and templates take long to compile."""
    return []


@pytest.fixture
def app(rt: Runtime, built_apps: list[Flask]) -> Flask:
    """Returns an application of this test's runtime; every test has the same settings."""
    if not built_apps:
        built_apps.append(create_app(rt))
    (flask_app,) = built_apps
    flask_app.extensions["smsgw"] = rt
    return flask_app


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def as_(app: Flask, rt: Runtime) -> As:
    """Logs in somebody of a role."""
    return lambda role: logged_in(app, rt, role)
