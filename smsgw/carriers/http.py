"""Calls carriers by HTTP with time limits and without retries, and tells whether a request that
failed had been sent."""

import math
import time
from contextvars import ContextVar
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from smsgw.carriers.carrier import Ending, SendError

CONNECT_LIMIT, READ_LIMIT = 5.0, 10.0  # seconds
# By time.monotonic: a request that has not left by then must not. Names take their time to resolve,
# and each of a host's addresses has the whole limit.
SEND_BY: ContextVar[float] = ContextVar("send_by", default=math.inf)
KEPT_OPEN = 32  # connections


def session() -> requests.Session:
    """Uses no proxies and no netrc: they cost a fifth of a send's time."""
    http_session = requests.Session()
    http_session.trust_env = False
    for scheme in ("http://", "https://"):
        http_session.mount(scheme, Adapter(pool_maxsize=KEPT_OPEN))
    return http_session


def is_unsent(error: Exception) -> bool:
    """Tells whether no connection came about, TLS included: then nothing was sent, and it is safe
    to try again. An error of any other kind may have come after the carrier had taken the
    message."""
    if isinstance(error, NewConnectionError):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectionError) and isinstance(reason, NewConnectionError)


def send_error(error: Exception) -> SendError:
    """Returns how a send ended to which there was no answer."""
    if is_unsent(error):
        return SendError(Ending.RETRY, "no connection")
    return SendError(Ending.UNKNOWN, type(error).__name__[:20])


def pool(limits: tuple[float, float]) -> PoolManager:
    """Returns connections that are kept open, with limits for connecting and reading. They cost a
    third of a session, for what is sent with every reply, raise urllib3's errors and follow no
    redirect."""
    connect, read = limits
    made = PoolManager(
        maxsize=KEPT_OPEN,
        retries=False,
        timeout=Timeout(connect=connect, read=read),
        ca_certs=certifi.where(),
    )
    made.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
    return made


class _Connecting:
    """Raises NewConnectionError for a handshake that fails, which else looks like an answer that
    fails."""

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc]
            if time.monotonic() > SEND_BY.get():
                raise TimeoutError
        except Exception as error:
            self.close()
            raise NewConnectionError(self, type(error).__name__) from error


class PlainConnection(_Connecting, HTTPConnection):
    pass


class TlsConnection(_Connecting, HTTPSConnection):
    pass


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = TlsConnection


class Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
