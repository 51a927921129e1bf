"""`smsgw say`: send one message through the real path, with the simulator as its carrier."""

import json
import logging
import time
import uuid

import click

from smsgw import gsm7, logs, responder
from smsgw.carriers.carrier import Delivery, IncomingSms, Report
from smsgw.cli.installation import opened
from smsgw.messaging import delivery_reports, dispatch, outbox
from smsgw.messaging.answer import Answer, NotStored
from smsgw.operations import jobs
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.tables.messages import ReplyState

SILENCE = {
    "duplicate": "the same was said just before, and its answer is on its way",
    "echo": "these are our own words",
    "courtesy": "thanks and the like ask for nothing",
    "unreachable_sender": "this is no phone number that we answer",
    "throttled": "this phone, or the day, had as many replies as are allowed",
    "loop": "the same, or nearly, was said again and again within the hour",
}
PATIENCE = 3.0  # seconds for a worker to send it; then this process does
OUT = {ReplyState.SENT, ReplyState.DELIVERED, ReplyState.UNDELIVERED, ReplyState.REFUSED}


@click.command()
@click.argument("text")
@click.option("--from", "sender", required=True, help="The phone that writes, such as +62812….")
@click.option("--to", "sender_id", default="2757", show_default=True, help="Our number.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def say(text: str, sender: str, sender_id: str, as_json: bool) -> None:
    """Send TEXT as if a phone had, and print the reply."""
    logs.set_up(logging.CRITICAL)  # what goes wrong is told in a sentence, below
    rt = opened(patience=0)
    if rt.settings.reaches_people:
        raise click.ClickException(
            "a carrier that reaches people is in use (SMSGW_CARRIER): this would speak for a real "
            "phone; text the number, or run a transcript (smsgw replay)"
        )
    sms = IncomingSms("simulator", f"say-{uuid.uuid4().hex}", sender, sender_id, text)
    try:
        answer = responder.respond(rt, sms, audit.operator())
    except NotStored:
        raise click.ClickException(
            "nothing could be stored; `smsgw doctor` tells what is missing"
        ) from None
    if answer is None:
        raise click.ClickException("this message was stored before")
    if answer.reply is not None:
        _send(rt, answer)
        _deliver(rt, answer)
    click.echo(
        json.dumps(as_object(answer), ensure_ascii=False) if as_json else _for_people(answer)
    )


def as_object(answer: Answer) -> dict[str, object]:
    """Returns what `say --json` and `replay --json` print of an answer."""
    count = gsm7.count(answer.reply.text) if answer.reply else None
    return {
        "keyword": answer.verdict.keyword,
        "outcome": answer.verdict.outcome,
        "reason": answer.verdict.reason,
        "reply": answer.reply.text if answer.reply else None,
        "encoding": count.encoding if count else None,
        "segments": count.segments if count else 0,
        "also": [{"to": each.recipient, "reply": each.text} for each in answer.also],
    }


def _send(rt: Runtime, answer: Answer) -> None:
    """Lets a worker send the reply if one runs, and sends it here otherwise."""
    patience = time.monotonic() + PATIENCE
    is_hinted = jobs.hint_all(rt, answer)
    while is_hinted and time.monotonic() < patience:
        if _is_out(rt, answer):
            return
        time.sleep(0.02)
    for carrier, sender_id in answer.sender_ids:
        if carrier == "simulator":
            dispatch.drain(rt, carrier, sender_id)


def _deliver(rt: Runtime, answer: Answer) -> None:
    """Marks the replies as delivered, since they are on the screen: the same message is then a new
    question, not a repeat."""
    with rt.writing() as tx:
        for attempt_id in outbox.attempts_of(tx, answer.message_id, "simulator"):
            delivery_reports.apply_report(tx, Report("simulator", attempt_id, Delivery.DELIVERED))


def _is_out(rt: Runtime, answer: Answer) -> bool:
    with rt.reading() as tx:
        return outbox.state_of(tx, answer.message_id) in OUT


def _for_people(answer: Answer) -> str:
    if answer.reply is None:
        return f"(no reply: {SILENCE.get(answer.verdict.reason or '', 'the carrier has answered')})"
    return answer.reply.text
