"""Checks what a trace shows of one message."""

from datetime import date
from typing import Any

from grammar import normalise
from smsgw.backoffice import trace as traces
from smsgw.backoffice.trace import Trace
from smsgw.carriers.carrier import Delivery, Report
from smsgw.messaging import delivery_reports, dispatch
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages, replies
from tests.conftest import P1, P2, STRANGER, Clock
from tests.support.conversation import say
from tests.support.documents import edited_document, publish, reworded_document
from tests.support.registration import DAFTAR

PINNED = "SALDO 19012345678 pin saya 987654"


def trace(rt: Runtime, message_id: int = 1, *, with_texts: bool = True) -> Trace:
    found = traces.of(rt, message_id, with_texts=with_texts)
    assert found is not None
    return found


def test_a_trace_covers_reading_to_delivery_report(rt: Runtime) -> None:
    answer = say(rt, P1, PINNED)
    assert answer.reply is not None
    dispatch.drain(rt, "simulator", "2757")
    with rt.writing() as tx:
        assert delivery_reports.apply_report(
            tx, Report("simulator", 1, Delivery.DELIVERED, None, "000")
        )
    traced = trace(rt)
    assert traced.text is not None
    assert "987654" not in traced.text
    assert traced.normal == normalise(traced.text)
    assert traced.version is not None
    assert traced.version.number == 0
    assert traced.reading is not None
    assert (traced.reading.keyword, traced.reading.fields["nkp"]) == ("saldo", "19012345678")
    (reply,) = traced.replies
    assert (reply.sms.wording, reply.text) == ("saldo.balance", answer.reply.text)
    assert (reply.sms.state, reply.sms.code, reply.is_gone) == ("delivered", "000", False)
    assert [each.ending for each in reply.attempts] == ["sent"]


def test_omitted_clauses_are_shown(rt: Runtime) -> None:
    publish(rt, reworded_document(f"Halo.[ {'x' * 150}.][ Telepon {{call_centre}}.]"))
    rt.published.refresh()
    say(rt, P1, "KONTAK")
    (reply,) = trace(rt).replies
    assert [each.is_dropped for each in reply.pieces] == [False, False, True]


def test_a_trace_uses_the_version_of_its_time(rt: Runtime) -> None:
    say(rt, P1, "KONTAK")
    publish(rt, reworded_document("Kini lain."))
    traced = trace(rt)
    assert traced.version is not None
    assert traced.version.number == 0
    (reply,) = traced.replies
    assert "Kini lain." not in "".join(each.text for each in reply.pieces)
    assert reply.pieces


def test_a_trace_uses_the_keywords_valid_that_day(rt: Runtime, clock: Clock) -> None:
    """A keyword may have been in force then, and not any more."""

    def until(raw: dict[str, Any]) -> None:
        raw["keywords"]["kontak"]["until"] = date(2025, 10, 31)

    publish(rt, edited_document(until))
    rt.published.refresh()
    for _ in range(2):
        say(rt, P1, "KONTAK")
        clock.moves(days=1)
    keywords = [each.keyword for each in (trace(rt, 1).reading, trace(rt, 2).reading) if each]
    assert keywords == ["kontak", None]


def test_without_a_reason_no_text_is_in_it(rt: Runtime) -> None:
    say(rt, P1, "SALDO 1901234567")
    traced = trace(rt, with_texts=False)
    assert (traced.text, traced.normal, traced.is_gone) == (None, None, False)
    assert traced.reading is not None
    assert (traced.reading.reason, traced.reading.slot) == ("wrong_length", "NKP")
    assert [each.text for each in traced.replies] == [None]


def test_notices_to_others_are_not_shown(rt: Runtime) -> None:
    """That holds for codes above all."""
    say(rt, STRANGER, DAFTAR)
    by_wording = {each.sms.wording: each for each in trace(rt).replies}
    code = by_wording["disclosure.code"]
    assert (code.is_notice, code.text, code.is_gone) == (True, None, False)
    assert by_wording["daftar.pending"].text is not None


def test_a_trace_works_without_deleted_texts(rt: Runtime) -> None:
    say(rt, P2, "KONTAK")
    with rt.writing() as tx:
        tx.connection.execute(messages.update().values(text=None))
        tx.connection.execute(replies.update().values(text=None))
    traced = trace(rt)
    assert (traced.text, traced.is_gone, traced.reading) == (None, True, None)
    (reply,) = traced.replies
    assert (reply.is_gone, reply.pieces, reply.sms.wording) == (True, (), "kontak.ways")
