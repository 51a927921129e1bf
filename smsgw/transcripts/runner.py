"""Plays conversations to the real responder, each from the state that its file describes.

Time moves only as the transcript says.
"""

import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from smsgw import phone, responder
from smsgw.carriers.carrier import Delivery, IncomingSms, Report
from smsgw.configuration.compiler import Configuration
from smsgw.configuration.live import LiveConfiguration
from smsgw.configuration.wording import ReplyError
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import delivery_reports, dispatch
from smsgw.messaging.answer import Answer
from smsgw.messaging.leases import claim, record
from smsgw.notifications import cycle
from smsgw.operations import clock, jobs
from smsgw.operations.retention import Retention
from smsgw.registry.registration_codes import CODE_LENGTH, CODE_LETTERS
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.messages import attempts
from smsgw.transcripts import casework, comparison, state, world
from smsgw.transcripts.comparison import Mismatch, StepOutcome
from smsgw.transcripts.faults import TranscriptError
from smsgw.transcripts.format import (
    BETWEEN_MESSAGES,
    Conversation,
    State,
    Step,
)
from smsgw.transcripts.reader import TranscriptDocument
from smsgw.transcripts.values import CODE, ECHO
from smsgw.transcripts.world import Clock, World

CARRIER, SENDER_ID = "simulator", "2757"
AT_ONCE = 100  # replies
A_CODE = re.compile(rf"KODE ([{CODE_LETTERS}]{{{CODE_LENGTH}}})\b")
LONGEST_REFERENCE = 64
WHY = "in a transcript"  # an officer's reason
ONE_DAY = timedelta(days=1)
AWAY = "sqlite:////nonexistent/ledger.db"


@dataclass(frozen=True, slots=True)
class Result:
    """Holds what one step of a conversation gave, and where that differs from what was expected."""

    conversation: str
    number: int  # from 1
    step: Step
    sent_text: str | None  # what was really sent, where `text` held =echo or =code
    got: StepOutcome
    answer: Answer | None
    differences: tuple[Mismatch, ...]

    @property
    def differs(self) -> tuple[str, ...]:
        return tuple(map(str, self.differences))

    @property
    def is_dangerous(self) -> bool:
        return any(each.key == comparison.DANGER for each in self.differences)


def run(document: TranscriptDocument, names: frozenset[str] | None = None) -> Iterator[Result]:
    """Runs every step of every conversation, in file order; only of those in `names` if it is
    given. Raises LoadError, TranscriptError."""
    chosen = [
        (index, each)
        for index, each in enumerate(document.transcript.conversations)
        if names is None or each.name in names
    ]
    if not chosen:
        return
    with world.prepare(document) as world_of_file:
        for index, conversation in chosen:
            yield from play(world_of_file, conversation, index)


def play(world: World, conversation: Conversation, index: int) -> Iterator[Result]:
    """Plays the conversation with that `index` in its file. Raises TranscriptError if its clock
    runs out."""
    talk = RunningConversation(world.begin(), world.clock, conversation.name, world.document)
    for number, step in enumerate(conversation.steps):
        try:
            yield talk.take(step)
        except OverflowError:
            place = ("conversations", index, "steps", number)
            problem = "what begins here would end after the year 9999; set an earlier clock"
            raise TranscriptError([world.document.source.fault(place, problem)]) from None


class Unplayable(Exception):
    """Says why a step cannot be done."""


class RunningConversation:
    """Plays one conversation."""

    def __init__(
        self,
        rt: Runtime,
        clock: Clock,
        name: str,
        document: TranscriptDocument | None = None,
    ) -> None:
        self._up = self._rt = rt
        self._clock = clock
        self._name = name
        self._document = document  # with what its publish steps name
        self._results: list[Result] = []
        self._newest_reply = state.newest_reply(rt)  # ids: of all,
        self._last_reply: int | None = None  # and of the last that answered a message
        self._writer: str | None = None  # who wrote last
        self._is_carrier_up = True
        self._retention = Retention(rt)

    def take(self, step: Step) -> Result:
        text, answer, got = None, None, StepOutcome()
        try:
            text = self._filled_text(step)
            answer, reason = self._do(step, text)
            got = self._outcome(step, answer, reason)
        except (Unplayable, casework.Unsendable) as error:
            got = self._failure(str(error))
        except OverflowError:
            raise
        except Exception as error:  # a bug of the service is a difference like others
            got = self._failure(_crash(error))
        differences = comparison.compare(step.expect, got, [each.got for each in self._results])
        result = Result(
            conversation=self._name,
            number=len(self._results) + 1,
            step=step,
            sent_text=text,
            got=got,
            answer=answer,
            differences=differences,
        )
        self._results.append(result)
        return result

    def _failure(self, why: str) -> StepOutcome:
        self._newest_reply = state.newest_reply(self._rt)
        return StepOutcome(failure=why)

    def _do(self, step: Step, text: str | None) -> tuple[Answer | None, str | None]:
        """Does a step. Returns the answer to a message, and why an officer could not do
        something."""
        if step.sender is not None:
            return self._say(step, text or ""), None
        if step.officer is not None:
            reason = casework.carry_out(self._rt, step.officer)
            self._send()
            return None, reason
        self._pass(step.wait)
        for _ in range(step.days or 0):
            self._pass(ONE_DAY, with_retention=True)
        self._change_world(step)
        return None, None

    def _change_world(self, step: Step) -> None:
        if step.ledger is not None:
            self._ledger(is_up=step.ledger == "up")
        if step.carrier is not None:
            self._is_carrier_up = step.carrier == "up"
            self._send()
        for nkp, number in (step.number_on_file or {}).items():
            world.change_number(self._up, nkp, number)
        if step.report is not None:
            self._report(Delivery(step.report))
        if self._document is not None and step.publish is not None:
            self._publish(self._document.published[step.publish])
        if self._document is not None and step.publish_ledger is not None:
            world.publish_ledger(self._up, self._document.published_ledgers[step.publish_ledger])

    def _say(self, step: Step, text: str) -> Answer | None:
        sender = step.sender or ""
        self._clock.now = step.at or self._clock.now + (
            BETWEEN_MESSAGES if step.gap is None else step.gap
        )
        self._writer = sender
        reference = f"{self._name}-{len(self._results)}"[-LONGEST_REFERENCE:]
        sms = IncomingSms(CARRIER, reference, sender, SENDER_ID, text)
        answer = responder.respond(self._rt, sms)
        self._send()
        return answer

    def _pass(self, span: timedelta | None, *, with_retention: bool = False) -> None:
        """Moves the clock, and does what is due by then."""
        if span is None:
            return
        self._clock.now += span
        clock.sweep(self._rt)
        cycle.run_due(self._rt)
        jobs.give_deferred_answers(self._rt)
        self._send()
        while with_retention and self._retention.step():
            pass

    def _send(self) -> None:
        """Sends what is due, one by one: the threads of `dispatch.drain` would only cost time where
        nobody waits for a carrier."""
        is_more = self._is_carrier_up
        while is_more:
            with self._rt.writing() as tx:
                claims = claim(tx, CARRIER, SENDER_ID, AT_ONCE)
            if claims:
                sent = [dispatch.send_lease(self._rt, CARRIER, each) for each in claims]
                with self._rt.writing() as tx:
                    record(tx, sent)
            is_more = len(claims) == AT_ONCE

    def _ledger(self, *, is_up: bool) -> None:
        away = SqlLedger(engines.engine(AWAY))
        self._rt = replace(self._rt, ledger=self._up.ledger if is_up else away)

    def _publish(self, configuration: Configuration) -> None:
        version = self._rt.configuration.version + 1
        published = LiveConfiguration.always(replace(configuration, version=version))
        self._rt = replace(self._rt, published=published)

    def _report(self, delivery: Delivery) -> None:
        sent = select(func.max(attempts.c.id)).where(attempts.c.reply_id == self._last_reply)
        with self._rt.writing() as tx:
            attempt = tx.connection.execute(sent).scalar_one()
            if attempt is None:
                raise Unplayable("report: no reply was sent before this step")
            delivery_reports.apply_report(tx, Report(CARRIER, attempt, delivery))

    def _outcome(self, step: Step, answer: Answer | None, reason: str | None) -> StepOutcome:
        queued = state.queued_since(self._rt, self._newest_reply)
        self._newest_reply = max([each for each, _ in queued], default=self._newest_reply)
        is_answered = answer is not None and answer.reply is not None
        if is_answered:
            self._last_reply = queued[0][0]
        own, further = queued[: int(is_answered)], queued[int(is_answered) :]
        also = tuple(sms for _, sms in further)
        if answer is None:
            is_done = reason is None or "reason" in step.expect.model_fields_set
            failure = None if is_done else f"officer: it could not be done ({reason})"
            return StepOutcome(reason=reason, also=also, state=self._state(step), failure=failure)
        verdict = answer.verdict
        return StepOutcome(
            keyword=verdict.keyword,
            outcome=str(verdict.outcome),
            reason=verdict.reason,
            reply=own[0][1].text if own else None,
            wording=own[0][1].wording if own else None,
            also=also,
            state=self._state(step),
        )

    def _state(self, step: Step) -> State | None:
        asked = (step.expect, *step.expect.any, *step.expect.never)
        if self._writer is None or all(each.state is None for each in asked):
            return None
        return state.read(self._rt, self._writer)

    def _filled_text(self, step: Step) -> str | None:
        """Returns the text with the values of =echo and =code."""
        text = step.text
        if text == ECHO:
            text = self._last_reply_to(step.sender or "")
            if text is None:
                raise Unplayable(f"text: {ECHO} stands for our last reply, and there is none")
        elif text is not None and CODE in text:
            code = self._last_code()
            if code is None:
                raise Unplayable(f"text: {CODE} stands for the last code, and none was sent")
            text = text.replace(CODE, code)
        return text

    def _last_code(self) -> str | None:
        texts = [sms.text for each in self._results for sms in each.got.also]
        codes = [found[1] for text in texts if (found := A_CODE.search(text))]
        return codes[-1] if codes else None

    def _last_reply_to(self, sender: str) -> str | None:
        number = phone.e164(sender)
        for each in reversed(self._results):
            if each.got.reply is not None and phone.e164(each.step.sender or "") == number:
                return each.got.reply
        return None


def _crash(error: Exception) -> str:
    """Describes a crash with the innermost place in our own code. Other texts than those of a
    ReplyError may hold a value."""
    if isinstance(error, ReplyError):
        return f"the service failed: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if "site-packages" not in each.filename]
    where = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"the service failed: {type(error).__name__}{where}"
