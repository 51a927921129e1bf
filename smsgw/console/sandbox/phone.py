"""Shows a feature phone: what the service would answer with the published version or the draft."""

import json
import re
from dataclasses import astuple, dataclass
from typing import Any

from flask import Blueprint, flash, make_response, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from smsgw import gsm7, phone
from smsgw.backoffice import notifications
from smsgw.backoffice.accounts import Permission
from smsgw.configuration import versions
from smsgw.configuration.compiler import Configuration
from smsgw.configuration.document import KeywordsError
from smsgw.console import access, reasons
from smsgw.console.menu import Tab
from smsgw.console.reasons import NamesSomebody, NoReason
from smsgw.console.rendering import _, is_htmx, page
from smsgw.ledger import demo
from smsgw.registry import phone_state
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.transcripts import library, recorder, sandbox
from smsgw.transcripts.library import NotSaved
from smsgw.transcripts.recorder import Elsewhere, Personal
from smsgw.transcripts.sandbox import (
    LONGEST_SENDER,
    LONGEST_TEXT,
    MOST_STEPS,
    WAITS,
    Busy,
    NoDraft,
    SandboxConversation,
    SandboxStep,
    Slow,
)
from smsgw.transcripts.values import CODE

FICTITIOUS_PHONE = "+6284 000 000 001"  # the phone that a form begins with: nobody has it
PUBLISHED, DRAFT = "published", "draft"
A_WORD = re.compile("[A-Z]{2,}")
KEYS = {
    "1": ". , #",
    "2": "ABC",
    "3": "DEF",
    "4": "GHI",
    "5": "JKL",
    "6": "MNO",
    "7": "PQRS",
    "8": "TUV",
    "9": "WXYZ",
    "*": "+",
    "0": "_",
    "#": "T9",
}

blueprint = Blueprint("tryout", __name__, url_prefix="/try")
TAB = Tab(blueprint, "Phone")
Answer = str | Response | tuple[str, int]


class SandboxRefused(Exception):
    """Its text tells the operator why; the second argument is the status."""


@dataclass(frozen=True, slots=True)
class SandboxForm:
    """Holds the form: the conversation so far, and the next text."""

    steps: tuple[SandboxStep, ...] = ()
    sender: str = ""
    text: str = ""
    wait: str = ""
    which: str = PUBLISHED
    reason: str = ""
    code: str = ""  # that stood on the screen when the text was typed

    @property
    def next(self) -> SandboxStep:
        """Writes "=code" for the code: another run sends another one."""
        text = self.text
        if self.code:
            text = re.sub(re.escape(self.code), CODE, text, flags=re.IGNORECASE)
        return SandboxStep(self.sender, text, self.wait)

    @property
    def dumped_steps(self) -> str:
        return json.dumps([astuple(step) for step in self.steps])


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    is_demo = access.rt().settings.demo
    return _page(SandboxForm(sender=demo.people()[0]["phone"] if is_demo else FICTITIOUS_PHONE))


@blueprint.post("/")
@access.needs(Permission.LOOK)
def say() -> Answer:
    """Changes nothing but the audit, where somebody's own is shown."""
    asked = _form()
    try:
        steps = _with_next(asked)
        talk = _play(steps, asked)
    except SandboxRefused as refused:
        error, status = refused.args
        # htmx shows no answer but a good one, and the words have to be seen.
        return _page(asked, error=error), 200 if is_htmx() else status
    answered_form = SandboxForm(steps, asked.sender, "", "", asked.which, asked.reason)
    answer = make_response(_page(answered_form, talk))
    if not talk.subjects and not _of_somebody(steps):
        answer.headers["Cache-Control"] = "private, no-cache"  # so that Back shows it again
    return answer


@blueprint.post("/keep")
@access.needs(Permission.DRAFT)
def save() -> Answer:
    asked = _form()
    try:
        if not asked.steps:
            raise SandboxRefused(_("Send a message first."), 400)
        talk = _play(asked.steps, asked)
    except SandboxRefused as refused:
        error, status = refused.args
        return _page(asked, error=error), status
    try:
        number = _save(talk, asked)
    except SandboxRefused as refused:
        error, status = refused.args
        return _page(asked, talk, error=error), status
    flash(_("The conversation is saved."))
    return redirect(url_for("console.kept.one", number=number), 303)


def _save(talk: SandboxConversation, asked: SandboxForm) -> int:
    rt = access.rt()
    try:
        name = library.valid_name(request.form.get("name", ""))
        text = recorder.write(rt, name, talk, _configuration(asked.which))
        with rt.writing() as tx:
            return library.save(tx, name, text, access.operator().actor)
    except Personal:
        error = _(
            "Not saved: it may contain personal data. Use +6284 numbers and reference people."
        )
        raise SandboxRefused(error, 400) from None
    except Elsewhere as other:
        error = _(
            "Not saved: on the reference ledger this message gets another reply: {message}",
            message=other,
        )
        raise SandboxRefused(error, 409) from None
    except NotSaved:
        raise SandboxRefused(_("A name must have 1 to 80 characters."), 400) from None


def _form() -> SandboxForm:
    form = request.form
    return SandboxForm(
        steps=_steps(form.get("steps", "[]")),
        sender=form.get("sender", "").strip(),
        text=form.get("text", ""),
        wait=form.get("wait", ""),
        which=DRAFT if form.get("which") == DRAFT else PUBLISHED,
        reason=" ".join(form.get("reason", "").split()),
        code=form.get("code", ""),
    )


def _steps(written: str) -> tuple[SandboxStep, ...]:
    try:
        steps = tuple(SandboxStep(*each) for each in json.loads(written))
        "".join(part for step in steps for part in astuple(step)).encode()  # all is text
    except (ValueError, TypeError, RecursionError):
        raise BadRequest from None
    if not all(map(_is_step, steps)) or len(steps) > MOST_STEPS:
        raise BadRequest
    return steps


def _is_step(step: SandboxStep) -> bool:
    fits = len(step.sender) <= LONGEST_SENDER and len(step.text) <= LONGEST_TEXT
    return fits and step.wait in WAITS


def _with_next(asked: SandboxForm) -> tuple[SandboxStep, ...]:
    if not 1 <= len(asked.sender) <= LONGEST_SENDER:
        raise SandboxRefused(
            _("Enter the sender's number, such as {phone}.", phone=FICTITIOUS_PHONE), 400
        )
    if not asked.text.strip() or len(asked.text) > LONGEST_TEXT or asked.wait not in WAITS:
        raise SandboxRefused(_("A message must have 1 to 1,000 characters."), 400)
    if len(asked.steps) >= MOST_STEPS:
        raise SandboxRefused(_("A test conversation can have up to 20 messages. Start over."), 400)
    return (*asked.steps, asked.next)


def _of_somebody(steps: tuple[SandboxStep, ...]) -> list[str]:
    """Returns the senders that may be real phones."""
    return [
        step.sender for step in steps if not sandbox.is_fictitious_sender(access.rt(), step.sender)
    ]


def _play(steps: tuple[SandboxStep, ...], asked: SandboxForm) -> SandboxConversation:
    """Raises Refused."""
    rt = access.rt()
    real = _of_somebody(steps)
    if real and not access.may(Permission.HELP):
        error = _("Your role can only use numbers that begin with +6284, which belong to nobody.")
        raise SandboxRefused(error, 403)
    if real:
        _reason()
    try:
        talk = sandbox.run(rt, steps, _configuration(asked.which))
    except Busy:
        raise SandboxRefused(_("The database is busy or unavailable. Try again."), 503) from None
    except Slow:
        raise SandboxRefused(_("The ledger is too slow. Try again later."), 503) from None
    if real:
        _note(real, talk)
    return talk


def _reason() -> str:
    try:
        return reasons.required_reason()
    except NoReason:
        error = _("This may be a real person's number. Enter a reason of at least 3 characters.")
        raise SandboxRefused(error, 400) from None
    except NamesSomebody:
        raise SandboxRefused(_("Enter a reason without personal data"), 400) from None


def _configuration(which: str) -> Configuration:
    try:
        return sandbox.configuration(access.rt(), of_draft=which == DRAFT)
    except NoDraft:
        raise SandboxRefused(_("There is no draft. Choose the published version."), 409) from None
    except KeywordsError as error:
        told_why = _("The draft cannot answer yet: {why}", why=str(error))
        raise SandboxRefused(told_why, 409) from None


def _note(real: list[str], talk: SandboxConversation) -> None:
    """Records, before anything is shown, whose phone was tried and which participants were
    disclosed."""
    numbers = dict.fromkeys(filter(None, map(phone.e164, real)))
    with access.rt().writing() as tx:
        noted: list[dict[str, Any]] = [
            {"phone_id": phone_state.read(tx, number).phone_id or None} for number in numbers
        ]
        for each in (*noted, *({"subject": subject} for subject in talk.subjects)):
            audit.note(
                tx, Act.LOOKED, access.operator().actor, detail=f"try-out: {_reason()}", **each
            )


def _before(asked: SandboxForm) -> SandboxConversation:
    """Returns what stood on the screen, unless it may not any more."""
    try:
        return _play(asked.steps, asked) if asked.steps else SandboxConversation()
    except SandboxRefused:
        return SandboxConversation()


def _vocabulary(configuration: Configuration) -> list[str]:
    """Returns what people type most, for the keypad to guess."""
    words = (word for usage in configuration.usage.values() for word in A_WORD.findall(usage))
    return list(dict.fromkeys(words))


def _page(
    asked: SandboxForm, talk: SandboxConversation | None = None, error: str | None = None
) -> str:
    rt = access.rt()
    talk = talk or _before(asked)
    with rt.reading() as tx:
        has_draft = versions.draft(tx) is not None
    return page(
        "sandbox/_phone.html" if is_htmx() else "sandbox/phone.html",
        asked=asked,
        talk=talk,
        count=gsm7.count,
        cost=rt.settings.segment_rupiah,
        has_draft=has_draft,
        is_anybodys=lambda sender: sandbox.is_fictitious_sender(rt, sender),
        people=demo.people() if rt.settings.demo else (),
        vocabulary=" ".join(_vocabulary(rt.configuration)),
        keys=KEYS,
        sender_id=rt.default_carrier.default_sender_id,
        is_part=is_htmx(),
        switched={each.kind: each for each in notifications.states(rt)},
        refusal=error,
    )
