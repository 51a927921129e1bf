"""Registrations that wait for an officer."""

from itertools import count

from sqlalchemy import select

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging.answer import Answer
from smsgw.runtime import Runtime
from smsgw.storage.tables.security import audit


def say(rt: Runtime, sender: str, text: str) -> Answer:
    answer = responder.respond(
        rt, IncomingSms("simulator", f"page-{next(_references)}", sender, "2757", text)
    )
    assert answer is not None
    return answer


def noted(rt: Runtime) -> list[tuple[str, str | None]]:
    with rt.reading() as tx:
        rows = select(audit.c.act, audit.c.detail).order_by(audit.c.id)
        return [tuple(row) for row in tx.connection.execute(rows)]


_references = count()
