"""Defines the format of transcripts: conversations, and what must come of each step.

A file is one world: a ledger, a clock, what is known of some phones, and conversations that each
start from that same state. Each key is described here; `docs/testing.md` has an example of each.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from smsgw.backoffice.casework import RejectionWording
from smsgw.transcripts.values import (
    OFFICER_REASONS,
    QUESTIONS,
    REASONS,
    REFUSALS,
    Case,
    Digits,
    Instant,
    Keyword,
    Nkp,
    OutcomeName,
    Part,
    Pattern,
    Phone,
    ReasonName,
    Said,
    Sender,
    Span,
    Text,
    one_of,
)

Language = Literal["id", "en", "jv", "su"]  # of replies
BETWEEN_MESSAGES = timedelta(seconds=20)
MAX_DAYS = 3650
NUMBERS_OF_1_2 = re.compile(r"[-+]?\.?[0-9][0-9_.]*([eE][-+]?[0-9]+)?$|0o[0-7]+$")
OFFICER_ACTS = ("look", "accept", "refuse", "answer", "erase", "hand_out", "announce")
NULLABLE = {"keyword", "reason", "reply", "open", "on_file"}  # keys for which null says something


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Also(Model):
    """A further message that a step queues."""

    to: Phone = Field(description="Who gets it.")
    reply: Text | None = Field(None, description="Its exact text; {ref} and {code} are holes.")
    contains: tuple[Part, ...] = Field((), description="What it holds, in these capitals.")
    lacks: tuple[Part, ...] = Field((), description="What it does not hold.")
    count: int | None = Field(None, ge=0, description="How many such messages there are.")


class State(Model):
    """What is known of a phone after a step."""

    bound: tuple[Nkp, ...] = Field((), description="The NKPs it may ask for.")
    locked: bool = Field(False, description="Too many identities that are not linked to it.")
    language: Language = Field("id", description="Of its replies.")
    stopped: bool = Field(False, description="It said STOP.")
    open: Annotated[Text, AfterValidator(one_of(QUESTIONS, "question"))] | None = Field(
        None,
        description="The question that waits for its answer; null for none.",
        json_schema_extra={"enum": [*QUESTIONS, None]},
    )
    cases: int = Field(0, ge=0, description="Its open complaints and data requests.")


class Answer(Model):
    """What an answer has to be; every key is optional, and all that are there have to fit."""

    keyword: Keyword | None = None
    outcome: OutcomeName | None = None
    reason: ReasonName | None = Field(None, description="Why it is silent; null for no reason.")
    reply: Text | None = Field(
        None, description="The exact text; {ref} and {code} are holes; null where it is silent."
    )
    contains: tuple[Part, ...] = Field((), description="What the reply holds, in these capitals.")
    lacks: tuple[Part, ...] = Field((), description="What the reply does not hold.")
    matches: Pattern | None = Field(None, description="A regular expression on the reply.")
    max_segments: int | None = Field(None, ge=1, description="How many SMS it takes at most.")
    same_reply_as: int | None = Field(
        None, ge=1, description="The number of a step with the same reply; all steps count, from 1."
    )
    also: tuple[Also, ...] = Field(
        (), description="Further messages that the step queues; [] for none."
    )
    state: State | None = Field(None, description="Of the phone that wrote, afterwards.")

    @property
    def is_empty(self) -> bool:
        return not self.model_fields_set


class Expectation(Answer):
    """What has to come of a step."""

    any: tuple[Answer, ...] = Field(
        (), description="Several right answers: one fits as a whole.", min_length=1
    )
    never: tuple[Answer, ...] = Field(
        (), description="Dangerous answers: none may fit as a whole.", min_length=1
    )

    @model_validator(mode="after")
    def _has_no_empty_answer(self) -> "Expectation":
        if any(each.is_empty for each in (*self.any, *self.never)):
            raise ValueError("any and never hold answers that say something")
        return self


class Officer(Model):
    """What an officer does about a registration that waits, a complaint or a request about data, or
    announces."""

    look: Digits | None = Field(None, description="Looks at the registration for this NKP.")
    accept: Digits | None = Field(None, description="Accepts the registration for this NKP.")
    refuse: Digits | None = Field(None, description="Refuses the registration for this NKP.")
    answer: Case | None = Field(None, description="Answers the complaint, and closes it.")
    erase: Case | None = Field(None, description="Carries out the data request.")
    hand_out: Case | None = Field(
        None,
        description="Makes the copy for the access request, after another officer has approved.",
    )
    announce: Part | None = Field(
        None, description="Announces this to all who asked to be notified of their balance."
    )
    text: Part | None = Field(None, description="What the officer answers.")
    sender: Phone | None = Field(
        None, alias="from", description="The phone that wants to be registered."
    )
    by: Part = Field("petugas", description="The officer's name.")
    because: Annotated[Text, AfterValidator(one_of(REFUSALS, "wording"))] = Field(
        RejectionWording.VISIT.value,
        description="Which wording a refusal has.",
        json_schema_extra={"enum": [*REFUSALS]},
    )

    @model_validator(mode="after")
    def _does_one_thing(self) -> "Officer":
        if sum(getattr(self, name) is not None for name in OFFICER_ACTS) != 1:
            raise ValueError(f"has one of {', '.join(OFFICER_ACTS)}")
        if (self.answer is None) != (self.text is None):
            raise ValueError("answer and text go together")
        return self

    @property
    def nkp(self) -> str:
        return self.look or self.accept or self.refuse or ""


ACTIONS = (
    "sender",
    "wait",
    "days",
    "ledger",
    "carrier",
    "number_on_file",
    "officer",
    "report",
    "publish",
    "publish_ledger",
)
# Of what is no message there is no reply to look at.
WITHOUT_REPLY = {"also", "state"}


class Step(Model):
    """One thing that happens: a message, or what the world does."""

    sender: Sender | None = Field(None, alias="from", description="The phone that writes.")
    text: Said | None = Field(
        None,
        description="What it writes; =echo is our last reply to it, =code the last code sent.",
    )
    gap: Span | None = Field(None, description="Time before this message instead of 20s.")
    at: Instant | None = Field(None, description="When this message comes, instead of after 20s.")
    wait: Span | None = Field(None, description="Time goes by, and work that is due is done.")
    days: int | None = Field(
        None, ge=1, le=MAX_DAYS, description="Days go by, each with its work, retention included."
    )
    ledger: Literal["up", "down"] | None = Field(
        None, description="The participant ledger goes away or comes back."
    )
    carrier: Literal["up", "down"] | None = Field(
        None, description="The carrier goes away, so that replies wait, or comes back."
    )
    number_on_file: dict[Nkp, Phone | None] | None = Field(
        None, min_length=1, description="NKP to its new number in the ledger; null for none."
    )
    officer: Officer | None = None
    report: Literal["sent", "delivered", "undelivered"] | None = Field(
        None, description="What the carrier reports of the last reply."
    )
    publish: Part | None = Field(
        None, description="Keywords from this file, beside the transcript, answer from now on."
    )
    publish_ledger: Part | None = Field(
        None, description="The ledger holds what this folder of CSV files beside it holds."
    )
    expect: Expectation = Field(default_factory=lambda: Expectation())

    @property
    def action(self) -> str:
        """Returns its key: "message", "wait", …"""
        name = next(name for name in ACTIONS if getattr(self, name) is not None)
        return "message" if name == "sender" else name

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Step":
        done = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(done) != 1:
            names = ", ".join(["from", *ACTIONS[1:]])
            raise ValueError(f"a step has one of {names}")
        if (self.sender is None) != (self.text is None):
            raise ValueError("from and text go together")
        if self.gap is not None and self.at is not None:
            raise ValueError("has gap or at, not both")
        if self.sender is None and (self.gap is not None or self.at is not None):
            raise ValueError("gap and at are for messages; time alone goes by with wait")
        return self

    @model_validator(mode="after")
    def _expects_what_can_come(self) -> "Step":
        may = WITHOUT_REPLY | ({"reason"} if self.officer else set())
        wrong = sorted(self.expect.model_fields_set - may)
        if self.sender is None and wrong:
            problem = f"only a message has {', '.join(wrong)}"
            raise ValueError(f"{problem}; this step may expect {', '.join(sorted(may))}")
        reasons = REASONS if self.sender is not None else OFFICER_REASONS
        if self.expect.reason is not None and self.expect.reason not in reasons:
            raise ValueError(f"reason is one of {', '.join(reasons)} here")
        return self


class Conversation(Model):
    name: Part
    kind: Part | None = Field(None, description="Agreement is told by kind.")
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _checks_something(self) -> "Conversation":
        if all(step.expect.is_empty for step in self.steps):
            raise ValueError("this conversation checks nothing; give a step an expect")
        return self


class Binding(Model):
    """An NKP that a phone may ask for."""

    nkp: Nkp
    on_file: Phone | None = Field(None, description="The number on file when it was bound.")
    unused: Span | None = Field(None, description="For how long it was not used.")


class Start(Model):
    """What is known of a phone before the first step."""

    stopped: bool = False
    language: Language = "id"
    locked: bool = Field(False, description="It named three identities just now.")
    bindings: tuple[Binding, ...] = ()


class Settings(Model):
    timezone: Part | None = Field(None, description="SMSGW_TIMEZONE, such as Asia/Jayapura.")
    countries: tuple[Part, ...] | None = Field(None, description='Calling codes, such as "62".')
    holidays: tuple[Part, ...] | None = Field(None, description='Days, such as "2026-03-20".')


class Transcript(Model):
    """A transcript: conversations with the SMS responder, and what must come of each step."""

    title: Text = ""
    now: Instant = Field(description="The clock before the first step.")
    registered: dict[Phone, tuple[Nkp, ...]] = Field(
        default_factory=dict, description="Phone to the NKPs that are bound to it, with consent."
    )
    starts: dict[Phone, Start] = Field(
        default_factory=dict, description="What else is known of phones before the first step."
    )
    ledger: Part | None = Field(None, description="Folder of CSV files, beside this one.")
    keywords: Part | None = Field(None, description="File of keywords, beside this one.")
    settings: Settings = Field(default_factory=lambda: Settings())
    conversations: tuple[Conversation, ...] = Field(min_length=1)


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.2 alone takes for a number, too."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBERS_OF_1_2, [*"-+.0123456789"])


def dumps(document: Mapping[str, Any]) -> str:
    """Writes a transcript as YAML."""
    written: str = yaml.dump(
        document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100_000
    )
    return written
