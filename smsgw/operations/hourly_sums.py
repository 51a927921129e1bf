"""Sums up hourly counts for the figures.

After two years these are millions of rows, which take seconds. So what is more than six hours old
is summed up by the clock every five minutes and remembered in Redis, for all processes alike; where
no clock did, by who needs it. What changes there shows with the next sums.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Column, ColumnElement, cast, func, select, true

from smsgw.messaging.hourly_counts import hour_of
from smsgw.storage.transaction import Transaction

KEY = "hourly-sums"
PAST = timedelta(hours=6)
REMEMBERED = timedelta(minutes=10)

Sums = list[tuple[Any, ...]]


class HourlySums:
    """Sums up columns of the tables of hourly counts, all read in one transaction."""

    def __init__(self, tx: Transaction, redis: Redis | None, *, is_anew: bool = False) -> None:
        """`is_anew`: sums up the past also where it is remembered."""
        self._tx, self._redis = tx, redis
        self._at, self._past = (tx.now, {}) if is_anew else self._recall()
        self._until = hour_of(self._at - PAST)
        self._is_changed = False

    def of(
        self, summed: Column[Any], *by: Column[Any], where: ColumnElement[bool] | None = None
    ) -> Sums:
        """Returns values of `by`, each with the sum of all counted hours."""
        hour = summed.table.c.hour
        if self._redis is None:
            return self._read(summed, by, where, true())
        name = str(
            _query(summed, by, where, true()).compile(compile_kwargs={"literal_binds": True})
        )
        if name not in self._past:
            self._past[name] = self._read(summed, by, where, hour < self._until)
            self._is_changed = True
        total = Counter[tuple[Any, ...]]()
        for *labels, number in (
            *self._past[name],
            *self._read(summed, by, where, hour >= self._until),
        ):
            total[tuple(labels)] += number
        return [(*labels, number) for labels, number in total.items()]

    def remember(self) -> None:
        """Lets others do without what was read of the past."""
        if self._redis is None or not self._is_changed:
            return
        kept = json.dumps({"at": self._at.isoformat(), "past": self._past})
        try:
            self._redis.set(KEY, kept, ex=REMEMBERED)
        except RedisError:
            return  # the next one sums up again

    def _recall(self) -> tuple[datetime, dict[str, Sums]]:
        try:
            kept = self._redis.get(KEY) if self._redis is not None else None
        except RedisError:
            kept = None
        if isinstance(kept, bytes | str):
            found = json.loads(kept)
            at = datetime.fromisoformat(found["at"])
            if at <= self._tx.now < at + REMEMBERED:
                return at, found["past"]
        return self._tx.now, {}

    def _read(
        self,
        summed: Column[Any],
        by: Sequence[Column[Any]],
        where: ColumnElement[bool] | None,
        hours: ColumnElement[bool],
    ) -> Sums:
        rows = self._tx.connection.execute(_query(summed, by, where, hours))
        return [tuple(row) for row in rows]


def _query(
    summed: Column[Any],
    by: Sequence[Column[Any]],
    where: ColumnElement[bool] | None,
    hours: ColumnElement[bool],
) -> Any:
    """PostgreSQL makes a decimal of a sum."""
    total = cast(func.sum(summed), summed.type)
    return select(*by, total).where(true() if where is None else where, hours).group_by(*by)
