"""Checks what no value of a transcript shows alone: whether it fits the others."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from grammar import Grammar
from smsgw import settings
from smsgw.transcripts.format import (
    BETWEEN_MESSAGES,
    Answer,
    Conversation,
    Expectation,
    Settings,
    Step,
    Transcript,
)
from smsgw.transcripts.source import Place
from smsgw.transcripts.values import CODE, ECHO
from smsgw.variables import SettingsError

ENVIRONMENT = {
    "timezone": "SMSGW_TIMEZONE",
    "countries": "SMSGW_COUNTRIES",
    "holidays": "SMSGW_HOLIDAYS",
}
REGISTRATION = "daftar"  # the one keyword that sends codes

Found = tuple[Place, str]  # what is wrong, and where


def faults(transcript: Transcript, grammar: Grammar) -> Iterator[Found]:
    """Yields faults. `grammar`: of the keywords that answer."""
    yield from _bindings(transcript)
    yield from _settings(transcript.settings)
    names: dict[str, int] = {}
    for index, conversation in enumerate(transcript.conversations):
        place: Place = ("conversations", index)
        if conversation.name in names:
            fault = f"conversation {names[conversation.name]} has the same name"
            yield (*place, "name"), fault
        names.setdefault(conversation.name, index + 1)
        yield from _clock(transcript.now, conversation, place)
        yield from _steps(conversation, place, grammar)


def environment(chosen: Settings) -> dict[str, str]:
    """Returns settings as environment variables."""
    values = ((variable, getattr(chosen, name)) for name, variable in ENVIRONMENT.items())
    return {
        variable: value if isinstance(value, str) else ",".join(value)
        for variable, value in values
        if value is not None
    }


def _bindings(transcript: Transcript) -> Iterator[Found]:
    """Checks that each NKP is bound to one phone."""
    phones: dict[str, str] = {}
    bound: list[tuple[str, str, Place]] = [
        (phone, nkp, ("registered", phone, index))
        for phone, nkps in transcript.registered.items()
        for index, nkp in enumerate(nkps)
    ]
    bound += [
        (phone, each.nkp, ("starts", phone, "bindings", index, "nkp"))
        for phone, start in transcript.starts.items()
        for index, each in enumerate(start.bindings)
    ]
    for phone, nkp, place in bound:
        if nkp in phones:
            yield place, f"{nkp} is bound to {phones[nkp]} already; an NKP has one phone"
        phones.setdefault(nkp, phone)


def _settings(chosen: Settings) -> Iterator[Found]:
    for name, variable in ENVIRONMENT.items():
        value = environment(chosen).get(variable)
        try:
            settings.load({variable: value} if value is not None else {})
        except SettingsError as error:
            yield ("settings", name), str(error).removeprefix(f"{variable}: ")


def _clock(now: datetime, conversation: Conversation, place: Place) -> Iterator[Found]:
    """Yields steps at which the clock would go back, or pass the end of the calendar."""
    for index, step in enumerate(conversation.steps):
        here: Place = (*place, "steps", index)
        if step.at is not None and step.at < now:
            yield (*here, "at"), f"the clock stands at {now.isoformat()} already"
        try:
            now = max(now, step.at) if step.at is not None else now + _span(step)
        except OverflowError:
            yield here, "the clock would pass the year 9999"


def _span(step: Step) -> timedelta:
    if step.sender is not None:
        return BETWEEN_MESSAGES if step.gap is None else step.gap
    return (step.wait or timedelta()) + timedelta(days=step.days or 0)


def _steps(conversation: Conversation, place: Place, grammar: Grammar) -> Iterator[Found]:
    """Checks each step with those before it."""
    senders: set[str] = set()
    may_have_code = False
    for index, step in enumerate(conversation.steps):
        here: Place = (*place, "steps", index)
        yield from _before(step, senders, here)
        text = step.text or ""
        if CODE in text and not may_have_code:
            fault = f"{CODE} needs a registration (DAFTAR) before, which sends a code"
            yield (*here, "text"), fault
        may_have_code = may_have_code or grammar.parse(text).keyword == REGISTRATION
        yield from _same_replies(conversation, index, here)
        if step.sender:
            senders.add(step.sender)


def _before(step: Step, senders: Collection[str], place: Place) -> Iterator[Found]:
    if step.text == ECHO and step.sender not in senders:
        yield (*place, "text"), f"{ECHO} needs a reply to this phone before"
    if step.expect.state is not None and not (senders or step.sender):
        yield (*place, "expect", "state"), "nobody has written yet"
    if step.report is not None and not senders:
        yield (*place, "report"), "nothing was sent yet"


def _same_replies(conversation: Conversation, index: int, place: Place) -> Iterator[Found]:
    for where, answer in _answers(conversation.steps[index].expect):
        number = answer.same_reply_as
        if number is None:
            continue
        here = (*place, "expect", *where, "same_reply_as")
        if number > index:
            yield here, "same_reply_as names an earlier step of the conversation"
        elif conversation.steps[number - 1].sender is None:
            yield here, f"step {number} is no message, so it has no reply"


def _answers(expect: Expectation) -> Iterator[tuple[Place, Answer]]:
    yield (), expect
    yield from ((("any", index), each) for index, each in enumerate(expect.any))
    yield from ((("never", index), each) for index, each in enumerate(expect.never))
