"""Keeps decoys: NKPs that were never issued. Somebody who tries numbers meets them, and hardly
anybody else does.

The list holds keyed hashes. Who has the database alone cannot tell which numbers they are; who has
the key as well can try them all. What is told of those who name them is in `guesses`.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from sqlalchemy import Connection, delete, func, insert, select, type_coerce
from sqlalchemy.exc import DBAPIError

from smsgw.ledger.values import RawType, read_nkp
from smsgw.ledger_access import is_service
from smsgw.registry.lockout import DECOY_PHONES
from smsgw.runtime import Runtime
from smsgw.storage import audit, engines
from smsgw.storage.audit import Act
from smsgw.storage.tables.ledger import participants
from smsgw.storage.tables.phones import decoys
from smsgw.storage.transaction import Transaction

NEAR = 50  # how far from an issued number a scan looks, either way
TRIED = 20_000  # numbers of one scan by which the density is measured
DRAWN_FROM, MOST_AT_ONCE = 4, 200_000  # times as many numbers as are wanted, up to so many
BATCH = 500
NKP = re.compile(r"[0-9]{11}")
NKPS = type_coerce(participants.c.nkp, RawType())  # the ledger's may be numbers
PHONE = re.compile(r"(?:0|62)8[0-9]+")  # people send their own where an NKP belongs

Value = TypeVar("Value", str, bytes)


class NotDrawn(Exception):
    """Says why nothing was changed."""


@dataclass(frozen=True, slots=True)
class Range:
    """Holds two NKPs and what lies between."""

    first: str
    last: str

    @staticmethod
    def read(first: str, last: str) -> "Range":
        """Raises NotDrawn."""
        wrong = next((each for each in (first, last) if not NKP.fullmatch(each)), None)
        if wrong is not None:
            raise NotDrawn("an NKP must have 11 digits")
        if first > last:
            raise NotDrawn("the first number is the larger one")
        return Range(first, last)

    @property
    def numbers(self) -> range:
        return range(int(self.first), int(self.last) + 1)


def count(tx: Transaction) -> int:
    return int(tx.connection.execute(select(func.count()).select_from(decoys)).scalar_one())


def draw(rt: Runtime, wanted: int, actor: str, between: Range | None = None) -> None:
    """Adds as many numbers, drawn by chance, that the ledger does not know: near those that it does
    know, or in a range. Raises NotDrawn."""
    found: set[str] = set()
    with _ledger(rt) as ledger:
        while (missing := wanted - len(found)) > 0:
            more = _free(rt, ledger, between, missing) - found
            if not more:
                raise NotDrawn(f"only {len(found)} numbers are free there")
            found.update(rt.random.sample(sorted(more), min(len(more), missing)))
    for batch in _batches([rt.vault.hash(nkp, "nkp") for nkp in found]):  # messages wait for each
        with rt.writing() as tx:
            rows = [{"nkp_hash": each, "made_at": tx.now} for each in batch]
            tx.connection.execute(insert(decoys), rows)
    with rt.writing() as tx:
        detail = f"{wanted} added, {count(tx)} in all"
        audit.note(tx, Act.DECOYS_CHANGED, actor, detail=detail)


def clear(rt: Runtime, actor: str) -> int:
    """Returns how many there were."""
    with rt.writing() as tx:
        gone = tx.connection.execute(delete(decoys)).rowcount
        if gone:
            audit.note(tx, Act.DECOYS_CHANGED, actor, detail=f"all {gone} removed")
    return gone


def drop_issued(rt: Runtime, actor: str) -> int:
    """Takes those off the list that the ledger knows by now; returns how many. Reads every NKP of
    the ledger, where there is a list at all. Raises NotDrawn."""
    with rt.reading() as tx:
        listed = frozenset(tx.connection.execute(select(decoys.c.nkp_hash)).scalars())
    if not listed:
        return 0
    with _ledger(rt) as ledger:
        every = ledger.execution_options(yield_per=BATCH).execute(select(NKPS))
        known = (nkp for each in every.scalars() if (nkp := read_nkp(each)))
        issued = [each for nkp in known if (each := rt.vault.hash(nkp, "nkp")) in listed]
    if not issued:
        return 0
    with rt.writing() as tx:
        for batch in _batches(issued):
            tx.connection.execute(delete(decoys).where(decoys.c.nkp_hash.in_(batch)))
        detail = f"{len(issued)} removed that were issued, {count(tx)} in all"
        audit.note(tx, Act.DECOYS_CHANGED, actor, detail=detail)
    return len(issued)


def scan(rt: Runtime, between: Range | None = None) -> set[str]:
    """Returns the numbers that an attacker would try near issued ones, or in a range; a random part
    of them if they are many. Raises NotDrawn."""
    with _ledger(rt) as ledger:
        return _scan(rt.random, ledger, between, TRIED)


def density(rt: Runtime, between: Range | None = None) -> float:
    """Returns the share of decoys among the numbers of a scan. Raises NotDrawn."""
    tried = scan(rt, between)
    with rt.reading() as tx:
        return len(_decoys_among(tx, tried)) / len(tried)


def noticed_within(density: float, certainty: float) -> int | None:
    """Returns how many numbers a scan gets through in a day before it is noticed, with this
    certainty; None where there are no decoys. Of scans the hardest to notice: each number by a
    phone of its own."""
    if not density:
        return None
    numbers = range(math.ceil(100 / density))
    return bisect_left(numbers, certainty, key=lambda number: _detection(density, number))


def _detection(density: float, numbers: int) -> float:
    """Returns the probability that enough of so many are decoys."""
    return 1 - sum(
        math.comb(numbers, met) * density**met * (1 - density) ** (numbers - met)
        for met in range(min(DECOY_PHONES, numbers + 1))
    )


@contextmanager
def _ledger(rt: Runtime) -> Iterator[Connection]:
    """Connects without the time limit of look-ups. Raises NotDrawn if the ledger cannot be read."""
    if is_service(rt.settings.ledger_url):
        raise NotDrawn("LEDGER_URL is a service, which lists no NKPs; decoys need a database")
    engine = engines.engine(rt.settings.participant_ledger_url)
    try:
        with engine.connect().execution_options(read_only=True) as connection:
            yield connection
    except DBAPIError as error:
        problem = f"the ledger could not be read ({type(error).__name__}); run smsgw migrate first"
        raise NotDrawn(problem) from None
    finally:
        engine.dispose()


def _scan(chance: Random, ledger: Connection, between: Range | None, most: int) -> set[str]:
    if between is not None:
        numbers = between.numbers
        return _to_nkps(numbers if len(numbers) <= most else chance.sample(numbers, most))
    by_chance = select(NKPS).order_by(func.random()).limit(most)
    drawn = map(read_nkp, ledger.execute(by_chance).scalars())
    issued = [int(nkp) for nkp in drawn if nkp and NKP.fullmatch(nkp)]
    if not issued:
        raise NotDrawn("the ledger is empty; give a range")
    steps = [step for step in range(-NEAR, NEAR + 1) if step]
    if len(issued) * len(steps) <= most:
        return _to_nkps(nkp + step for nkp in issued for step in steps)
    return _to_nkps(chance.choice(issued) + chance.choice(steps) for _ in range(most))


def _to_nkps(numbers: Iterable[int]) -> set[str]:
    written = (f"{number:011}" for number in numbers)
    return {nkp for nkp in written if NKP.fullmatch(nkp)}


def _free(rt: Runtime, ledger: Connection, between: Range | None, wanted: int) -> set[str]:
    """Returns the scanned numbers that nobody has, and that nobody types by mistake."""
    most = min(max(wanted * DRAWN_FROM, TRIED), MOST_AT_ONCE)
    tried = _scan(rt.random, ledger, between, most)
    tried = {nkp for nkp in tried if not PHONE.fullmatch(nkp)}
    for batch in _batches(sorted(tried)):
        same = ledger.execute(select(NKPS).where(NKPS.in_(batch))).scalars()
        tried.difference_update(nkp for each in same if (nkp := read_nkp(each)))
    with rt.reading() as tx:
        return tried - _decoys_among(tx, tried)


def _decoys_among(tx: Transaction, numbers: Collection[str]) -> set[str]:
    """Returns those that are decoys."""
    by_hash = {tx.vault.hash(nkp, "nkp"): nkp for nkp in numbers}
    found: set[str] = set()
    for batch in _batches(sorted(by_hash)):
        same = select(decoys.c.nkp_hash).where(decoys.c.nkp_hash.in_(batch))
        found.update(by_hash[each] for each in tx.connection.execute(same).scalars())
    return found


def _batches(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    for first in range(0, len(values), BATCH):
        yield values[first : first + BATCH]
