"""Figures for a warehouse tell how much came, and of nobody in particular."""

import csv
from collections import Counter
from datetime import date
from io import StringIO
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from smsgw.backoffice import figures
from smsgw.backoffice.figures import LEAST, SEVERAL, Key, NotOver, Sums
from smsgw.messaging import hourly_counts
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages
from tests.conftest import P1, STRANGER, Clock, on_sqlite
from tests.support.commands import called
from tests.support.conversation import say

DAY = date(2025, 10, 31)
_senders = count()
NINE, TEN = "2025-10-31T09:00+07:00", "2025-10-31T10:00+07:00"


def talk(rt: Runtime, clock: Clock, counts: dict[str, int]) -> None:
    for text, times in counts.items():
        for _ in range(times):
            say(rt, f"+62899000{next(_senders):05}", text)
    clock.moves(seconds=1)


def rows(rt: Runtime) -> dict[tuple[str, ...], tuple[str, str]]:
    """Returns (segments, messages) by hour, keyword and region."""
    return {(each[0], each[2], each[5]): each[6:] for each in figures.of_day(rt, DAY)}


def test_a_day_is_counted_by_hour_and_keyword(rt: Runtime, clock: Clock) -> None:
    talk(rt, clock, {"KONTAK": 6, "BANTUAN": 5})
    clock.moves(hours=1)
    talk(rt, clock, {"KONTAK": 7})
    clock.moves(days=1)
    assert rows(rt) == {
        (TEN, "kontak", "62"): ("6", "6"),
        (TEN, "bantuan", "62"): ("5", "5"),
        ("2025-10-31T11:00+07:00", "kontak", "62"): ("7", "7"),
    }


def test_what_is_too_little_is_added_up(rt: Runtime, clock: Clock) -> None:
    talk(rt, clock, {"KONTAK": 9, "BANTUAN": 6, "SALDO": 3})
    clock.moves(hours=2)
    talk(rt, clock, {"KONTAK": 2})
    clock.moves(days=1)
    # SALDO takes BANTUAN along, and the hour with two messages takes both.
    assert {key: told for key, (_, told) in rows(rt).items()} == {
        (TEN, "kontak", "62"): "9",
        (SEVERAL, SEVERAL, SEVERAL): "11",
    }


def test_no_more_is_added_up_than_has_to_be() -> None:
    few, fewer, enough = (Key(TEN, keyword=each) for each in ("saldo", "iuran", "kontak"))
    cells = {few: Sums(3, 3), fewer: Sums(2, 2), enough: Sums(6, 6)}
    assert figures.folded(cells) == {enough: Sums(6, 6), Key(TEN): Sums(5, 5)}


def test_of_an_hour_whose_rows_are_gone_the_hourly_counts_are_told(
    rt: Runtime, clock: Clock
) -> None:
    talk(rt, clock, {"KONTAK": 6})
    clock.moves(hours=3)
    hourly_counts.Tallies(rt).step()
    with rt.writing() as tx:
        oldest = select(messages.c.id).order_by(messages.c.id).limit(2)
        gone = tx.connection.execute(oldest).scalars().all()
        tx.connection.execute(delete(messages).where(messages.c.id.in_(gone)))
    clock.moves(days=1)
    assert rows(rt) == {(TEN, "kontak", ""): ("", "6")}


def test_while_an_hour_has_its_rows_they_are_told(rt: Runtime, clock: Clock) -> None:
    talk(rt, clock, {"KONTAK": 6})
    clock.moves(hours=3)
    hourly_counts.Tallies(rt).step()
    clock.moves(days=1)
    assert rows(rt) == {(TEN, "kontak", "62"): ("6", "6")}


def test_a_day_that_runs_has_no_figures(rt: Runtime) -> None:
    with pytest.raises(NotOver, match="2025-10-31 is not over"):
        list(figures.of_day(rt, DAY))


def test_nothing_is_told_of_a_day_with_fewer_than_five_messages(rt: Runtime, clock: Clock) -> None:
    talk(rt, clock, {"KONTAK": 4})
    clock.moves(days=1)
    assert rows(rt) == {}


keys = st.builds(
    Key,
    st.sampled_from([NINE, TEN, "2025-10-31T11:00+07:00"]),
    st.just("simulator"),
    st.sampled_from(["saldo", "iuran", ""]),
    st.sampled_from(["answered", "silent"]),
    st.just(""),
    st.sampled_from(["62", "60"]),
)


@given(st.dictionaries(keys, st.integers(1, 9)))
def test_no_row_and_no_total_tells_of_fewer_than_five(counts: dict[Key, int]) -> None:
    shown = figures.folded({key: Sums(each, each) for key, each in counts.items()})
    assert all(sums.messages >= LEAST for sums in shown.values())
    hidden = sum(counts.values()) - sum(sums.messages for sums in shown.values())
    assert hidden == 0 or (hidden < LEAST and not shown)
    by_hour = Counter[str]()
    for key, each in counts.items():
        by_hour[key.hour] += each
    for key, sums in shown.items():
        if SEVERAL not in key.keyword:
            assert sums.messages == counts[key]
    for hour, total in by_hour.items():
        of_hour = {key: sums.messages for key, sums in shown.items() if key.hour == hour}
        rest = total - sum(of_hour.values())
        is_elsewhere = sum(sums.messages for key, sums in shown.items() if key.hour == SEVERAL)
        assert rest == 0 or not shown or rest < is_elsewhere or rest >= LEAST


@on_sqlite
def test_the_command_writes_csv_that_names_no_phone(
    rt: Runtime, environ: dict[str, str], clock: Clock, tmp_path: Path
) -> None:
    talk(rt, clock, {"KONTAK": 6})
    say(rt, P1, "SALDO")
    say(rt, STRANGER, "SALDO")
    file = tmp_path / "figures.csv"
    done = called(environ, "export", "figures", "--day", "2025-10-31", "--to", file)
    assert done.returncode == 0, done.stderr
    read = list(csv.DictReader(StringIO(file.read_text())))
    assert [*read[0]] == [*figures.COLUMNS]
    assert sum(int(each["messages"]) for each in read) == 8
    assert P1[1:] not in file.read_text()
    printed = called(environ, "export", "figures", "--day", "2025-10-31")
    assert printed.stdout == file.read_text()
    tomorrow = called(environ, "export", "figures", "--day", "2999-01-01")
    assert (tomorrow.returncode, "is not over" in tomorrow.stderr) == (1, True)
