"""Checks that 1,000 conversations take under 20 CPU seconds, and at most twice what answering and
sending alone cost.

Both are measured in one run: the same messages are answered once by `smsgw replay`'s runner, once
by the responder and the sender alone, over the same kind of database.
"""

import logging
import sys
import time
from datetime import timedelta

from smsgw import logs, responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging import dispatch
from smsgw.messaging.leases import claim, record
from smsgw.runtime import Runtime
from smsgw.transcripts import reader, runner, world

CONVERSATIONS = 1000
MOST_SECONDS = 20.0
MOST_TIMES = 2.0  # a conversation begins with a copy of its world
HEAD = """\
now: 2025-10-31T10:00:00+07:00
registered: {"+6281234567890": ["19012345678"]}
conversations:
"""
ONE = """\
- name: c{number}
  steps:
  - {{from: "+6281234567890", text: SALDO, expect: {{keyword: saldo, outcome: answered}}}}
"""
FURTHER = """\
  - {from: "+6285612345678", text: SALDO 20098765432, expect: {outcome: confirm}}
"""


def text() -> str:
    made = [
        ONE.format(number=number) + FURTHER * (number % 4 == 0) for number in range(CONVERSATIONS)
    ]
    return HEAD + "".join(made)


def send(rt: Runtime) -> None:
    """Sends in this thread, as a database in memory belongs to one thread."""
    with rt.writing() as tx:
        claims = claim(tx, runner.CARRIER, runner.SENDER_ID, 10)
    sent = [dispatch.send_lease(rt, runner.CARRIER, claim) for claim in claims]
    with rt.writing() as tx:
        record(tx, sent)


def messages_alone(document: reader.TranscriptDocument) -> float:
    with world.prepare(document) as made:
        rt = made.begin()
        started = time.process_time()
        for conversation in document.transcript.conversations:
            for number, step in enumerate(conversation.steps):
                made.clock.now += timedelta(hours=1)
                ref = f"{conversation.name} {number}"
                sms = IncomingSms(
                    "simulator", ref, step.sender or "", runner.SENDER_ID, step.text or ""
                )
                responder.respond(rt, sms)
                send(rt)
        return time.process_time() - started


def main() -> None:
    logs.set_up(logging.CRITICAL)
    started = time.process_time()
    document = reader.parse(text(), "made")
    reading = time.process_time() - started
    results = list(runner.run(document))
    whole = time.process_time() - started
    assert not any(each.differences for each in results)
    alone = messages_alone(document)
    print(
        f"{CONVERSATIONS} conversations, {len(results)} steps: {whole:.1f} CPU seconds "
        f"({reading:.1f} of them to read the file), at most {MOST_SECONDS:.0f}; "
        f"{whole / alone:.1f} times the messages alone ({alone:.1f}), at most {MOST_TIMES:.0f}"
    )
    if whole > MOST_SECONDS or whole / alone > MOST_TIMES:
        sys.exit("that is too much")


main()
