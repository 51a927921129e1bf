"""Compares the service's rows with the carrier's records: what became of every message."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from smsgw.runtime import Runtime
from smsgw.storage.tables import sealed
from smsgw.storage.tables.messages import OPEN, Priority, attempts, messages, replies
from smsgw.storage.tables.security import Ciphertext
from tests.chaos.carrier import Carrier
from tests.chaos.damage import Damage

WELL = {"sent", "delivered", "undelivered"}


@dataclass
class Verdict:
    """Holds what became of messages. `lost` and `doubled` must be empty; `resent` are doubles that
    an unknown send excuses."""

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
    harmed: int = 0  # messages of phones whose rows were overwritten: nothing is promised of them


def is_settled(rt: Runtime, damage: Damage) -> bool:
    """Tells whether nothing will happen any more by itself."""
    doubted = (replies.c.state == "unknown") & replies.c.due_at.is_not(None)
    # A report may end a reply before the sender of a later attempt was killed: the clock ends that
    # attempt once its lease is over.
    of_open_attempt = select(attempts.c.reply_id).where(OPEN)
    moving = [
        select(messages.c.phone_id).where(messages.c.state == "received"),
        select(replies.c.phone_id).where(replies.c.state.in_(["queued", "sending"])),
        select(replies.c.phone_id).where(doubted),
        select(replies.c.phone_id).where(replies.c.id.in_(of_open_attempt)),
    ]
    with rt.reading() as tx:
        phone_ids = {row.phone_id for each in moving for row in tx.connection.execute(each)}
        return phone_ids <= damage.phone_ids


def judge(rt: Runtime, carrier: Carrier, damage: Damage | None = None) -> Verdict:
    damage, verdict = damage or Damage(), Verdict()
    whole = messages.c.phone_id.not_in(damage.phone_ids)
    with rt.reading() as tx:
        stored = {
            row.carrier_ref: row for row in tx.connection.execute(select(messages).where(whole))
        }
        theirs = select(replies).where(replies.c.phone_id.not_in(damage.phone_ids))
        rows = tx.connection.execute(theirs.order_by(replies.c.id)).all()
        made = select(attempts).where(attempts.c.reply_id.in_([row.id for row in rows]))
        tries = tx.connection.execute(made.order_by(attempts.c.id)).all()
        texts = {
            row.key: tx.opened(row.sealed, Ciphertext.REPLY, row.key, *row[2:])
            for row in tx.connection.execute(sealed.values(Ciphertext.REPLY))
        }
        others = select(messages.c.carrier_ref).where(~whole)
        harmed = {*tx.connection.execute(others).scalars(), *damage.carrier_refs}
    of_message, of_reply = defaultdict(list), defaultdict(list)
    for row in rows:
        of_message[row.message_id].append(row)
    for attempt in tries:
        of_reply[attempt.reply_id].append(attempt)
        verdict.ends[attempt.ending or "open"] += 1
        verdict.settled[attempt.settled or ""] += 1
    verdict.received, verdict.harmed = len(stored), len(harmed)
    missing = carrier.acknowledged - set(stored) - harmed
    verdict.lost += [f"{sid}: acknowledged, not stored" for sid in missing]
    for sid, message in stored.items():
        _judge_message(verdict, sid, message, of_message[message.id])
    same = defaultdict(list)  # of two SMS that read the same nobody can tell which was taken
    for row in rows:
        same[row.phone_id, texts[row.id] or row.id].append(row)
    for alike in same.values():
        _judge_replies(verdict, carrier, alike, of_reply)
    return verdict


def _judge_message(verdict: Verdict, sid: str, message: object, answers: list[object]) -> None:
    """Checks that a message has one final outcome: silence, a reply, or a notice and then the
    answer."""
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


def _judge_replies(
    verdict: Verdict,
    carrier: Carrier,
    alike: Sequence[Any],
    of_reply: Mapping[int, Sequence[Any]],
) -> None:
    """Replies to one phone with one text."""
    tries = [each for reply in alike for each in of_reply[reply.id]]
    taken = {
        reply.id: sum(carrier.accepted[each.id] for each in of_reply[reply.id]) for reply in alike
    }
    accepted = sum(taken.values())
    where = ", ".join(f"reply {reply.id} ({reply.state})" for reply in alike)
    if accepted < len(alike):
        verdict.lost.append(f"{where}: the carrier took {accepted}")
    verdict.unsettled += sum(reply.state not in WELL for reply in alike if taken[reply.id])
    if accepted > len(alike):
        is_excused = any(each.settled == "resent" for each in tries)
        verdict.resent += is_excused
        verdict.doubled += [] if is_excused else [f"{where}: taken {accepted} times"]
