"""Decides what a notification tells, from what the ledger holds at the moment it is sent.

It is no answer to anybody, and so no use of a binding: a phone that has not asked for long is only
told that something changed, and how to ask.
"""

from datetime import date

from handlers import iuran
from handlers.changes import NotificationKind
from handlers.data import HOLES
from handlers.klaim import REFUSED
from handlers.placeholders import own_words
from handlers.ports import Claim, Ledger, Participant
from handlers.question import Outcome, Reply
from handlers.values import MaskedNkp, Month, Term, Terms, Value, Verbatim

WORDINGS = {
    "balance": ("nkp", "as_of", "total", "off"),
    "contribution": ("nkp", "month", "off"),
    "claim": ("nkp", "program", "claim", "stage", "updated", "off"),
    "claim_refused": ("nkp", "program", "claim", "updated", "why", "off"),
    "data": ("nkp", "holes", "off"),
    "status": ("nkp", "status", "since", "why", "off"),
    "changed": ("nkp", "ask", "off"),
    "announcement": ("announcement", "off"),
}
OF_KIND = {
    NotificationKind.BALANCE: ("balance", "changed"),
    NotificationKind.CONTRIBUTION: ("contribution", "changed"),
    NotificationKind.CLAIM: ("claim", "claim_refused", "changed"),
    NotificationKind.DATA: ("data", "changed"),
    NotificationKind.STATUS: ("status", "changed"),
}
LONGEST_ANNOUNCEMENT = 125  # characters; with how to stop it is one SMS
PLACEHOLDERS = {
    "off": own_words("NOTIF OFF", width=9),
    "ask": own_words("SALDO", width=6),
    "announcement": own_words("Kantor cabang tutup 1-2 Januari.", width=LONGEST_ANNOUNCEMENT),
}
SECTION = "notification"
ALWAYS = frozenset({"off"})  # the clause that shows it has room in every wording
OFF = Verbatim("NOTIF OFF")
ASK = {
    NotificationKind.BALANCE: "SALDO",
    NotificationKind.CONTRIBUTION: "IURAN",
    NotificationKind.CLAIM: "KLAIM",
    NotificationKind.DATA: "DATA",
    NotificationKind.STATUS: "STATUS",
}
LOOKS_UP = {
    NotificationKind.BALANCE: "balance",
    NotificationKind.CONTRIBUTION: "last_contribution",
    NotificationKind.CLAIM: "claims",
    NotificationKind.DATA: "participant",
    NotificationKind.STATUS: "participant",
}
MOST_ARREARS = 3  # months; whoever has not paid for longer is not told every month for ever


def tell(
    kind: NotificationKind,
    ledger: Ledger,
    participant: Participant,
    today: date,
    claim: Claim | None = None,
) -> Reply | None:
    """Returns what is told now; None where there is nothing to tell any more. `claim`: the one that
    moved. Raises LedgerDown."""
    match kind:
        case NotificationKind.BALANCE:
            return _balance(ledger, participant, today)
        case NotificationKind.CONTRIBUTION:
            return _contribution(ledger, participant, today)
        case NotificationKind.CLAIM:
            return _claim(participant, claim) if claim else None
        case NotificationKind.DATA:
            return _data(participant)
        case NotificationKind.STATUS:
            return _status(participant)


def changed(kind: NotificationKind, nkp: str) -> Reply:
    """Tells only that there is news, and how to ask for it."""
    values: dict[str, Value] = {"nkp": MaskedNkp(nkp), "ask": Verbatim(ASK[kind])}
    return _reply("changed", values, shows=(nkp,))


def announcement(text: str) -> Reply:
    return _reply("announcement", {"announcement": Verbatim(text)})


def unpaid_month(today: date) -> date:
    """Returns the last month whose contribution should have been paid by now."""
    month = iuran.later(today, -1)
    return month if iuran.due(month) < today else iuran.later(month, -1)


def is_unpaid(last: date | None, today: date) -> bool:
    """Tells whether a contribution is missing that was due, of somebody who paid of late."""
    month = unpaid_month(today)
    return last is not None and iuran.later(month, -MOST_ARREARS) <= last < month


def holes(participant: Participant) -> tuple[str, ...]:
    return tuple(shown for field, shown in HOLES.items() if getattr(participant, field) is None)


def _balance(ledger: Ledger, participant: Participant, today: date) -> Reply | None:
    row = ledger.balance(participant.nkp, today)
    if row is None or row.total is None:
        return None
    values: dict[str, Value] = {
        "nkp": MaskedNkp(participant.nkp),
        "as_of": row.as_of,
        "total": row.total,
    }
    return _reply("balance", values, about=participant.nkp)


def _contribution(ledger: Ledger, participant: Participant, today: date) -> Reply | None:
    is_due = is_unpaid(ledger.last_contribution(participant.nkp), today)
    if not is_due or participant.status != iuran.ACTIVE:
        return None
    values: dict[str, Value] = {
        "nkp": MaskedNkp(participant.nkp),
        "month": Month(unpaid_month(today)),
    }
    return _reply("contribution", values, about=participant.nkp)


def _claim(participant: Participant, claim: Claim) -> Reply:
    values: dict[str, Value] = {
        "nkp": MaskedNkp(participant.nkp),
        "program": claim.program,
        "claim": f"***{claim.claim_no[-4:]}",
        "updated": claim.updated_on,
    }
    if claim.stage == REFUSED:
        why = Term(claim.note) if claim.note else None
        return _reply("claim_refused", {**values, "why": why}, about=participant.nkp)
    stage = Term(claim.stage) if claim.stage else None
    return _reply("claim", {**values, "stage": stage}, about=participant.nkp)


def _data(participant: Participant) -> Reply | None:
    lacking = holes(participant)
    values: dict[str, Value] = {"nkp": MaskedNkp(participant.nkp), "holes": Terms(lacking)}
    return _reply("data", values, about=participant.nkp) if lacking else None


def _status(participant: Participant) -> Reply | None:
    if participant.status is None:
        return None
    values: dict[str, Value] = {
        "nkp": MaskedNkp(participant.nkp),
        "status": Term(participant.status),
        "since": participant.status_since,
        "why": Term(participant.status_reason) if participant.status_reason else None,
    }
    return _reply("status", values, about=participant.nkp)


def _reply(
    name: str,
    values: dict[str, Value],
    *,
    about: str | None = None,
    shows: tuple[str, ...] = (),
) -> Reply:
    return Reply(Outcome.ANSWERED, f"{SECTION}.{name}", values, about=about, shows=shows)
