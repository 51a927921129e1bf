"""Private messages are uploaded by an editor, and the draft is judged by them."""

from io import BytesIO

import pytest

from smsgw.configuration import background_file
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.smsgw.console.conftest import As
from tests.support.documents import reworded_document
from tests.support.drafts import save_draft

PAGE = "/console/private-messages/"


def file(text: bytes) -> tuple[BytesIO, str]:
    return BytesIO(text), "private.txt"


def test_an_editor_uploads_private_messages_and_sees_what_takes_them(as_: As, rt: Runtime) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert "None." in visitor.text
    visitor.submit(PAGE, file=file(b"# mine\nhujan terus ya bu\nbara saldo ambo kini da\nSTOP\n"))
    assert "3 private messages are stored." in visitor.text
    assert "2 are taken for ours by the published version (66,7%)." in visitor.text
    assert "saldo (topic balance)" in visitor.text
    assert "line 4 would change something, as stop does" in visitor.text
    assert "ambo" not in visitor.text
    save_draft(rt, reworded_document("Hubungi {call_centre}."))
    publisher = as_(Role.PUBLISHER)
    publisher.get("/console/draft/")
    assert "2 of 3 private messages would be taken for ours." in publisher.text
    visitor.get(PAGE)
    assert "2 are taken for ours by the draft" in visitor.text
    visitor.submit(f"{PAGE}delete")
    assert "The private messages are deleted." in visitor.text
    with rt.reading() as tx:
        assert background_file.current(tx) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Sal\xe9\n", "the file is not UTF-8"),
        (b"# none\n", "it has no messages; write one a line"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(as_: As, content: bytes, message: str) -> None:
    visitor = as_(Role.EDITOR)
    visitor.get(PAGE)
    assert visitor.submit(PAGE, file=file(content)).status_code == 400
    assert message in visitor.text


def test_a_viewer_uploads_nothing(as_: As) -> None:
    visitor = as_(Role.VIEWER)
    visitor.get(PAGE)
    assert "Upload" not in visitor.text
    assert visitor.post(PAGE).status_code in {400, 403}
