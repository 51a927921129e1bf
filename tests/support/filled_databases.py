"""Fills databases once, and gives each test of a module a copy of them."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import psycopg

from smsgw import runtime, settings
from smsgw.runtime import Runtime
from tests.conftest import QUICK, Clock, connect, create_database, fill, keep_rows
from tests.support import compiled, kept_rows


@dataclass
class Prepared:
    """Holds databases in which something has happened: of SQLite, and of PostgreSQL, each filled
    when a test first asks for it."""

    name: str
    live: Callable[[Runtime, Clock], None]
    folder: Path
    worker_number: int
    _open: ExitStack = field(default_factory=ExitStack)

    @contextmanager
    def copied(self, environ: Mapping[str, str], clock: Clock) -> Iterator[Runtime]:
        """Builds a runtime on a copy of what `live` left."""
        if environ["DATABASE_URL"].startswith("sqlite"):
            shutil.copytree(self._files, environ["SMSGW_HOME"], dirs_exist_ok=True)
        else:
            url, connection = self._postgres
            kept_rows.put_back(connection)
            environ = {**environ, "DATABASE_URL": url}
        made = runtime.build(settings.load(environ), now=clock)
        compiled.share(made.service, made.ledger.engine)
        yield replace(made, passwords=QUICK)
        made.close()

    @cached_property
    def _files(self) -> Path:
        fill(f"sqlite:///{self.folder / 'test.db'}", self.live)
        return self.folder

    @cached_property
    def _postgres(self) -> tuple[str, psycopg.Connection]:
        url = create_database(self.worker_number, self.name)
        fill(url, self.live)
        keep_rows(url)
        return url, self._open.enter_context(connect(url))

    def close(self) -> None:
        self._open.close()
