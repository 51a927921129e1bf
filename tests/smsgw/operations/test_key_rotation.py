"""Keys change while everything goes on, and nothing is sealed with the old ones afterwards."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle

import pytest
from sqlalchemy import func, select

from smsgw import runtime, settings
from smsgw.operations import key_rotation, startup
from smsgw.runtime import Runtime
from smsgw.settings import SettingsError
from smsgw.storage import audit, keys
from smsgw.storage.counters import Counters
from smsgw.storage.tables import sealed
from smsgw.storage.tables.security import Ciphertext, data_keys
from tests.conftest import KEY, P1, STRANGER, Clock
from tests.support.commands import forked
from tests.support.conversation import say
from tests.support.registration import DAFTAR

NEW = "the key that comes after it, likewise"
BOTH = {"SMSGW_SECRET_KEY": NEW, "SMSGW_OLD_SECRET_KEY": KEY}


@pytest.fixture
def others(environ: dict[str, str], rt: Runtime, clock: Clock) -> Iterator[list[Runtime]]:
    """Yields two more processes, each with keys of its own in memory; none has the next secret."""
    made = [runtime.build(settings.load(environ), now=clock) for _ in range(2)]
    yield made
    for each in made:
        each.close()


def keys_in_use(rt: Runtime) -> set[int]:
    """Returns the keys of all stored values."""
    found = set()
    for name in Ciphertext:
        _, column = sealed.place(name)
        with rt.reading() as tx:
            first = select(func.substr(column, 1, 1)).where(column.is_not(None)).distinct()
            found |= {bytes(octet)[0] for octet in tx.connection.execute(first).scalars()}
    return found


def test_keys_are_rotated_under_load(
    rt: Runtime, others: list[Runtime], environ: dict[str, str]
) -> None:
    """Another process rotates, while two others answer and are not told."""
    say(rt, STRANGER, DAFTAR)
    outcomes: list[list[str]] = [[], []]
    is_over = threading.Event()

    def talk(number: int) -> None:
        for text in cycle(["SALDO", "IURAN", "ULANG"]):
            if is_over.is_set():
                break
            unlimited = replace(others[number], counters=Counters())
            outcomes[number].append(say(unlimited, P1, text).verdict.outcome)

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    done = forked(environ | BOTH, "keys", "rotate")
    is_over.set()
    for thread in threads:
        thread.join()
    assert (done.returncode, "with key 2" in done.stdout) == (0, True), done.stderr
    for outcome in outcomes:
        assert outcome.count("answered") > 2  # on both sides of the change
        assert set(outcome) <= {"answered", "silent"}  # the other asked the same at this instant
    assert keys_in_use(others[0]) == {2}
    with others[1].reading() as tx:
        acts = tx.connection.execute(select(audit.audit.c.act)).scalars().all()
        assert "key made" in acts
        assert "keys rotated" in acts


def test_a_new_secret_replaces_the_old_one(
    rt: Runtime, environ: dict[str, str], clock: Clock
) -> None:
    turning = runtime.build(settings.load(environ | BOTH), now=clock)
    startup.check_key(turning)
    assert rotate(turning) > 0
    turning.close()
    stale = runtime.build(settings.load(environ), now=clock)
    startup.check_key(stale)  # it may be restarted meanwhile
    fresh = runtime.build(settings.load(environ | {"SMSGW_SECRET_KEY": NEW}), now=clock)
    startup.check_key(fresh)
    assert say(fresh, P1, "SALDO").verdict.outcome == "answered"
    rotate(fresh)  # nobody needs the old one any more
    late = runtime.build(settings.load(environ), now=clock)
    with pytest.raises(SettingsError, match="SMSGW_SECRET_KEY"):
        startup.check_key(late)
    for each in (fresh, stale, late):
        each.close()


def test_a_retired_key_is_readable_for_a_day(rt: Runtime, clock: Clock) -> None:
    """A process that was asleep may still use it; the next rotation finds what it encrypted."""
    said = rt.vault.encrypt("SALDO", Ciphertext.MESSAGE)
    rotate(rt)
    assert rt.vault.decrypt(said, Ciphertext.MESSAGE) == "SALDO"
    clock.moves(days=2)
    rotate(rt)
    assert key_ids(rt) == [2, 3]
    other = keys.load(rt.service, keys.key_wrapper(rt.settings), clock)
    assert set(other.data) == {2, 3}


def test_key_ids_run_out(rt: Runtime, clock: Clock) -> None:
    with rt.writing() as tx:
        tx.connection.execute(data_keys.update().where(data_keys.c.id == 1).values(id=255))
    with pytest.raises(key_rotation.NotRotated, match="255 keys"):
        rotate(rt)


def rotate(rt: Runtime) -> int:
    """Rotates without waiting, since there is no other process."""
    return key_rotation.rotate(rt, "shell:ani", lambda _: None, wait=lambda _: None)


def key_ids(rt: Runtime) -> list[int]:
    with rt.reading() as tx:
        data = select(data_keys.c.id).distinct().where(data_keys.c.purpose == "data")
        return sorted(tx.connection.execute(data).scalars())


def test_a_database_of_an_earlier_hash_is_refused_with_the_reason(
    rt: Runtime, environ: dict[str, str]
) -> None:
    """It would find no phone, and say nothing."""
    wrapper = keys.key_wrapper(rt.settings)
    with rt.writing() as tx:
        named_before = wrapper.wrap(bytes(32), "key 0")
        changed = data_keys.update().where(data_keys.c.id == 0).values(wrapped=named_before)
        tx.connection.execute(changed)
    with pytest.raises(startup.NotReady, match="of an earlier version of smsgw"):
        startup.opened(settings.load(environ))
