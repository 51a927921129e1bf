"""Records how a database plans to run a statement."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from smsgw.runtime import Runtime


@contextmanager
def plans(rt: Runtime) -> Iterator[list[str]]:
    """Collects the plans of all statements that run meanwhile."""
    run: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        run.append((statement, parameters))

    lines: list[str] = []
    event.listen(rt.service, "before_cursor_execute", note)
    try:
        yield lines
    finally:
        event.remove(rt.service, "before_cursor_execute", note)
    is_sqlite = rt.service.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    with rt.service.connect() as connection:
        for statement, parameters in run:
            if re.search(r"FROM (messages|replies|guesses)\b", statement):
                rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
                lines.append("\n".join(str(row[-1]) for row in rows))
