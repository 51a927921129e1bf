"""Checks who may try what on the test phone, what it shows, and what is saved."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from smsgw.app import create_app
from smsgw.configuration import document, versions
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from smsgw.storage.tables.security import audit
from smsgw.transcripts import library, reader
from smsgw.transcripts.runner import A_CODE
from tests.conftest import P1, P1_NKP, P2, P2_NKP, STRANGER
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor, logged_in
from tests.support.conversation import say
from tests.support.documents import ANI, reworded_document
from tests.support.processes import smsgw
from tests.support.sandbox import DAFTAR, FICTITIOUS_PHONE, all_rows

SAY = "/console/try/"


def try_on(visitor: Visitor, text: str, **more: str) -> int:
    """Sends the next message of the conversation on the page."""
    return visitor.submit(SAY, text=text, **more).status_code


def started(visitor: Visitor) -> Visitor:
    assert visitor.get(SAY).status_code == 200
    return visitor


def keep(visitor: Visitor, name: str) -> int:
    values = visitor.form(SAY).values | {"name": name}
    return visitor.post("/console/try/keep", **values).status_code


def looks(rt: Runtime) -> list[tuple[str, int | None, bool, str]]:
    """Returns each look: (actor, phone, whether it discloses a participant, reason)."""
    with rt.reading() as tx:
        rows = tx.connection.execute(select(audit).where(audit.c.act == "looked"))
        return [(row.actor, row.phone_id, row.subject is not None, row.detail) for row in rows]


@pytest.fixture
def demo(rt: Runtime) -> Runtime:
    return replace(rt, settings=rt.settings.model_copy(update={"demo": True}))


@pytest.fixture
def player(demo: Runtime) -> Visitor:
    """Logs in an editor of a demonstration."""
    return started(logged_in(create_app(demo), demo, Role.EDITOR))


def test_the_phone_shows_the_reply_and_what_it_costs(player: Visitor) -> None:
    assert try_on(player, "SALDO") == 200
    for expected in ("Rp123.456.789", "answered", "saldo.balance", "in 1 segment, GSM-7, Rp350"):
        assert expected in player.text


def test_a_conversation_continues(player: Visitor) -> None:
    try_on(player, f"SALDO {P2_NKP}", sender=P2)
    assert "confirm" in player.text
    try_on(player, "YA")
    assert try_on(player, "SALDO") == 200
    assert player.text.count("answered") == 2
    player.get(SAY)
    assert "confirm" not in player.text


def test_a_code_shown_on_the_screen_can_be_typed(player: Visitor) -> None:
    """Each run sends another code."""
    try_on(player, DAFTAR, sender=STRANGER)
    code = player.form(SAY).values["code"]
    assert f"KODE {code}" in player.text
    assert P1 in player.text
    try_on(player, f"kode {code.lower()}")
    assert "kode.bound" in player.text or player.text.count("answered") == 1


def test_silence_is_explained(player: Visitor) -> None:
    try_on(player, "makasih")
    assert "Thanks and greetings get no reply." in player.text


def test_the_draft_can_be_tried_before_publishing(player: Visitor, rt: Runtime) -> None:
    assert try_on(player, "KONTAK", which="draft") == 409
    assert "There is no draft" in player.text
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Halo dunia.")), 0, ANI, "kontak")
    assert try_on(player, "KONTAK", which="draft") == 200
    assert "Halo dunia." in player.text
    with rt.writing() as tx:
        versions.save(tx, document.loads("a: 1"), 1, ANI, "broken")
    assert try_on(player, "KONTAK", which="draft") == 409
    assert "The draft cannot answer yet" in player.text


@pytest.mark.parametrize("role", Role)
def test_every_role_may_use_a_fictitious_phone(as_: As, rt: Runtime, role: Role) -> None:
    visitor = started(as_(role))
    before = all_rows(rt)
    for text in (DAFTAR, f"SALDO {P1_NKP}", "KONTAK"):
        assert try_on(visitor, text, sender=FICTITIOUS_PHONE) == 200
    assert all_rows(rt) == before
    assert "BUDI" not in visitor.text.replace(DAFTAR, "")
    assert "Also sent" not in visitor.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.PUBLISHER])
@pytest.mark.parametrize("sender", [P1, STRANGER, "081234567890", "62 812-3456-7890"])
def test_roles_without_access_to_people_cannot_use_a_real_number(
    as_: As, rt: Runtime, role: Role, sender: str
) -> None:
    visitor = started(as_(role))
    before = all_rows(rt)
    for reason in ("", "I am curious"):
        assert try_on(visitor, "SALDO", sender=sender, reason=reason) == 403
    assert "begin with +6284" in visitor.text
    assert "Rp" not in visitor.text
    assert visitor.form(SAY).values["text"] == "SALDO"
    steps = f'[["{sender}", "SALDO", ""]]'
    assert (
        visitor.submit(SAY, text="KONTAK", sender=FICTITIOUS_PHONE, steps=steps).status_code == 403
    )
    assert "Rp" not in visitor.text
    assert all_rows(rt) == before


def test_using_a_real_number_needs_a_reason_and_is_audited(as_: As, rt: Runtime) -> None:
    visitor = started(as_(Role.AGENT))
    assert try_on(visitor, "SALDO", sender=P1) == 400
    assert "Enter a reason of at least 3" in visitor.text
    assert "Rp123" not in visitor.text
    assert looks(rt) == []
    assert try_on(visitor, "SALDO", sender=P1, reason="complaint 42") == 200
    assert "Rp123.456.789" in visitor.text
    why = "try-out: complaint 42"
    agent = "operator:agent"
    assert looks(rt) == [(agent, 1, False, why), (agent, None, True, why)]


@pytest.mark.parametrize(
    ("sender", "expected"), [(FICTITIOUS_PHONE, "private, no-cache"), (P1, "no-store")]
)
def test_browsers_cache_only_pages_without_personal_data(
    as_: As, sender: str, expected: str
) -> None:
    """Caching lets the Back button show it again."""
    visitor = started(as_(Role.AGENT))
    answer = visitor.submit(SAY, text="SALDO", sender=sender, reason="complaint 42")
    assert answer.headers["Cache-Control"] == expected


@pytest.mark.parametrize("role", [Role.AGENT, Role.ADMIN])
def test_a_code_that_went_to_a_real_phone_is_not_shown(as_: As, rt: Runtime, role: Role) -> None:
    """The phone's number is not shown either, except in a demonstration."""
    visitor = started(as_(role))
    assert try_on(visitor, DAFTAR, sender=STRANGER, reason="a test") == 200
    assert "+6281*****7890" in visitor.text
    assert "(text only for that phone)" in visitor.text
    assert visitor.form(SAY).values["code"] == ""
    assert A_CODE.search(visitor.page) is None
    assert P1 not in visitor.page
    assert [each[2] for each in looks(rt)] == [False, True]


@pytest.mark.parametrize(
    "form",
    [
        {"text": ""},
        {"text": "x" * 1001},
        {"sender": ""},
        {"wait": "3y"},
        {"steps": "["},
        {"steps": "[1]"},
        {"steps": "[" * 100_000},
        {"steps": '[["+62840000000", "\\ud800", ""]]'},
        {"steps": f'[["{"9" * 21}", "SALDO", ""]]'},
        {"steps": '[["+62840000000", 1, ""]]'},
        {"steps": '[["+62840000000", "SALDO", "9d"]]'},
        {"steps": str([[FICTITIOUS_PHONE, "SALDO", ""]] * 21).replace("'", '"')},
        {"steps": str([[FICTITIOUS_PHONE, "SALDO", ""]] * 20).replace("'", '"')},
    ],
)
def test_invalid_messages_are_refused(as_: As, form: dict[str, str]) -> None:
    visitor = started(as_(Role.VIEWER))
    assert visitor.submit(SAY, **({"text": "KONTAK"} | form)).status_code == 400


def test_htmx_gets_only_the_changed_part(player: Visitor) -> None:
    values = player.form(SAY).values | {"text": "SALDO"}
    part = player.client.post(SAY, data=values, headers={"HX-Request": "true"})
    assert "Rp123.456.789" in part.text
    assert "<html" not in part.text
    none = player.client.post(SAY, data=values | {"text": ""}, headers={"HX-Request": "true"})
    assert (none.status_code, 'role="alert"' in none.text) == (200, True)


def test_a_saved_conversation_agrees_when_run_again(
    player: Visitor, rt: Runtime, tmp_path: Path
) -> None:
    try_on(player, "SALDO")
    try_on(player, f"SALDO {P2_NKP}", sender=P2)
    try_on(player, "YA", wait="2h")
    try_on(player, "makasih")
    try_on(player, DAFTAR, sender=STRANGER)
    try_on(player, f"KODE {player.form(SAY).values['code']}")
    assert keep(player, "asks, and agrees") == 200
    assert "The conversation is saved." in player.text
    with rt.reading() as tx:
        (transcript,) = library.newest(tx)
    assert (transcript.name, transcript.by) == ("asks, and agrees", "operator:editor")
    file = tmp_path / "kept.yaml"
    file.write_text(transcript.text)
    done = smsgw(tmp_path, "replay", str(file))
    assert (done.returncode, "7 steps, 0 differ" in done.stderr) == (0, True), done.stdout
    steps = reader.read(file).transcript.conversations[0].steps
    assert [each.expect.outcome for each in steps if each.sender] == [
        "answered",
        "confirm",
        "answered",
        "silent",
        "pending",
        "answered",
    ]
    assert all(each.expect.reply for each in steps if each.expect.outcome == "answered")


def test_a_saved_conversation_can_run_with_the_draft(player: Visitor, rt: Runtime) -> None:
    try_on(player, "KONTAK")
    keep(player, "how to reach us")
    player.submit("/run", which="published")
    assert "Every step matches" in player.text
    player.submit("/run", which="draft")
    assert "There is no draft" in player.text
    with rt.writing() as tx:
        versions.save(tx, document.loads(reworded_document("Halo dunia.")), 0, ANI, "kontak")
    player.submit("/run", which="draft")
    assert "1 step differs from the saved transcript" in player.text
    assert "Halo dunia." in player.text
    player.get("/console/try/kept/")
    assert "how to reach us" in player.text
    file = player.client.get("/console/try/kept/1.yaml")
    assert yaml.safe_load(file.text)["title"] == "how to reach us"
    player.get("/console/try/kept/1")
    player.submit("/delete")
    assert "None yet." in player.text
    assert player.get("/console/try/kept/1").status_code == 404


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("KONTAK", 200),
        (f"SALDO {P1_NKP}", 200),  # of the reference ledger: nobody
        ("SALDO 21987654321", 400),
        ("SALDO 2198 7654 321", 400),
        ("hubungi ani@example.com", 400),
        ("GANTI HP 081298765432", 400),
        ("NIK saya 3171/0123/4567/0001", 400),
        ("NIK saya 3171#0123#4567#0001", 400),
        ("NIK saya 3171  0123  4567  0001", 400),
        ("HP saya 0812--3456--7890", 400),
        ("lahir 17-08-1990", 200),
    ],
)
def test_personal_data_is_not_saved(as_: As, rt: Runtime, text: str, status: int) -> None:
    visitor = started(as_(Role.EDITOR))
    assert try_on(visitor, text, sender=FICTITIOUS_PHONE) == 200
    assert keep(visitor, "a test") == status
    assert ("it may contain personal data" in visitor.text) == (status == 400)
    with rt.reading() as tx:
        assert len(library.newest(tx)) == (status == 200)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("Budi 081234567890", 400),
        ("ani@example.com", 400),
        (f"asks for {P1_NKP}", 200),
        ("asked on 31-10-2025", 200),
    ],
)
def test_a_name_with_personal_data_is_refused(as_: As, rt: Runtime, name: str, status: int) -> None:
    visitor = started(as_(Role.EDITOR))
    try_on(visitor, "KONTAK", sender=FICTITIOUS_PHONE)
    assert keep(visitor, name) == status
    with rt.reading() as tx:
        assert [each.name for each in library.newest(tx)] == [name] * (status == 200)


def test_an_invalid_sender_is_checked_as_text(as_: As, rt: Runtime) -> None:
    visitor = started(as_(Role.EDITOR))
    try_on(visitor, "KONTAK", sender="3171/0123/4567/0001")
    assert keep(visitor, "a test") == 400


def test_a_real_phone_is_never_saved(as_: As, rt: Runtime) -> None:
    visitor = started(as_(Role.ADMIN))
    assert try_on(visitor, "KONTAK", sender=P1, reason="a test") == 200
    assert keep(visitor, "a test") == 400
    with rt.reading() as tx:
        assert library.newest(tx) == []


def test_a_conversation_that_differs_on_the_reference_ledger_is_not_saved(
    player: Visitor, rt: Runtime
) -> None:
    """A question that was open before is none in the world of a transcript."""
    say(rt, P2, f"SALDO {P2_NKP}")
    try_on(player, "YA", sender=P2)
    assert "answered" in player.text
    assert keep(player, "a test") == 409
    assert "gets another reply" in player.text


def test_saving_needs_a_name_and_a_message(player: Visitor) -> None:
    assert keep(player, "nothing") == 400
    try_on(player, "KONTAK")
    assert keep(player, " ") == 400
    assert keep(player, "x" * 81) == 400
    assert "A name must have 1 to 80 characters." in player.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AGENT])
def test_only_drafting_roles_may_save(as_: As, role: Role) -> None:
    visitor = started(as_(role))
    try_on(visitor, "KONTAK")
    assert keep(visitor, "a test") == 403
    started(visitor)
    assert "Save as transcript" not in visitor.text
    visitor.get("/console/try/kept/")
    assert "Editors, publishers and admins save them" in visitor.text
    assert "then save it" not in visitor.text


def test_saved_transcripts_have_pages(as_: As, rt: Runtime) -> None:
    with rt.writing() as tx:
        for number in range(51):
            library.save(tx, f"number {number}", "now: 1", ANI)
    visitor = as_(Role.VIEWER)
    visitor.get("/console/try/kept/")
    assert ("number 50" in visitor.text, "number 0" in visitor.text) == (True, False)
    visitor.get("/console/try/kept/?before=2")
    assert ("number 50" in visitor.text, "number 0" in visitor.text) == (False, True)
    visitor.get("/console/try/kept/1")
    visitor.submit("/run", which="published")
    assert "This cannot be run" in visitor.text


def test_what_the_phone_would_be_notified_of_is_shown(player: Visitor) -> None:
    try_on(player, "SALDO", sender=P1)
    assert "None. A phone asks for them with NOTIF ON" in player.text
    try_on(player, "NOTIF SALDO ON")
    assert "kini Rp123.456.789 per" in player.text
    assert "Balance, this kind is off or paused" in player.text


def test_notifications_of_a_real_phone_are_for_helpers_and_in_the_audit(
    as_: As, rt: Runtime
) -> None:
    """A role without access to people has no way to a real phone's (see above)."""
    say(rt, P1, "NOTIF SALDO ON")
    agent = started(as_(Role.AGENT))
    assert try_on(agent, "BANTUAN", sender=P1, reason="caller asks") == 200
    assert "kini Rp123.456.789 per" in agent.text
    disclosed = [each for each in looks(rt) if each[2]]
    assert disclosed == [("operator:agent", None, True, "try-out: caller asks")]
    viewer = started(as_(Role.VIEWER))
    assert try_on(viewer, "BANTUAN", sender=P1, reason="caller asks") == 403
    assert "Rp123" not in viewer.text
