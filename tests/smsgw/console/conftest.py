from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache

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
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Keeps compiled templates, so that the tests compile each one once."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(rt: Runtime, compiled_templates: FileSystemBytecodeCache) -> Flask:
    flask_app = create_app(rt)
    flask_app.jinja_env.bytecode_cache = compiled_templates
    return flask_app


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def as_(app: Flask, rt: Runtime) -> As:
    """Logs in somebody of a role."""
    return lambda role: logged_in(app, rt, role)
