"""Compares what came of a step with what was expected of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from smsgw import gsm7
from smsgw.configuration.wording import REFERENCE_ALPHABET, REFERENCE_LENGTH
from smsgw.registry.registration_codes import CODE_LENGTH, CODE_LETTERS
from smsgw.transcripts.format import Also, Answer, Expectation, State

HOLES: Mapping[str, str] = {
    "{ref}": f"[{REFERENCE_ALPHABET}]{{{REFERENCE_LENGTH}}}",
    "{code}": f"[{CODE_LETTERS}]{{{CODE_LENGTH}}}",
}
VERDICT = ("keyword", "outcome", "reason")
DANGER = "never"  # the key of differences that are dangers


@dataclass(frozen=True, slots=True)
class FurtherSms:
    """Holds what another phone gets, or this one later."""

    to: str
    text: str
    wording: str | None = None


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """Holds what came of a step. `reply` is None if there is none."""

    keyword: str | None = None
    outcome: str | None = None
    reason: str | None = None
    reply: str | None = None
    wording: str | None = None  # that the reply is made of
    also: tuple[FurtherSms, ...] = ()
    state: State | None = None  # where it is asked for
    failure: str | None = None  # why the step could not be done

    @property
    def segments(self) -> int:
        return gsm7.count(self.reply).segments if self.reply else 0


@dataclass(frozen=True, slots=True)
class Mismatch:
    """`text` is a sentence; `expected` and `got` are there where two texts can be compared."""

    key: str
    text: str
    expected: str | None = None
    got: str | None = None

    def __str__(self) -> str:
        return self.text


def compare(
    expected: Expectation, got: StepOutcome, before: Sequence[StepOutcome]
) -> tuple[Mismatch, ...]:
    """Yields the differences. `before`: what came of the steps before, for same_reply_as."""
    if got.failure is not None:
        return (Mismatch("step", got.failure),)
    return (
        *_answer(expected, got, before),
        *_any(expected, got, before),
        *_never(expected, got, before),
    )


def fits(expected: Answer, got: StepOutcome, before: Sequence[StepOutcome]) -> bool:
    return not any(_answer(expected, got, before))


def is_text(expected: str | None, got: str | None) -> bool:
    """Tells whether a reply is the one expected, with its holes."""
    if expected is None or got is None:
        return expected is got
    return expected == got or _pattern(expected).fullmatch(got) is not None


def _answer(
    expected: Answer, got: StepOutcome, before: Sequence[StepOutcome]
) -> Iterator[Mismatch]:
    given = expected.model_fields_set
    for key in VERDICT:
        wanted, came = getattr(expected, key), getattr(got, key)
        if key in given and wanted != came:
            yield Mismatch(key, f"{key}: expected {_display(wanted)}, got {_display(came)}")
    if "reply" in given and not is_text(expected.reply, got.reply):
        sentence = f"reply: expected {expected.reply!r}, got {got.reply!r}"
        yield Mismatch("reply", sentence, expected.reply, got.reply)
    if expected.same_reply_as:
        other = before[expected.same_reply_as - 1].reply
        if other != got.reply:
            sentence = (
                f"same_reply_as: step {expected.same_reply_as} had {other!r}, got {got.reply!r}"
            )
            yield Mismatch("same_reply_as", sentence, other, got.reply)
    yield from _parts(expected, got)
    if "also" in given:
        yield from _also(expected.also, got.also)
    if expected.state is not None and got.state is not None:
        yield from _state(expected.state, got.state)


def _parts(expected: Answer, got: StepOutcome) -> Iterator[Mismatch]:
    reply = got.reply or ""
    for part in expected.contains:
        if part not in reply:
            yield Mismatch(
                "contains", f"contains: {part!r} is not in {got.reply!r}{_case(part, reply)}"
            )
    for part in expected.lacks:
        if part in reply:
            yield Mismatch("lacks", f"lacks: {part!r} is in {got.reply!r}")
    if expected.matches is not None and not re.search(expected.matches, reply):
        yield Mismatch("matches", f"matches: {expected.matches!r} is not in {got.reply!r}")
    if expected.max_segments is not None and got.segments > expected.max_segments:
        sentence = f"max_segments: expected {expected.max_segments}, got {got.segments}"
        yield Mismatch("max_segments", sentence)


def _also(expected: Sequence[Also], got: Sequence[FurtherSms]) -> Iterator[Mismatch]:
    if not expected:
        for sms in got:
            yield Mismatch("also", f"also: nobody else should get anything, {_sms(sms)}")
    for each in expected:
        to_it = [sms for sms in got if sms.to == each.to]
        fitting = [sms for sms in to_it if _is_such(each, sms)]
        if each.count is not None and len(fitting) != each.count:
            sentence = f"also: expected {each.count} such SMS to {each.to}, got {len(fitting)}"
            yield Mismatch("also", sentence)
        elif each.count is None and not fitting:
            came = "; ".join(map(_sms, to_it)) or f"{each.to} got nothing"
            nearest = to_it[0].text if len(to_it) == 1 else None
            sentence = f"also: {_expected_sms(each)}, {came}"
            yield Mismatch("also", sentence, each.reply, nearest)


def _is_such(expected: Also, sms: FurtherSms) -> bool:
    is_reply = "reply" not in expected.model_fields_set or is_text(expected.reply, sms.text)
    return (
        is_reply
        and all(part in sms.text for part in expected.contains)
        and not any(part in sms.text for part in expected.lacks)
    )


def _expected_sms(expected: Also) -> str:
    wanted = [f"reply {expected.reply!r}"] if expected.reply is not None else []
    wanted += [f"contains {part!r}" for part in expected.contains]
    wanted += [f"lacks {part!r}" for part in expected.lacks]
    return f"expected an SMS to {expected.to}{': ' if wanted else ''}{', '.join(wanted)}"


def _state(expected: State, got: State) -> Iterator[Mismatch]:
    for key in sorted(expected.model_fields_set):
        wanted, came = getattr(expected, key), getattr(got, key)
        if key == "bound":
            wanted, came = sorted(wanted), sorted(came)
        if wanted != came:
            yield Mismatch(
                "state", f"state: {key}: expected {_display(wanted)}, got {_display(came)}"
            )


def _any(
    expected: Expectation, got: StepOutcome, before: Sequence[StepOutcome]
) -> Iterator[Mismatch]:
    if not expected.any or any(fits(each, got, before) for each in expected.any):
        return
    nearest = min(expected.any, key=lambda each: len([*_answer(each, got, before)]))
    differences = "; ".join(map(str, _answer(nearest, got, before)))
    yield Mismatch(
        "any", f"any: none of {len(expected.any)} answers fits; the nearest: {differences}"
    )


def _never(
    expected: Expectation, got: StepOutcome, before: Sequence[StepOutcome]
) -> Iterator[Mismatch]:
    for each in expected.never:
        if fits(each, got, before):
            what = each.model_dump(exclude_unset=True, mode="json")
            danger = ", ".join(f"{key} {_display(value)}" for key, value in what.items())
            yield Mismatch(
                DANGER, f"never: DANGER, this must not come: {danger}; got {got.reply!r}"
            )


def _case(part: str, reply: str) -> str:
    return " (in other capitals it is)" if part.casefold() in reply.casefold() else ""


def _sms(sms: FurtherSms) -> str:
    return f"{sms.to} got {sms.text!r}"


def _display(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(map(str, value))}]"
    return str(value)


@lru_cache(maxsize=4096)
def _pattern(expected: str) -> re.Pattern[str]:
    holes = re.split(f"({'|'.join(map(re.escape, HOLES))})", expected)
    return re.compile("".join(HOLES.get(part, re.escape(part)) for part in holes))
