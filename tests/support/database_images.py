"""Saves and restores databases in memory, so that a test may begin a thousand times."""

import sqlite3
from typing import cast

from sqlalchemy import Engine


def take_image(engine: Engine) -> bytes:
    return _driver(engine).serialize()


def restore_image(engine: Engine, image: bytes) -> None:
    _driver(engine).deserialize(image)


def _driver(engine: Engine) -> sqlite3.Connection:
    """Returns the one connection that SQLAlchemy keeps to a database in memory."""
    with engine.connect() as connection:
        return cast("sqlite3.Connection", connection.connection.driver_connection)
