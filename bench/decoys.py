"""Decoys in numbers: when a scan of 10,000 NKPs is noticed, and how often slips of typing raise the
same alarm. Prints the tables of docs/operations.md; the same seed gives the same tables.

Density is the share of decoys among the numbers that somebody tries, and among those that a slip
leads to.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import log
from random import Random

from smsgw.registry.lockout import DECOY_PHONES, DECOYS_OF_A_PHONE

SEED = 20251031
DENSITIES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)

SCANS = 2_000
SCANNED = 10_000  # numbers, within a day
PHONES = (1, 3, 10, 100, 3_334)  # the last: three numbers each, which locks a phone
NEVER = "no"

YEARS = 10
PARTICIPANTS = (100_000, 1_000_000, 10_000_000)
NAMED_IN_A_YEAR = 4  # times that a participant types an NKP
SLIPS = 0.01  # of these, with a slip
SLIPS_AGAIN = 0.1  # of those who had one, and try again
SWAPPED = 0.2  # of slips, two digits that stand side by side; the others are one wrong digit
ISSUED = range(19_000_000_000, 20_000_000_000)  # decoys lie among them
DAY = 1 / 365


def noticed_after(chance: Random, density: float, phones: int) -> int | None:
    """Returns how many numbers a scan has tried when the alarm is raised; its phones take turns."""
    met: dict[int, int] = {}
    tried = 0
    while (tried := tried + _gap(chance, density)) <= SCANNED:
        phone = tried % phones
        met[phone] = met.get(phone, 0) + 1
        if met[phone] >= DECOYS_OF_A_PHONE or len(met) >= DECOY_PHONES:
            return tried
    return None


def _gap(chance: Random, density: float) -> int:
    """Returns the distance from one decoy to the next."""
    return int(log(1 - chance.random()) / log(1 - density)) + 1


def scan_figures(chance: Random, density: float, phones: int) -> str:
    """Returns the median and the 95th percentile."""
    found = [noticed_after(chance, density, phones) for _ in range(SCANS)]
    ordered = sorted(SCANNED + 1 if each is None else each for each in found)
    shares = (ordered[SCANS // 2], ordered[SCANS * 95 // 100])
    return " / ".join(f"{each:,}" if each <= SCANNED else NEVER for each in shares)


def mistyped(chance: Random, nkp: str) -> str:
    digits = list(nkp)
    differing = [at for at, (one, next_) in enumerate(pairwise(digits)) if one != next_]
    if differing and chance.random() < SWAPPED:
        at = chance.choice(differing)
        digits[at], digits[at + 1] = digits[at + 1], digits[at]
    else:
        at = chance.randrange(len(digits))
        digits[at] = chance.choice([digit for digit in "0123456789" if digit != digits[at]])
    return "".join(digits)


def slips(chance: Random, participants: int) -> Iterator[tuple[float, list[float]]]:
    """Yields when somebody mistypes, in years, and for each of their wrong numbers the density from
    which it is a decoy. It begins with the first number that is a decoy at the highest density;
    those before are decoys at none."""
    most = max(DENSITIES)
    have_one = most / (1 - SLIPS_AGAIN * (1 - most))
    a_year = participants * NAMED_IN_A_YEAR * SLIPS * have_one
    at = 0.0
    while (at := at + chance.expovariate(a_year)) < YEARS:
        limits = [chance.uniform(0, most)]
        while chance.random() < SLIPS_AGAIN:
            limits.append(chance.random())
        nkp = str(chance.choice(ISSUED))
        yield at, [limit for limit in limits if int(mistyped(chance, nkp)) in ISSUED]


def false_alarms(typed: Sequence[tuple[float, list[float]]], density: float) -> tuple[float, float]:
    """Returns the false alarms in a year: of one phone, and of ten phones within a day, at most one
    a day."""
    of_one = of_many = 0
    recent: deque[float] = deque()
    quiet_until = 0.0
    for at, limits in typed:
        met = sum(limit < density for limit in limits)
        if not met:
            continue
        of_one += met >= DECOYS_OF_A_PHONE
        recent.append(at)
        while recent[0] <= at - DAY:
            recent.popleft()
        if len(recent) >= DECOY_PHONES and at >= quiet_until:
            of_many += 1
            quiet_until = at + DAY
    return of_one / YEARS, of_many / YEARS


def scans() -> Iterator[str]:
    chance = Random(SEED)
    yield from _head("density", *(_phones(each) for each in PHONES))
    for density in DENSITIES:
        yield _row(f"{density:.1%}", *(scan_figures(chance, density, each) for each in PHONES))


def alarms() -> Iterator[str]:
    chance = Random(SEED)
    yield from _head("density", *(f"{each:,} participants" for each in PARTICIPANTS))
    typed = [list(slips(chance, each)) for each in PARTICIPANTS]
    for density in DENSITIES:
        found = [false_alarms(each, density) for each in typed]
        yield _row(f"{density:.1%}", *(f"{one:.1f} / {many:.1f}" for one, many in found))


def _phones(number: int) -> str:
    return "1 phone" if number == 1 else f"{number:,} phones"


def _head(*names: str) -> tuple[str, str]:
    return _row(*names), _row(*("---" for _ in names))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    print(f"A scan of {SCANNED:,} numbers is noticed after so many, median / 95 %:\n")
    print(*scans(), sep="\n")
    print("\nFalse alarms a year, of one phone / of ten phones:\n")
    print(*alarms(), sep="\n")


if __name__ == "__main__":
    main()
