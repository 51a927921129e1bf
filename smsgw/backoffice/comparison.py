"""Compares what two configurations would answer. Nothing is stored or sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from grammar import Command, Misread
from handlers import decision
from handlers.changes import SetLanguage
from handlers.decision import Decided, Inquiry
from handlers.ports import Ledger
from handlers.question import Caller, Outcome, Reply
from handlers.values import Verbatim
from smsgw import gsm7
from smsgw.configuration import compiler
from smsgw.configuration.compiler import Configuration
from smsgw.messaging import composer, inbox

TEXTS_REMEMBERED, LOOK_UPS_REMEMBERED = 5_000, 50_000
A_CASE = "ADU-251031-0042"  # in place of the number that a case would be given


@dataclass(frozen=True, slots=True)
class ComparedAnswer:
    """Holds what one configuration would answer."""

    keyword: str | None
    outcome: Outcome
    wording: str = ""  # "" for silence
    language: str = ""
    text: str = ""

    @property
    def segments(self) -> int:
        return gsm7.count(self.text).segments if self.text else 0


class Comparison:
    """Compares the answers of two configurations, `was` and `becomes`."""

    def __init__(
        self,
        was: Configuration,
        becomes: Configuration,
        ledger: Ledger,
        now: datetime,
        unused_for: timedelta,
    ) -> None:
        self.was, self.becomes = was, becomes
        self._ledger, self._now = CachedLedger(ledger), now
        self._unused_for = unused_for
        self._call_centre = composer.call_centre(ledger)
        # Without an open question a decision depends on what was read, and on these alone.
        self._decide_alike = was.usage == becomes.usage and was.made == becomes.made
        self._word_alike = (
            was.wordings == becomes.wordings
            and was.budgets == becomes.budgets
            and was.terms == becomes.terms
        )
        self._read = lru_cache(TEXTS_REMEMBERED)(self._parse)

    def is_answered_alike(self, text: str) -> bool:
        """Tells whether both answer alike whoever sends the text, without asking the ledger."""
        return self._word_alike and self._is_decided_alike(text)

    def answers(
        self, message_id: int, text: str, caller: Caller, language: str
    ) -> tuple[ComparedAnswer, ComparedAnswer] | None:
        """Returns both answers to a phone with no question open; None if they are the same. Raises
        LedgerDown."""
        one, other = self._read(text)
        was = becomes = self._decide(self.was, one, text, caller)
        if not self._is_decided_alike(text):
            becomes = self._decide(self.becomes, other, text, caller)
        elif was.reply is None or self._is_worded_alike(was.reply, language):
            return None
        answered = (
            self._render(self.was, was, message_id, language),
            self._render(self.becomes, becomes, message_id, language),
        )
        return answered if answered[0] != answered[1] else None

    def _parse(self, text: str) -> tuple[Command | Misread, Command | Misread]:
        return self.was.grammar.parse(text), self.becomes.grammar.parse(text)

    def _is_decided_alike(self, text: str) -> bool:
        was, becomes = self._read(text)
        return self._decide_alike and was == becomes

    def _is_worded_alike(self, reply: Reply, language: str) -> bool:
        language, was, becomes = _reply_language(reply, language), self.was, self.becomes
        return (
            was.wording(reply.wording, language) == becomes.wording(reply.wording, language)
            and was.budget(reply.wording) == becomes.budget(reply.wording)
            and _terms(was, reply, language) == _terms(becomes, reply, language)
        )

    def _decide(
        self, by: Configuration, parsed: Command | Misread, text: str, caller: Caller
    ) -> Decided:
        inquiry = Inquiry(by, parsed, text, caller)
        return decision.decide(inquiry, self._ledger, self._now, self._unused_for)

    def _render(
        self, by: Configuration, decided: Decided, message_id: int, language: str
    ) -> ComparedAnswer:
        reply, keyword = decided.reply, decided.said.keyword
        if reply is None:
            return ComparedAnswer(keyword, Outcome.SILENT)
        language = _reply_language(reply, language)
        everywhere = {"call_centre": self._call_centre, "ref": inbox.reference(message_id)}
        values = {"number": Verbatim(A_CASE), **reply.values, **everywhere}
        text = by.text(reply.wording, values, language)
        return ComparedAnswer(keyword, reply.outcome, reply.wording, language, text)


class CachedLedger:
    """Asks the ledger the same question only once: it is somebody's database."""

    def __init__(self, ledger: Ledger) -> None:
        remembered = lru_cache(LOOK_UPS_REMEMBERED)
        self.participant = remembered(ledger.participant)
        self.participants_of = remembered(ledger.participants_of)
        self.balance = remembered(ledger.balance)
        self.last_contribution = remembered(ledger.last_contribution)
        self.paid_in = remembered(ledger.paid_in)
        self.pension_months = remembered(ledger.pension_months)
        self.programs = remembered(ledger.programs)
        self.claims = remembered(ledger.claims)
        self.offices = ledger.offices
        self.rates = ledger.rates
        self.contact = ledger.contact


@lru_cache(maxsize=4)
def configuration(text: str, day: date) -> Configuration:
    """Returns what was published or drafted, as of a day. Raises KeywordsError."""
    return compiler.load_published(text, day)


def _terms(by: Configuration, reply: Reply, language: str) -> Mapping[str, str] | None:
    return by.terms.get(by.language_of(reply.wording, language))


def _reply_language(reply: Reply, language: str) -> str:
    """Returns the language that the reply sets, or the one before."""
    return next(
        (each.language for each in reply.changes if isinstance(each, SetLanguage)), language
    )
