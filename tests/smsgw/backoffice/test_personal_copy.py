"""The copy holds all of a person's data, and nothing of whoever else had their number."""

from typing import Any

import pytest

from handlers.changes import NotificationKind
from smsgw.backoffice import ownership
from smsgw.backoffice.ownership import Owner
from smsgw.backoffice.personal_copy import record, sections
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.storage.tables.types import service
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER, Clock
from tests.support.conversation import say, set_number_on_file
from tests.support.notified import plan_notification
from tests.support.registration import DAFTAR


def owner(rt: Runtime, number: str) -> Owner:
    with rt.reading() as tx:
        phone_id = phone_state.read(tx, number).phone_id
    found = ownership.owner_of(rt, phone_id)
    assert found is not None
    return found


def copy(rt: Runtime, number: str) -> dict[str, list[dict[str, Any]]]:
    whose = owner(rt, number)
    with rt.reading() as tx:
        return sections.collect(tx, whose)


def texts(copied: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [entry["text"] for entry in copied["messages"]]


def test_every_table_is_in_the_copy_or_is_left_out_for_a_reason() -> None:
    read = {table for _, tables in sections.SECTIONS.values() for table in tables}
    assert read | sections.LEFT_OUT.keys() == service.tables.keys()
    assert read & sections.LEFT_OUT.keys() == set()
    assert all(sections.LEFT_OUT.values())
    names_a_person = {"phone_id", "nkp_hash", "identity_hash", "sender_hash", "phone_hash"}
    naming = {name for name, each in service.tables.items() if names_a_person & {*each.c.keys()}}
    # A decoy is nobody's number, and a count of freezes says less than the freezes themselves.
    assert naming - read == {"decoys", "freeze_counts"}


def test_every_section_tells_what_its_person_did(rt: Runtime, clock: Clock) -> None:
    """P2 is bound, a stranger tries their NKP, and P2 does all that leaves a row."""
    said = [
        "SALDO 20098765432",
        "YA",
        "NOTIF ON",
        "LAPOR kantor tutup",
        "SALDO 19012345678",
        "KODE BCDFG",
    ]
    for text in (*said, DAFTAR.replace(P2_NKP, "21000000017"), "BANTUAN", "DATA SAYA"):
        say(rt, P2, text)
        clock.moves(seconds=20)
    say(rt, STRANGER, DAFTAR)
    for text in ("TOLAK", "BANTUAN", "SALDO 2009876543", "hapus data yg lama"):
        say(rt, P2, text)
        clock.moves(seconds=20)
    plan_notification(rt, P2, P2_NKP)
    copied = copy(rt, P2)
    assert {name for name, entries in copied.items() if not entries} <= {
        "parts_of_long_messages",
        "further_pages",
    }
    assert copied["phone"][0]["number"] == P2
    assert [each["nkp"] for each in copied["bindings"]] == [P2_NKP]
    assert "Setuju?" in copied["bindings"][0]["consent"]
    assert "LAPOR kantor tutup" in texts(copied)
    assert {each["kind"] for each in copied["cases"]} == {"complaint", "access_request"}
    assert {each["what"] for each in copied["blocks"]} == {"no codes", "code rejected"}
    asked = copied["notifications_asked_for"]
    assert {each["about"] for each in asked} == {*NotificationKind}
    assert all("menerima kabar" in each["consent"] for each in asked)
    assert [each["nkp"] for each in copied["notifications"]] == [P2_NKP]
    assert copied["ever_bound"] == [{"nkp": P2_NKP, "was_bound_to_this_phone": True}]
    whole = repr(copied)
    assert STRANGER not in whole
    assert P1 not in whole


def test_what_waits_on_the_phone_is_in_the_copy(rt: Runtime) -> None:
    say(rt, STRANGER, "BANTUAN")
    (page,) = copy(rt, STRANGER)["further_pages"]
    assert "KANTOR nama kota" in page["texts"][0]


def test_a_former_owner_of_the_number_stays_hidden(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    say(rt, P1, "LAPOR rahasia pemilik lama")
    say(rt, P1, DAFTAR.replace(P2_NKP, "21000000017"))
    say(rt, P1, "GANTI HP")
    clock.moves(days=40)
    set_number_on_file(rt, P1_NKP, "+6281311113333")
    set_number_on_file(rt, P2_NKP, P1)
    say(rt, P1, f"SALDO {P2_NKP}")
    clock.moves(seconds=20)
    say(rt, P1, "YA")
    clock.moves(hours=1)
    say(rt, P1, "IURAN")
    copied = copy(rt, P1)
    assert texts(copied) == ["YA", "IURAN"]
    assert [each["nkp"] for each in copied["bindings"]] == [P2_NKP]
    assert copied["cases"] == []
    assert copied["registrations"] == []
    whole = repr(copied)
    for hidden in (P1_NKP, "21000000017", "Budi", "rahasia", "+6281311113333"):
        assert hidden not in whole
    assert "unbound" not in {each["act"] for each in copied["audit"]}


def test_a_phone_that_is_bound_to_nobody_gets_what_came_after_the_last_change(
    rt: Runtime, clock: Clock
) -> None:
    say(rt, P1, "SALDO")
    say(rt, P1, "GANTI HP")
    clock.moves(days=1)
    say(rt, P1, "KONTAK")
    assert texts(copy(rt, P1)) == ["KONTAK"]


@pytest.mark.parametrize(("days", "expected"), [(59, ["KONTAK", "BANTUAN"]), (60, ["BANTUAN"])])
def test_a_long_silence_is_a_sign_that_the_number_was_sold_again(
    rt: Runtime, clock: Clock, days: int, expected: list[str]
) -> None:
    say(rt, STRANGER, "KONTAK")
    clock.moves(days=days)
    say(rt, STRANGER, "BANTUAN")
    assert texts(copy(rt, STRANGER)) == expected


def test_who_was_bound_is_not_told_of_once_the_number_on_file_is_another(rt: Runtime) -> None:
    """The gate of answers refuses it too, and ends the binding at the next message."""
    say(rt, P1, "SALDO")
    assert copy(rt, P1)["bindings"] != []
    set_number_on_file(rt, P1_NKP, "+6281311113333")
    copied = copy(rt, P1)
    assert copied["bindings"] == []
    assert texts(copied) == []
    assert P1_NKP not in repr(copied)


def test_on_a_shared_phone_each_binding_is_apart(rt: Runtime, clock: Clock) -> None:
    """One of two participants moves to another phone; the other one asks for a copy."""
    set_number_on_file(rt, P2_NKP, P1)
    say(rt, P1, f"SALDO {P2_NKP}")
    say(rt, P1, "YA")
    clock.moves(minutes=5)
    say(rt, P1, f"IURAN {P2_NKP}")
    say(rt, P1, f"IURAN {P1_NKP}")
    set_number_on_file(rt, P2_NKP, P2)
    clock.moves(minutes=5)
    say(rt, P1, f"STATUS {P2_NKP}")
    copied = copy(rt, P1)
    assert f"IURAN {P1_NKP}" in texts(copied)
    assert f"IURAN {P2_NKP}" not in texts(copied)
    assert [each["nkp"] for each in copied["bindings"]] == [P1_NKP]


def test_the_record_of_processing_names_the_days_that_are_set(rt: Runtime) -> None:
    kept = [each["kept"] for each in record.processing(rt.settings)]
    assert "90 days" in kept
    assert all(each["purpose"] and each["data"] for each in record.processing(rt.settings))
