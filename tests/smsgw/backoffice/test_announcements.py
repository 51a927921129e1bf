"""An announcement goes once to those who asked, and all that is wrong with one is said at once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from handlers.changes import NotificationKind
from smsgw.backoffice import announcements, notifications
from smsgw.backoffice.announcements import NotAnnounced
from smsgw.notifications import cycle
from smsgw.notifications.runs import Announcement
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import Audience, RunState
from tests.conftest import P1, P1_NKP, P2, P2_NKP, Clock
from tests.support.notified import ANI, send, subscribe_to_balance, told

BALANCE = NotificationKind.BALANCE


@pytest.fixture
def subscribed(rt: Runtime) -> Runtime:
    subscribe_to_balance(rt)
    return rt


def announced(rt: Runtime, audience: Audience = Audience.ALL, **more: object) -> Announcement:
    made = Announcement(
        "Kantor tutup", "Office closed", audience, None, rt.now() + timedelta(days=3)
    )
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.fixture
def offices(rt: Runtime) -> Iterator[None]:
    """Lets the ledger say that P1 belongs to office JKT01."""
    with rt.ledger.engine.begin() as connection:
        one = {"nkp": P1_NKP, "office": "JKT01"}
        connection.execute(text("INSERT INTO participant_offices VALUES (:nkp, :office)"), one)
    yield
    with rt.ledger.engine.begin() as connection:
        connection.execute(text("DELETE FROM participant_offices"))


def test_an_announcement_goes_to_those_who_asked(subscribed: Runtime, clock: Clock) -> None:
    announcements.announce(subscribed, BALANCE, announced(subscribed), ANI)
    cycle.run_due(subscribed)
    for each in (P1, P2):
        assert "Kabar: Kantor tutup Berhenti: ketik NOTIF OFF" in told(subscribed, each)
    send(subscribed)
    clock.moves(days=1)
    cycle.run_due(subscribed)
    assert sum("Kabar" in sms for sms in told(subscribed, P1)) == 1


@pytest.mark.usefixtures("offices")
@pytest.mark.parametrize(
    ("audience", "of", "nkps", "expected"),
    [
        (Audience.LIST, None, [P2_NKP, "99999999999"], [P2]),
        (Audience.PROGRAM, "JKP", [], [P1, P2]),
        (Audience.OFFICE, "JKT01", [], [P1]),
        (Audience.OFFICE, "SBY01", [], []),
    ],
)
def test_an_announcement_may_be_for_some(
    subscribed: Runtime, audience: Audience, of: str | None, nkps: list[str], expected: list[str]
) -> None:
    told_of = announced(subscribed, audience, audience_of=of)
    announcements.announce(subscribed, BALANCE, told_of, ANI, nkps)
    cycle.run_due(subscribed)
    got = [each for each in (P1, P2) if any("Kabar" in sms for sms in told(subscribed, each))]
    assert got == expected


def test_quotes_and_dashes_become_plain(subscribed: Runtime) -> None:
    made = announced(subscribed, text_id="Kantor  “Bogor”\ntutup – besok")
    run = announcements.announce(subscribed, BALANCE, made, ANI)
    assert run.announcement is not None
    assert run.announcement.text_id == 'Kantor "Bogor" tutup - besok'


def test_what_is_sent_twice_is_announced_once(subscribed: Runtime) -> None:
    made = announced(subscribed, Audience.LIST)
    run = announcements.announce(subscribed, BALANCE, made, ANI, [P1_NKP])
    with pytest.raises(NotAnnounced, match=f"Run {run.id} tells the same already"):
        announcements.announce(subscribed, BALANCE, made, ANI, [P1_NKP])
    announcements.announce(subscribed, BALANCE, made, ANI, [P2_NKP])
    notifications.stop_run(subscribed, run.id, ANI)
    announcements.announce(subscribed, BALANCE, made, ANI, [P1_NKP])


def test_an_announcement_for_nobody_is_listed(subscribed: Runtime) -> None:
    """Whoever made it waits for what it finds."""
    made = announced(subscribed, Audience.LIST)
    run = announcements.announce(subscribed, BALANCE, made, ANI, ["99999999999"])
    cycle.run_due(subscribed)
    found = notifications.one(subscribed, run.id)
    assert found is not None
    assert (found.run.state, found.run.found) == (RunState.DONE, 0)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"text_id": " "}, "id: There is no text."),
        ({"text_en": "x" * 126}, "en: It has 126 characters. 125 fit into one SMS."),
        ({"text_en": "{" * 63}, "en: An SMS cannot contain this character: {"),  # it counts twice
        ({"text_id": "Tutup 😀"}, "id: An SMS cannot contain this character: 😀"),
        ({"text_id": "Lihat contoh.go.id"}, "id: An SMS must not contain links."),
        ({"expires_at": timedelta(days=-1)}, "until: Choose a day from today on, at most 30 days"),
        ({"expires_at": timedelta(days=31)}, "until: Choose a day from today on, at most 30 days"),
        ({"audience": Audience.LIST}, "nkps: The list holds no NKP."),
        ({"audience": Audience.OFFICE}, "office: The ledger does not say whose office is which."),
        ({"audience": Audience.PROGRAM, "audience_of": "JKX"}, "program: Choose a programme: JHT"),
    ],
)
def test_a_faulty_announcement_says_what_to_do(
    subscribed: Runtime, changed: dict[str, object], says: str
) -> None:
    if isinstance(changed.get("expires_at"), timedelta):
        changed = {"expires_at": subscribed.now() + changed["expires_at"]}  # type: ignore[operator]
    faulty = announced(subscribed, **changed)  # type: ignore[arg-type]
    with pytest.raises(NotAnnounced, match=says):
        announcements.announce(subscribed, BALANCE, faulty, ANI)
    assert [each for each in notifications.progress(subscribed, BALANCE) if each.run.period] == []


def test_all_that_is_wrong_is_said_at_once(rt: Runtime) -> None:
    faulty = announced(rt, Audience.LIST, text_id="", text_en=f"{'x' * 126}[")
    found = announcements.faults(rt, BALANCE, faulty)
    assert [each.name for each in found] == ["kind", "text_id", "text_en", "text_en", "nkps"]


@pytest.mark.usefixtures("offices")
def test_an_office_has_to_exist(subscribed: Runtime) -> None:
    for code in ("J99", None):
        faulty = announced(subscribed, Audience.OFFICE, audience_of=code)
        (found,) = announcements.faults(subscribed, BALANCE, faulty)
        assert str(found) == "office: Enter the code of an office, as on the page Offices."


def test_the_last_day_counts_whole(subscribed: Runtime) -> None:
    evening = subscribed.local.replace(hour=23, minute=59)
    for days, count in ((0, 0), (30, 0), (31, 1)):
        made = announced(subscribed, expires_at=evening + timedelta(days=days))
        assert len(announcements.faults(subscribed, BALANCE, made)) == count


def test_a_list_names_its_faulty_lines() -> None:
    read = announcements.read_list(f"{P1_NKP}\n\n 1234 \nSALDO\r\n{P2_NKP}\n{P1_NKP}\n1e10")
    assert (list(read.nkps), list(read.wrong)) == ([P1_NKP, P2_NKP], [3, 4, 7])
