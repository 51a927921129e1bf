"""Writes a conversation that was tried as a transcript, to be saved and run again.

A transcript is run over the reference ledger, in a world of its own. So what it expects is what is
answered there; where that would be another thing than what was tried, it is not written.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from structlog.contextvars import bound_contextvars

from smsgw import phone
from smsgw.configuration.compiler import Configuration
from smsgw.ledger import demo
from smsgw.personal_data import may_identify
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.transcripts import format as transcripts
from smsgw.transcripts import reader, runner
from smsgw.transcripts.faults import TranscriptError
from smsgw.transcripts.runner import Result
from smsgw.transcripts.sandbox import SandboxConversation, SandboxStep, TriedMessage

IDENTIFYING = ("nkp", "nik", "phone", "email", "emergency_phone")


class NotWritten(Exception):
    """Says that the conversation cannot be a transcript."""


class Personal(NotWritten):
    """Says that the conversation may hold personal data."""


class Elsewhere(NotWritten):
    """Says that one of its messages has another outcome over the reference ledger, and names the
    message."""


def write(rt: Runtime, name: str, talk: SandboxConversation, chosen: Configuration) -> str:
    """Returns the transcript as YAML. Raises Personal, Elsewhere."""
    steps = [each.step for each in talk.messages]
    registered = _bindings(rt, steps)
    if not rt.settings.demo and _may_identify_somebody(name, steps, registered):
        raise Personal
    document = {
        "title": name,
        "now": _reference_time(rt).isoformat(timespec="seconds"),
        "registered": registered,
        "conversations": [{"name": name, "steps": list(_steps(talk.messages))}],
    }
    try:
        results = again(transcripts.dumps(document), name, chosen)
    except TranscriptError as error:
        raise Elsewhere(str(error)) from None
    for each in results:
        if each.differences:
            raise Elsewhere(f"{each.sent_text} ({each.got.outcome})")
    return transcripts.dumps(_with(document, results))


def again(text: str, name: str, chosen: Configuration) -> list[Result]:
    """Runs a saved transcript again. Raises TranscriptError."""
    document = reader.parse(text, name, configuration=chosen)
    with bound_contextvars(tryout=True):
        return list(runner.run(document))


def _may_identify_somebody(
    name: str, steps: Sequence[SandboxStep], registered: Mapping[str, Sequence[str]]
) -> bool:
    """Tells whether the name, a phone, a text or an NKP may be a real person's. Those of the
    reference ledger are not, nor is anybody in a demonstration."""
    made_up = {row[name] for row in demo.people() for name in IDENTIFYING if row[name]}
    is_bound = not made_up.issuperset(nkp for nkps in registered.values() for nkp in nkps)
    texts = (name, *(step.text for step in steps))
    return (
        is_bound
        or any(may_identify(text, made_up) for text in texts)
        or any(_is_real_phone(step.sender, made_up) for step in steps)
    )


def _is_real_phone(sender: str, made_up: Collection[str]) -> bool:
    number = phone.e164(sender)
    return may_identify(sender, made_up) if number is None else not phone.is_fictitious(number)


def _reference_time(rt: Runtime) -> datetime:
    """Returns now, moved to when the reference ledger was written: in both, a month ago is a month
    ago."""
    now = rt.now().astimezone(rt.settings.zone)
    day = demo.shift_months(now.date(), -demo.months_since(now.date()))
    return datetime.combine(day, now.timetz())


def _bindings(rt: Runtime, steps: Sequence[SandboxStep]) -> dict[str, list[str]]:
    with rt.reading() as tx:
        numbers = dict.fromkeys(phone.e164(step.sender) for step in steps)
        known = {number: phone_state.read(tx, number) for number in numbers if number}
    return {number: list(each.caller.nkps) for number, each in known.items() if each.caller.nkps}


def _steps(tried: Sequence[TriedMessage]) -> Iterator[dict[str, Any]]:
    """Returns the steps, each with how its answer was judged."""
    for each in tried:
        step, verdict = each.step, each.answer.verdict
        if step.wait:
            yield {"wait": step.wait}
        expected = {"keyword": verdict.keyword, "outcome": str(verdict.outcome)}
        reason = {"reason": verdict.reason} if verdict.reason else {}
        yield {"from": step.sender, "text": step.text, "expect": {**expected, **reason}}


def _with(document: Mapping[str, Any], results: Sequence[Result]) -> dict[str, Any]:
    """Adds what each step answered, and who else got something."""
    (conversation,) = document["conversations"]
    steps = [
        {**step, "expect": {**step["expect"], **_came(result)}} if "from" in step else step
        for step, result in zip(conversation["steps"], results, strict=True)
    ]
    return {**document, "conversations": [{**conversation, "steps": steps}]}


def _came(result: Result) -> dict[str, Any]:
    also = [{"to": sms.to} for sms in result.got.also]
    return {"reply": result.got.reply, **({"also": also} if also else {})}
