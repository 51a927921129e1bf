"""Checks the pages of the log, a conversation and one message. They show texts only to operators
who give a reason."""

import csv
import io

import pytest
from sqlalchemy import select, update

from smsgw.messaging import dispatch, inbox
from smsgw.notifications import cycle
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import replies as _replies
from smsgw.storage.tables.operators import Role
from smsgw.storage.tables.phones import bindings
from smsgw.storage.tables.security import audit
from tests.conftest import P1, P1_NKP, P2, STRANGER, Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor
from tests.support.conversation import say
from tests.support.notified import send, set_total, switch_on
from tests.support.registration import DAFTAR

LOG = "/console/messages/"
TEXT = "saldo dong 19012345678"


@pytest.fixture
def traffic(rt: Runtime, clock: Clock) -> Runtime:
    say(rt, P1, TEXT)
    clock.moves(hours=1)
    say(rt, STRANGER, "KONTAK")
    clock.moves(hours=1)
    say(rt, P2, "SALDO 123456789012")
    return rt


@pytest.fixture
def sent(rt: Runtime) -> Runtime:
    say(rt, P1, TEXT)
    dispatch.drain(rt, "simulator", "2757")
    return rt


def acts(rt: Runtime, act: str) -> list[tuple[str, int | None, int | None, str | None]]:
    columns = (audit.c.actor, audit.c.phone_id, audit.c.message_id, audit.c.detail)
    with rt.reading() as tx:
        rows = tx.connection.execute(select(*columns).where(audit.c.act == act))
        return [tuple(row) for row in rows]


def test_the_log_shows_messages_and_their_outcome(as_: As, traffic: Runtime) -> None:
    visitor = as_(Role.VIEWER)
    visitor.get(LOG)
    assert "31-10-2025 10:00:00 +6281*****7890 saldo answered queued 1 simulator" in visitor.text
    assert "Searched back" not in visitor.text


def test_the_log_updates_until_it_is_paused(as_: As, traffic: Runtime) -> None:
    """It pauses while older pages are read; htmx is given the part alone."""
    visitor = as_(Role.VIEWER)
    visitor.get(LOG)
    assert 'hx-trigger="every 5s"' in visitor.page
    part = visitor.client.get(LOG, headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "saldo" in part
    for held in ("live=0", "before=3"):
        visitor.get(f"{LOG}?{held}")
        assert "hx-trigger" not in visitor.page


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("keyword=kontak", ["kontak"]),
        ("outcome=invalid", ["saldo"]),
        ("carrier=kannel", []),
        ("since=2025-10-31&until=2025-10-31", ["saldo", "kontak", "saldo"]),
        ("since=2025-11-01", []),
        ("until=2025-10-30", []),
        ("keyword=%01&outcome=';--&carrier=%F0&since=gone&until=9999-12-31", None),
        ("phone=99999999999999999999&before=99999999999999999999", None),
    ],
)
def test_messages_can_be_filtered(
    as_: As, traffic: Runtime, asked: str, expected: list[str] | None
) -> None:
    """Invalid filters match nothing."""
    visitor = as_(Role.VIEWER)
    assert visitor.get(f"{LOG}?{asked}").status_code == 200
    listed = list(csv.DictReader(io.StringIO(visitor.get(f"{LOG}export.csv?{asked}").text)))
    assert [each["keyword"] for each in listed] == (
        ["saldo", "kontak", "saldo"] if expected is None else expected
    )


def test_pages_link_to_older_messages(as_: As, rt: Runtime, clock: Clock) -> None:
    for number in range(52):
        say(rt, f"+62812000{number:05}", "KONTAK")
    visitor = as_(Role.VIEWER)
    visitor.get(LOG)
    assert visitor.page.count("simulator</td>") == 50
    visitor.get(f"{LOG}?before=3")
    assert visitor.page.count("simulator</td>") == 2
    assert "Newest" in visitor.text


def test_a_reference_leads_to_its_message(as_: As, traffic: Runtime) -> None:
    visitor = as_(Role.VIEWER)
    answer = visitor.get(f"{LOG}reference?reference={inbox.reference(2).lower()}")
    assert answer.location == f"{LOG}2"
    assert visitor.get(f"{LOG}reference?reference=nothing").status_code == 404
    assert "No message has this reference." in visitor.text
    assert visitor.form("reference").values["reference"] == "nothing"


@pytest.mark.parametrize(
    "written",
    [
        "0812‑3456‑7890",
        "0812–3456–7890",
        "\u202a+62 812-3456-7890\u202c",
        "0812\u200b34567890",
        "\ufeff081234567890",
        "０８１２３４５６７８９０",
        "0812 − 3456 − 7890",
        "0️⃣8️⃣1️⃣2️⃣34567890",
    ],
)
def test_a_number_is_found_however_it_was_pasted(as_: As, traffic: Runtime, written: str) -> None:
    visitor = as_(Role.AGENT)
    visitor.get(LOG)
    visitor.submit("/number", number=written, reason="caller asks")
    assert "Conversation with +6281*****7890" in visitor.text


def test_a_number_leads_to_its_conversation_and_stays_out_of_addresses(
    as_: As, traffic: Runtime
) -> None:
    visitor = as_(Role.AGENT)
    visitor.get(LOG)
    visitor.submit("/number", number="0812 3456 7890", reason="caller asks")
    assert "Conversation with +6281*****7890" in visitor.text
    assert acts(traffic, "looked") == [("operator:agent", 1, None, "caller asks")]
    visitor.get(LOG)
    answer = visitor.submit("/number", number="0811 1111 1111", reason="caller asks again")
    assert answer.status_code == 404
    assert "This number has never sent a message." in visitor.text
    assert acts(traffic, "looked")[-1] == (
        "operator:agent",
        None,
        None,
        "not found: caller asks again",
    )


def test_a_notification_is_in_the_conversation_and_leads_to_no_message(
    as_: As, rt: Runtime, clock: Clock
) -> None:
    switch_on(rt)
    say(rt, P1, "NOTIF SALDO ON")
    for total in (5, 6):
        send(rt)
        cycle.run_due(rt)
        set_total(rt, P1_NKP, total)
        clock.moves(hours=1)
    visitor = as_(Role.VIEWER)
    visitor.get(f"{LOG}phones/1")
    assert "notification queued segments: 1" in visitor.text
    admin = as_(Role.ADMIN)
    admin.get("/console/audit/")
    assert "notification.balance" in admin.text


@pytest.mark.parametrize("address", [f"{LOG}1", f"{LOG}phones/1"])
def test_a_text_is_shown_after_a_reason_which_is_kept(
    as_: As, traffic: Runtime, address: str
) -> None:
    visitor = as_(Role.AGENT)
    visitor.get(address)
    assert TEXT not in visitor.page
    assert visitor.submit(address, reason=" ").status_code == 400
    assert TEXT not in visitor.page
    assert acts(traffic, "looked") == []
    visitor.get(address)
    visitor.submit(address, reason="complaint by telephone")
    assert TEXT in visitor.page
    assert [each[3] for each in acts(traffic, "looked")] == ["complaint by telephone"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.PUBLISHER])
@pytest.mark.parametrize("address", [f"{LOG}1", f"{LOG}phones/1"])
def test_only_helping_roles_see_texts(as_: As, traffic: Runtime, role: Role, address: str) -> None:
    visitor = as_(role)
    visitor.get(address)
    assert "+6281*****7890" in visitor.text
    assert 'name="reason"' not in visitor.page
    assert visitor.post(address, reason="I want to know").status_code == 403
    assert acts(traffic, "looked") == []
    for shown in (TEXT, P1, P1_NKP, "Saldo JHT NKP *"):
        assert shown not in visitor.page


def test_earlier_pages_of_a_conversation_are_read_for_the_same_reason(
    as_: As, rt: Runtime, clock: Clock
) -> None:
    for number in range(60):
        say(rt, P1, f"tolong nomor {number}")
        clock.moves(hours=2)
    visitor = as_(Role.AGENT)
    visitor.get(f"{LOG}phones/1")
    visitor.submit("/phones/1", reason="complaint by telephone")
    assert "tolong nomor 59" in visitor.text
    assert "tolong nomor 1 " not in visitor.text
    while "Earlier" in visitor.text:
        visitor.submit("/phones/1")
    assert "tolong nomor 1 " in visitor.text
    assert {each[3] for each in acts(rt, "looked")} == {"complaint by telephone"}


def test_a_message_shows_each_step(as_: As, sent: Runtime) -> None:
    visitor = as_(Role.VIEWER)
    visitor.get(f"{LOG}1")
    for expected in ("With version 0 of the keywords", "saldo.balance", "nkp not shown", "GSM-7"):
        assert expected in visitor.text
    visitor.get(f"{LOG}99")
    assert "Page not found" in visitor.text


def test_a_reply_is_resent_with_a_reason(as_: As, sent: Runtime) -> None:
    visitor = as_(Role.AGENT)
    visitor.get(f"{LOG}1")
    assert visitor.submit("/1/replies/1", reason="").status_code == 400
    visitor.get(f"{LOG}1")
    visitor.submit("/1/replies/1", reason="never came")
    assert "The reply is queued again." in visitor.text
    assert acts(sent, "resent") == [("operator:agent", 1, 1, "reply 1: never came")]
    with sent.reading() as tx:
        of_first = select(_replies.c.state).where(_replies.c.message_id == 1)
        assert list(tx.connection.execute(of_first).scalars()) == ["sent", "queued"]
    assert sent.redis is not None
    assert sent.redis.exists("hint:simulator:2757")


def test_a_reply_is_resent_only_from_its_own_message(as_: As, sent: Runtime) -> None:
    say(sent, P2, "KONTAK")
    visitor = as_(Role.AGENT)
    visitor.get(f"{LOG}2")
    assert visitor.post(f"{LOG}2/replies/1", reason="never came").status_code == 404
    assert visitor.post(f"{LOG}99/replies/1", reason="never came").status_code == 404
    assert acts(sent, "resent") == []


def test_a_code_is_not_offered_for_resending(as_: As, rt: Runtime) -> None:
    say(rt, STRANGER, DAFTAR)
    visitor = as_(Role.AGENT)
    visitor.get(f"{LOG}1")
    assert "disclosure.code" not in visitor.text  # it would show that the details match
    visitor.submit(f"{LOG}1", reason="helps them")
    assert "disclosure.code" in visitor.text
    assert visitor.page.count("/replies/") == 1


def test_a_reply_without_its_binding_is_not_resent(as_: As, sent: Runtime, clock: Clock) -> None:
    visitor = as_(Role.AGENT)
    visitor.get(f"{LOG}1")
    with sent.writing() as tx:
        tx.connection.execute(update(bindings).values(ended_at=clock.now))
    assert visitor.submit("/1/replies/1", reason="never came").status_code == 409
    assert "The phone is no longer registered for this participant." in visitor.text
    assert acts(sent, "resent") == []


def test_the_list_as_csv_holds_no_text_no_number_and_no_formula(as_: As, traffic: Runtime) -> None:
    visitor = as_(Role.VIEWER)
    answer = visitor.get(f"{LOG}export.csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [each["id"] for each in rows] == ["3", "2", "1"]
    assert rows[2]["number"] == "'+6281*****7890"
    assert rows[2]["received_at"] == "2025-10-31T10:00:00+07:00"
    for hidden in (TEXT, P1, P1_NKP, "Saldo JHT"):
        assert hidden not in answer.text


def test_an_export_is_audited(as_: As, traffic: Runtime) -> None:
    visitor = as_(Role.VIEWER)
    visitor.get(f"{LOG}export.csv")
    visitor.get(f"{LOG}export.csv?keyword=saldo&since=2025-10-31")
    by, taken = "operator:viewer", [each[3] for each in acts(traffic, "exported")]
    assert taken == ["all", "keyword=saldo since=2025-10-31"]
    assert acts(traffic, "exported")[0][0] == by


def test_only_two_exports_run_at_once(as_: As, traffic: Runtime) -> None:
    """An export that nobody reads to its end is over when the connection closes."""
    visitor = as_(Role.VIEWER)
    first, second = (visitor.client.get(f"{LOG}export.csv") for _ in range(2))
    assert visitor.get(f"{LOG}export.csv").status_code == 429
    assert "Two exports are already running" in visitor.text
    first.close()
    assert len(visitor.get(f"{LOG}export.csv").text.splitlines()) == 4
    assert len(second.text.splitlines()) == 4
    assert len(acts(traffic, "exported")) == 3


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("since=abc&keyword=a%20b&outcome=odd", "ignored: keyword, outcome, since."),
        ("since=2025-10-31&until=2025-10-01", "The last day is before the first"),
        ("keyword=pajak", "pajak is no longer in use"),
        ("carrier=kannel", "kannel is no longer in use"),
    ],
)
def test_invalid_filters_are_reported(as_: As, traffic: Runtime, asked: str, message: str) -> None:
    visitor = as_(Role.VIEWER)
    visitor.get(f"{LOG}?{asked}")
    assert message in visitor.text
    visitor.get(f"{LOG}?keyword=saldo&outcome=answered&carrier=simulator&since=2025-10-31")
    assert 'role="alert"' not in visitor.page


def test_two_replies_are_shown_separately(as_: As, sent: Runtime) -> None:
    visitor = as_(Role.AGENT)
    visitor.get(f"{LOG}1")
    visitor.submit("/1/replies/1", reason="never came")
    dispatch.drain(sent, "simulator", "2757")
    visitor.get(f"{LOG}1")
    for reply in (1, 2):
        assert visitor.page.count(f'aria-label="Attempts {reply}"') == 1


def test_the_log_is_translated(as_: As, traffic: Runtime) -> None:
    visitor: Visitor = as_(Role.AGENT)
    visitor.get(LOG)
    visitor.submit("/console/language", language="id")
    visitor.get(f"{LOG}1")
    assert "Dengan kata kunci versi 0" in visitor.text
