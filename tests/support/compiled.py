"""Shares compiled statements between the engines of a test process.

SQLAlchemy keeps them for each engine, and each test has engines of its own.
"""

from collections import defaultdict
from collections.abc import Hashable
from typing import Any

from sqlalchemy import Compiled, Engine


class _CompiledStatements(dict[tuple[Hashable, ...], Compiled]):
    """Leaves the dialect out of SQLAlchemy's keys: those of two engines for one kind of database
    are two objects."""

    def get(self, key: tuple[Hashable, ...], default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: tuple[Hashable, ...], compiled: Compiled) -> None:
        super().__setitem__(key[1:], compiled)


_of_kind: defaultdict[str, _CompiledStatements] = defaultdict(_CompiledStatements)


def share(*engines: Engine) -> None:
    for engine in engines:
        engine.update_execution_options(compiled_cache=_of_kind[engine.dialect.name])
