"""Logs: one JSON object a line on standard error; ids, never texts; phones masked.

A bug's message may hold anything (`KeyError: '19012345678'`), so of an error the frames and the
type are told, and its words only where a server or the system said them. Libraries are heard from
warnings on: below, some log what they send.
"""

import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, TextIO

import orjson
import structlog
from structlog.processors import NAME_TO_LEVEL
from structlog.typing import EventDict, ExcInfo, FilteringBoundLogger, Processor

Logger = FilteringBoundLogger

OURS = "smsgw"
QUIET = {"urllib3": logging.ERROR}  # its warnings hold addresses, and with them what was sent
# (package, class): of these the words are kept. A statement is shown without its parameters.
SPEAKING = {
    ("sqlalchemy", "OperationalError"),
    ("sqlalchemy", "ProgrammingError"),
    ("sqlalchemy", "TimeoutError"),
    ("psycopg", "OperationalError"),
    ("sqlite3", "Error"),
    ("redis", "ConnectionError"),
    ("redis", "TimeoutError"),
    ("builtins", "OSError"),
    (OURS, "SettingsError"),
    (OURS, "Unreadable"),
}


def set_up(level: int = logging.INFO) -> None:
    """Sets up logging for this process and its libraries; rq adds no handler where one exists."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,  # such as that it is a try-out
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_as_text),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _line],
            foreign_pre_chain=shared,
        )
    )
    processors = structlog.get_config()["processors"]  # the same list: loggers in use hold it
    processors[:] = [_drop_below(level), *shared, _line]
    structlog.configure(
        processors=processors,
        logger_factory=partial(_Lines, handler),
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        cache_logger_on_first_use=True,
    )
    # No line tells these. https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name, own in QUIET.items():
        logging.getLogger(name).setLevel(max(level, own))
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def get(name: str) -> Logger:
    logger: Logger = structlog.get_logger(name)
    return logger


class _Lines:
    """Writes lines of ours where a handler writes those of libraries. A record for each, as
    logging makes them, takes as long as the rest."""

    def __init__(self, handler: logging.StreamHandler[TextIO], name: str) -> None:
        self.name = name
        self._handler = handler

    def msg(self, line: str) -> None:
        self._handler.acquire()
        try:
            self._handler.stream.write(f"{line}\n")
            self._handler.flush()
        except (OSError, ValueError):
            pass  # nobody reads it any more, and no message depends on it
        finally:
            self._handler.release()

    debug = info = warning = error = exception = critical = msg


def _drop_below(level: int) -> Processor:
    """Returns what ends an entry of a lower level."""

    def drop(_logger: object, method: str, entry: EventDict) -> EventDict:
        if NAME_TO_LEVEL[method] < level:
            raise structlog.DropEvent
        return entry

    return drop


_encode = json.JSONEncoder(default=repr).encode
AS_TEXT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def _line(_logger: object, _method: str, entry: Mapping[str, Any]) -> str:
    """Writes an entry in ASCII: other letters may end a line."""
    try:
        line = orjson.dumps(entry, default=repr, option=AS_TEXT)
    except TypeError:  # such as half a surrogate pair
        return _encode(entry)
    return line.decode() if line.isascii() else _encode(entry)


def _as_text(exc_info: ExcInfo) -> str:
    return "".join(_lines(exc_info[1]))


def _lines(error: BaseException) -> Iterator[str]:
    """Yields the lines as Python prints them, oldest first, but without the message."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before)
        yield "and then\n"
    yield from traceback.format_tb(error.__traceback__)
    kind = type(error)
    words = f": {error}" if _is_speaking(kind) else ""
    yield f"{kind.__module__}.{kind.__qualname__}{words}\n"


def _is_speaking(kind: type[BaseException]) -> bool:
    """Decides by the package that defines the error: an error of requests is an OSError, and holds
    an address."""
    package = kind.__module__.partition(".")[0]
    return any((package, each.__name__) in SPEAKING for each in kind.__mro__)


def _log_crash(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get(OURS).critical("crashed", exc_info=error)


def _log_thread_crash(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread else None
    get(OURS).critical("a thread crashed", thread=name, exc_info=args.exc_value)
