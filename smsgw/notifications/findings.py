"""Compares what participants were last told with what the ledger holds now.

What was told is kept as a keyed digest: it shows that something changed, and not what it was.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date

from handlers import notification
from handlers.changes import NotificationKind
from handlers.ports import Claim, Ledger, LookUpFailed

CLAIM_OCTETS = 8  # of a claim's name, and as many of its stage
MOST_CLAIMS = 20  # of a participant
Digest = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class News:
    """Holds something to tell, once in `period`. `about`: which claim moved, as a digest."""

    period: str
    about: bytes | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Says what there is to tell a participant, and what counts as told from now on; None where
    nothing is remembered."""

    news: tuple[News, ...] = ()
    digest: bytes | None = None


def look(
    kind: NotificationKind, nkp: str, told: bytes | None, ledger: Ledger, today: date, hash_: Digest
) -> Finding | None:
    """Returns None where the ledger holds nothing that can be read. `told`: the digest of before;
    who has none is told of what changes from now on. Raises LedgerDown."""
    try:
        match kind:
            case NotificationKind.BALANCE | NotificationKind.STATUS:
                return _changed(told, _text(kind, nkp, ledger, today), today, hash_)
            case NotificationKind.CLAIM:
                return _moved(told, ledger.claims(nkp), today, hash_)
            case NotificationKind.CONTRIBUTION:
                return _unpaid(ledger.last_contribution(nkp), today)
            case NotificationKind.DATA:
                return _incomplete(nkp, ledger, today)
    except LookUpFailed:
        return None


def without(digest: bytes | None, again: Collection[bytes | None]) -> bytes | None:
    """Returns a digest without what may not count as told. None where nothing of it does."""
    if digest is None or None in again:
        return None
    size = 2 * CLAIM_OCTETS
    each = (digest[at : at + size] for at in range(0, len(digest), size))
    return b"".join(one for one in each if one[:CLAIM_OCTETS] not in again) if again else digest


def claim_of(about: bytes, claims: Sequence[Claim], hash_: Digest) -> Claim | None:
    return next((each for each in claims if _name(each, hash_) == about), None)


def _text(kind: NotificationKind, nkp: str, ledger: Ledger, today: date) -> str | None:
    if kind is NotificationKind.BALANCE:
        row = ledger.balance(nkp, today)
        return (
            None if row is None or row.total is None else f"{nkp}:balance:{row.total.normalize()}"
        )
    participant = ledger.participant(nkp)
    status = participant.status if participant else None
    return f"{nkp}:status:{status}" if status else None


def _changed(told: bytes | None, text: str | None, today: date, hash_: Digest) -> Finding | None:
    if text is None:
        return None
    digest = hash_(text)
    is_news = told is not None and told != digest
    return Finding((News(today.isoformat()),) if is_news else (), digest)


def _moved(told: bytes | None, claims: Sequence[Claim], today: date, hash_: Digest) -> Finding:
    now = {_name(each, hash_): _name(each, hash_) + _stage(each, hash_) for each in claims}
    if told is None:
        return Finding((), b"".join(now.values()))
    size = 2 * CLAIM_OCTETS
    before = [told[at : at + size] for at in range(0, len(told), size)]
    news = tuple(
        News(f"{today.isoformat()}.{name.hex()[:8]}", name)
        for name, whole in now.items()
        if whole not in before
    )
    # A claim that is gone while a ledger is filled anew is no news when it is back.
    gone = [each for each in before if each[:CLAIM_OCTETS] not in now]
    return Finding(news, b"".join([*now.values(), *gone][:MOST_CLAIMS]))


def _unpaid(last: date | None, today: date) -> Finding:
    is_news = notification.is_unpaid(last, today)
    period = f"{notification.unpaid_month(today):%Y-%m}"
    return Finding((News(period),) if is_news else ())


def _incomplete(nkp: str, ledger: Ledger, today: date) -> Finding:
    participant = ledger.participant(nkp)
    is_news = participant is not None and bool(notification.holes(participant))
    return Finding((News(str(today.year)),) if is_news else ())


def _name(claim: Claim, hash_: Digest) -> bytes:
    return hash_(f"claim:{claim.claim_no}")[:CLAIM_OCTETS]


def _stage(claim: Claim, hash_: Digest) -> bytes:
    return hash_(f"claim:{claim.claim_no}:{claim.stage}")[:CLAIM_OCTETS]
