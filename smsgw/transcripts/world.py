"""Builds the world that a transcript describes: a service database and a ledger in memory, and a
clock.

Nothing is written to disk, so nothing is left behind, whatever ends the run. The databases are
prepared once for a file; each conversation begins with a copy of that image.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Engine, update

from handlers.changes import FailedIdentification, NotificationKind
from smsgw import runtime, settings
from smsgw.configuration.live import LiveConfiguration
from smsgw.ledger.csv_import import load
from smsgw.notifications import kinds
from smsgw.registry import lockout, phone_state
from smsgw.registry.bindings import bind
from smsgw.runtime import Runtime
from smsgw.storage import migrations
from smsgw.storage.counters import Counters
from smsgw.storage.tables.ledger import participants
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.transaction import Transaction
from smsgw.transcripts import checks
from smsgw.transcripts.format import Start, Transcript
from smsgw.transcripts.reader import TranscriptDocument

IN_MEMORY = "sqlite://"
KEY = "transcripts are public, so is this key"
SEED = "smsgw"  # of the codes that are sent: the same in every run
CONSENT = "registered in the transcript"
OPERATOR = "operator:petugas"  # who switched notifications on
IMAGES_KEPT = 4  # ledgers


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class World:
    rt: Runtime
    clock: Clock
    document: TranscriptDocument
    service: bytes  # images of the databases before the first step
    ledger: bytes

    def begin(self) -> Runtime:
        """Restores everything as it is before the first step of a conversation."""
        _restore(self.rt.service, self.service)
        _restore(self.rt.ledger.engine, self.ledger)
        self.clock.now = self.document.transcript.now
        return replace(self.rt, counters=Counters(), random=Random(SEED))  # noqa: S311


@contextmanager
def prepare(document: TranscriptDocument) -> Iterator[World]:
    """Raises LoadError where the ledger's files cannot be read."""
    transcript = document.transcript
    clock = Clock(transcript.now)
    ledger = _ledger_image(document.ledger)
    made = runtime.build(settings.load(_environment(transcript)), now=clock)
    rt = replace(made, published=LiveConfiguration.always(document.configuration))
    try:
        _restore(rt.service, _service_image())
        _restore(rt.ledger.engine, ledger)
        start(rt, transcript)
        yield World(rt, clock, document, _image(rt.service), ledger)
    finally:
        rt.close()


def start(rt: Runtime, transcript: Transcript) -> None:
    """Writes what is known of phones before the first step into empty databases."""
    nkps = [nkp for each in transcript.registered.values() for nkp in each]
    on_file = {nkp: _on_file(rt, nkp) for nkp in nkps}
    with rt.writing() as tx:
        for kind in NotificationKind:
            kinds.switch(tx, kind, OPERATOR, is_on=True)
        for number, bound in transcript.registered.items():
            known = phone_state.bump_version(tx, phone_state.read(tx, number))
            for nkp in bound:
                bind(tx, known, nkp, consent=CONSENT, on_file=on_file[nkp])
        for number, each in transcript.starts.items():
            _start_phone(tx, number, each)


def publish_ledger(rt: Runtime, folder: Path) -> None:
    """Loads CSV files into the ledger, as the scheme does it by night. Raises LoadError."""
    load(rt.ledger.engine, folder)


def change_number(rt: Runtime, nkp: str, number: str | None) -> None:
    """Sets the number on file of a participant; None for none."""
    with rt.ledger.engine.begin() as connection:
        changed = update(participants).where(participants.c.nkp == nkp)
        connection.execute(changed.values(phone=number))


def _start_phone(tx: Transaction, number: str, begin: Start) -> None:
    known = phone_state.bump_version(tx, phone_state.read(tx, number))
    own = phones.c.id == known.phone_id
    stopped_at = tx.now if begin.stopped else None
    tx.connection.execute(
        update(phones).where(own).values(language=begin.language, stopped_at=stopped_at)
    )
    for each in begin.bindings:
        bind(tx, known, each.nkp, consent=CONSENT, on_file=each.on_file)
        if each.unused is not None:
            then = tx.now - each.unused
            bound = bindings.c.nkp_hash == tx.vault.hash(each.nkp, "nkp")
            tx.connection.execute(
                update(bindings)
                .where(bound, bindings.c.ended_at.is_(None))
                .values(bound_at=then, used_at=then)
            )
    for count in range(lockout.GUESSES_ALLOWED if begin.locked else 0):
        lockout.add(tx, known.phone_id, FailedIdentification(f"before the first step {count}"))


def _on_file(rt: Runtime, nkp: str) -> str | None:
    participant = rt.ledger.participant(nkp)
    return participant.phone if participant else None


def _environment(transcript: Transcript) -> dict[str, str]:
    return {
        "DATABASE_URL": IN_MEMORY,
        "LEDGER_URL": IN_MEMORY,
        "SMSGW_SECRET_KEY": KEY,
        **checks.environment(transcript.settings),
    }


@lru_cache(maxsize=1)
def _service_image() -> bytes:
    """Returns the image of a service database that was migrated and has its keys."""

    def fill(rt: Runtime) -> Engine:
        migrations.upgrade(rt.service, "service")
        rt.vault.refresh()
        return rt.service

    return _filled_image(fill)


@lru_cache(maxsize=IMAGES_KEPT)
def _ledger_image(folder: Path) -> bytes:
    def fill(rt: Runtime) -> Engine:
        _restore(rt.ledger.engine, _empty_ledger_image())
        load(rt.ledger.engine, folder)
        return rt.ledger.engine

    return _filled_image(fill)


@lru_cache(maxsize=1)
def _empty_ledger_image() -> bytes:
    def fill(rt: Runtime) -> Engine:
        migrations.upgrade(rt.ledger.engine, "ledger")
        return rt.ledger.engine

    return _filled_image(fill)


def _filled_image(fill: Callable[[Runtime], Engine]) -> bytes:
    environ = {"DATABASE_URL": IN_MEMORY, "LEDGER_URL": IN_MEMORY, "SMSGW_SECRET_KEY": KEY}
    rt = runtime.build(settings.load(environ))
    try:
        return _image(fill(rt))
    finally:
        rt.close()


def _image(engine: Engine) -> bytes:
    with engine.connect() as connection:
        octets: bytes = _driver(connection).serialize()
    return octets


def _restore(engine: Engine, image: bytes) -> None:
    with engine.connect() as connection:
        _driver(connection).deserialize(image)


def _driver(connection: Any) -> Any:
    return connection.connection.driver_connection
