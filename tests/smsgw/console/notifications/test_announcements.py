"""An announcement is written with a preview, faults stand beside their fields, nothing is lost."""

import io

import pytest

from smsgw.backoffice import accounts, notifications
from smsgw.notifications import cycle
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import P1, P1_NKP, P2, P2_NKP
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor
from tests.support.conversation import audit_entries
from tests.support.notified import subscribe_to_balance, told

FORM = "/console/notifications/announcements/"
TEXTS = {"text_id": "Kantor Bogor tutup", "text_en": "Bogor office is closed"}


@pytest.fixture
def publisher(as_: As, rt: Runtime) -> Visitor:
    subscribe_to_balance(rt)
    visitor = as_(Role.PUBLISHER)
    visitor.get(FORM)
    return visitor


def announce(visitor: Visitor, **values: object) -> int:
    return visitor.submit(FORM, **{**TEXTS, **values}).status_code


def faults(visitor: Visitor, name: str) -> str:
    """Returns what stands beside a field."""
    before, _, after = visitor.page.partition(f'id="{name}-fault">')
    assert f'aria-describedby="{name}-fault"' in before + after
    return after.partition("</div>")[0]


def test_an_announcement_becomes_a_run(publisher: Visitor, rt: Runtime) -> None:
    assert announce(publisher) == 200
    assert "The announcement is planned." in publisher.text
    assert "Kantor Bogor tutup" in publisher.text
    assert "all subscribers of this kind" in publisher.text
    cycle.run_due(rt)
    for each in (P1, P2):
        assert "Kabar: Kantor Bogor tutup Berhenti: ketik NOTIF OFF" in told(rt, each)
    assert ("announcement made", "balance: run 2") in audit_entries(rt)


def test_a_preview_counts_while_it_is_written(publisher: Visitor) -> None:
    form = publisher.form(FORM)
    token = {"X-CSRFToken": form.values["csrf_token"], "HX-Request": "true"}
    part = publisher.client.post(
        f"{FORM}typed", data={"text_id": "Halo “😀”", "text_en": "x" * 126}, headers=token
    ).text
    assert "<html" not in part
    assert "Kabar: Halo &#34;?&#34; Berhenti: ketik NOTIF OFF" in part
    assert "An SMS cannot contain this character: 😀" in part
    assert "126 of 125 characters; 1 of at most 1 segment, Rp350" in part
    assert "It has 126 characters. 125 fit into one SMS." in part


def test_without_scripts_a_preview_keeps_the_form(publisher: Visitor, rt: Runtime) -> None:
    form = publisher.form(FORM)
    values = form.values | TEXTS | {"audience": "program", "program": "JP", "until": "2025-11-02"}
    assert publisher.post(f"{FORM}typed", **values).status_code == 200
    assert "News: Bogor office is closed To stop send NOTIF OFF" in publisher.text
    kept = publisher.form(FORM).values
    assert kept["text_id"] == TEXTS["text_id"]
    assert (kept["audience"], kept["program"], kept["until"]) == ("program", "JP", "2025-11-02")
    assert [each.run for each in notifications.progress(rt) if each.run.announcement] == []


def test_all_faults_stand_beside_their_fields_and_nothing_is_lost(publisher: Visitor) -> None:
    typed = {
        "kind": "claim",
        "text_id": "",
        "text_en": f"[{'x' * 126}",
        "audience": "list",
        "nkps": f"{P1_NKP}\n123\n19012x345678",
        "until": "2030-01-01",
    }
    assert announce(publisher, **typed) == 400
    assert "Nothing was announced." in publisher.text
    assert "This kind is off" in faults(publisher, "kind")
    assert "There is no text." in faults(publisher, "text_id")
    assert "cannot contain this character: [" in faults(publisher, "text_en")
    assert "It has 127 characters." in faults(publisher, "text_en")
    assert "at most 30 days ahead" in faults(publisher, "until")
    nkps = faults(publisher, "nkps")
    assert "No NKP of 11 digits in these lines: 2, 3." in nkps
    assert "345678" not in nkps
    kept = publisher.form(FORM).values
    assert {name: kept[name] for name in typed} == typed
    assert announce(publisher, kind="balance", audience="all", nkps="", until="2025-11-03") == 200


@pytest.mark.parametrize(
    ("audience", "says"),
    [
        ("office", "The ledger does not say whose office is which."),
        ("program", "Choose a programme: JHT, JKK, JKM, JP, JKP."),
    ],
)
def test_an_audience_has_to_be_named(publisher: Visitor, audience: str, says: str) -> None:
    assert announce(publisher, audience=audience) == 400
    assert says in faults(publisher, audience)


def upload(content: bytes) -> dict[str, object]:
    return {"audience": "list", "file": (io.BytesIO(content), "nkps.txt")}


def test_a_list_may_be_pasted_and_uploaded(publisher: Visitor, rt: Runtime) -> None:
    assert announce(publisher, nkps=f"{P1_NKP}\n", **upload(f"\ufeff{P2_NKP}\r\n".encode())) == 200
    assert "a list of NKPs" in publisher.text
    for nkp in (P1_NKP, P2_NKP):
        assert nkp not in publisher.page
    cycle.run_due(rt)
    assert all(any("Kabar" in sms for sms in told(rt, each)) for each in (P1, P2))


def test_faults_of_a_file_name_its_lines(publisher: Visitor) -> None:
    lines = "\n".join(["x"] * 12)
    assert announce(publisher, **upload(f"{P1_NKP}\n{lines}".encode())) == 400
    said = faults(publisher, "nkps")
    assert "in these lines of the file: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more." in said
    assert P1_NKP not in publisher.page
    assert announce(publisher, **upload(b"\xff\xfe1")) == 400
    assert "The file is not UTF-8." in faults(publisher, "nkps")
    assert announce(publisher, audience="list", nkps="") == 400
    assert "The list holds no NKP." in faults(publisher, "nkps")


def test_what_is_sent_twice_is_announced_once(publisher: Visitor, rt: Runtime) -> None:
    form = publisher.form(FORM)
    for expected in (200, 400):
        assert publisher.post(form.action, **form.values | TEXTS).status_code == expected
    assert "tells the same already" in faults(publisher, "text_id")
    assert len([each for each in notifications.progress(rt) if each.run.announcement]) == 1


def test_a_text_is_escaped(publisher: Visitor) -> None:
    announce(publisher, text_id='</textarea><script>"', until="")
    assert "<script>&#34;" not in publisher.page
    assert publisher.form(FORM).values["text_id"] == '</textarea><script>"'


def test_what_cannot_come_from_the_form_is_refused(publisher: Visitor) -> None:
    assert announce(publisher, kind="news") == 400
    publisher.get(FORM)
    assert announce(publisher, audience="everybody") == 400


def test_an_announcement_typed_when_the_session_had_ended_is_kept(
    publisher: Visitor, rt: Runtime
) -> None:
    """A form with a place for a file is kept too, if none was chosen; NKPs are not shown."""
    form = publisher.form(FORM)
    with rt.writing() as tx:
        accounts.log_out_everywhere(tx, 1)
    empty = {"file": (io.BytesIO(b""), "")}
    publisher.post(form.action, **form.values | TEXTS | {"nkps": P1_NKP, **empty})
    assert "What you typed is kept" in publisher.text or "tersimpan" in publisher.text
    assert publisher.form("/login").values["again:text_id"] == TEXTS["text_id"]


def test_a_ledger_that_is_away_loses_nothing(publisher: Visitor, rt: Runtime) -> None:
    with rt.ledger.engine.begin() as ledger:
        ledger.exec_driver_sql("ALTER TABLE offices RENAME TO away")
        ledger.exec_driver_sql(f"INSERT INTO participant_offices VALUES ('{P1_NKP}', 'JKT01')")
    assert announce(publisher, audience="office", office="JKT01") == 503
    assert "the ledger does not answer" in publisher.text
    assert publisher.form(FORM).values["office"] == "JKT01"
