"""What became of every message: the service's rows against the carrier's books."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from sqlalchemy import select

from smsgw.models import (
    Priority,
    attempts,
    messages,
    replies,
)
from smsgw.runtime import Runtime
from tests.chaos.carrier import Carrier

WELL = {"sent", "delivered", "undelivered"}


@dataclass
class Verdict:
    """`lost` and `doubled` must be empty; `resent` are doubles that an unknown send excuses."""

    received: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    answered_later: int = 0
    silent: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    resent: int = 0
    unsettled: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    settled: Counter[str] = field(default_factory=Counter)


def is_settled(rt: Runtime) -> bool:
    """Whether nothing will happen any more by itself."""
    with rt.reading() as tx:
        owed = select(messages.c.id).where(messages.c.state == "received").limit(1)
        moving = select(replies.c.id).where(replies.c.state.in_(["queued", "sending"])).limit(1)
        doubted = (replies.c.state == "unknown") & replies.c.due_at.is_not(None)
        in_doubt = select(replies.c.id).where(doubted).limit(1)
        return not any(tx.connection.execute(each).first() for each in (owed, moving, in_doubt))


def judge(rt: Runtime, carrier: Carrier) -> Verdict:
    verdict = Verdict()
    with rt.reading() as tx:
        stored = {row.carrier_ref: row for row in tx.connection.execute(select(messages))}
        rows = tx.connection.execute(select(replies).order_by(replies.c.id)).all()
        tries = tx.connection.execute(select(attempts).order_by(attempts.c.id)).all()
    of_message, of_reply = defaultdict(list), defaultdict(list)
    for row in rows:
        of_message[row.message_id].append(row)
    for attempt in tries:
        of_reply[attempt.reply_id].append(attempt)
        verdict.ends[attempt.ending or "open"] += 1
        verdict.settled[attempt.settled or ""] += 1
    verdict.received = len(stored)
    verdict.lost += [
        f"{sid}: acknowledged, not stored" for sid in carrier.acknowledged - set(stored)
    ]
    for sid, message in stored.items():
        _judge_message(verdict, sid, message, of_message[message.id])
    for row in rows:
        _judge_reply(verdict, carrier, row, of_reply[row.id])
    return verdict


def _judge_message(verdict: Verdict, sid: str, message: object, answers: list[object]) -> None:
    """One final outcome: silent, or a reply; or one notice, and then the answer."""
    verdict.outcomes[message.outcome] += 1
    late = [each for each in answers if each.priority == Priority.LATE]
    if message.state != "answered":
        verdict.lost.append(f"{sid}: {message.state}")
    elif message.outcome == "silent":
        verdict.silent += 1
        if answers and not late and len(answers) > 1:
            verdict.doubled.append(f"{sid}: silent, {len(answers)} replies")
    elif len(late) == 1 and len(answers) == 2:
        verdict.answered_later += 1
    elif len(answers) == 1 and not late:
        verdict.answered += 1
    else:
        verdict.doubled.append(f"{sid}: {message.outcome} with {len(answers)} replies")


def _judge_reply(verdict: Verdict, carrier: Carrier, reply: object, tries: list[object]) -> None:
    accepted = sum(carrier.accepted[each.id] for each in tries)
    where = f"reply {reply.id} ({reply.state})"
    if not accepted:
        verdict.lost.append(f"{where}: the carrier never took it")
    elif reply.state not in WELL:
        verdict.unsettled += 1
    if accepted > 1:
        is_excused = any(each.settled == "resent" for each in tries[:-1])
        verdict.resent += is_excused
        verdict.doubled += [] if is_excused else [f"{where}: taken {accepted} times"]
