"""Reads environment variables: their values, which may lie in files, and names that nobody knows.

NAME_FILE is the path of a file that holds the value of NAME.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Set
from difflib import get_close_matches
from pathlib import Path

FILE = "_FILE"
LONGEST = 16_384  # octets of a file
OURS = ("SMSGW_", "TWILIO_", "KANNEL_")
OF_TESTS = ("SMSGW_TEST_", "SMSGW_REQUIRE_")
OF_TWILIO = frozenset({"TWILIO_REGION", "TWILIO_EDGE"})  # its package reads them
LIKE = 0.6  # from 0 to 1: how near a name must be to be meant
UNSEEN = "\ufeff\u200b\u200e\u200f\u2060"  # what editors and web pages leave around a value
# Kubernetes sets these in each pod, for each service that has such a name.
OF_A_SERVICE = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_[A-Z]+(_\w+)?)")
A_SERVICES_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*", re.DOTALL)


def read(names: Set[str], environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns all variables that have a value, and what is wrong with those of `names`."""
    files = {each + FILE for each in names}
    values = {name: held for name, held in environ.items() if name not in names | files}
    faults = {}
    for name in sorted(names):
        try:
            held = value(name, environ)
            if not held.isprintable():
                raise ValueError("holds a line break, or another character that cannot be seen")
        except ValueError as error:
            faults[name] = str(error)
        else:
            values |= {name: held} if held else {}
    return values, faults


def value(name: str, environ: Mapping[str, str]) -> str:
    """Returns what NAME or the file of NAME_FILE says, or "". Raises ValueError, which says what to
    do."""
    given, path = strip(environ.get(name, "")), strip(environ.get(name + FILE, ""))
    if given and path:
        raise ValueError(f"is given twice; unset {name} or {name}{FILE}")
    if not path:
        return given
    try:
        return _content(Path(path))
    except OSError as error:
        raise ValueError(f"{name}{FILE} names {path}, which {_reason(error)}") from None
    except ValueError as error:
        raise ValueError(f"{name}{FILE} names {path}, which {error}") from None


def strip(text: str) -> str:
    """Removes what a file or a paste left around a value."""
    return text.strip().strip(UNSEEN).strip()


def exposed(names: Iterable[str], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields NAME_FILE and its path for each file that every user of this machine can read."""
    for name in names:
        path = strip(environ.get(name + FILE, ""))
        if path and _is_open_to_all(Path(path).absolute()):
            yield name + FILE, path


def unknown(environ: Mapping[str, str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yields (variable, what to do) for each variable that is named like ours and that nobody
    reads: it may be misspelt."""
    names = {each + suffix for each in known for suffix in ("", FILE)} | OF_TWILIO
    for name, held in environ.items():
        if name.upper().startswith(OURS) and name not in names and not name.startswith(OF_TESTS):
            yield name, _remedy(name, held, names)


def _content(path: Path) -> str:
    """Raises OSError, or ValueError for content that is no value."""
    if not path.is_absolute():
        raise ValueError("is no whole path; begin it with /")
    # A pipe without a writer would otherwise wait, and what it holds can be read once only.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
        mode = os.fstat(opened.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError("is no file")
        if mode & stat.S_IWOTH:
            raise ValueError("everybody on this machine may change; run chmod o-w on it")
        octets = opened.read(LONGEST + 1)
    if len(octets) > LONGEST:
        raise ValueError(f"holds more than {LONGEST:,} octets; it is to hold the value alone")
    try:
        content = strip(octets.decode())
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8; save it as UTF-8") from None
    if not content:
        raise ValueError("is empty; write the value into it, or unset the variable")
    return content


def _reason(error: OSError) -> str:
    """Says who cannot read the file: often its permissions are another user's."""
    return f"cannot be read ({error.strerror}) by user {os.geteuid()}; check path and permissions"


def _is_open_to_all(path: Path) -> bool:
    try:
        may_read = path.stat().st_mode & stat.S_IROTH
        return bool(may_read) and all(
            each.stat().st_mode & stat.S_IXOTH for each in path.resolve().parents
        )
    except OSError:
        return False  # `value` says so


def _remedy(name: str, held: str, names: Iterable[str]) -> str:
    is_of_a_service = OF_A_SERVICE.fullmatch(name) or (
        name.endswith("_PORT") and A_SERVICES_ADDRESS.fullmatch(held)
    )
    if is_of_a_service:
        return "was set by Kubernetes for a service; set enableServiceLinks: false in the pod"
    near = _nearest(name.upper(), sorted(names))
    return f"is no setting; did you mean {near}?" if near else "is no setting; unset it"


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """Compares without the prefix, which makes all names alike; the same prefix comes first."""
    prefix, rest = _parts(name)
    by_rest = {_parts(each)[1]: each for each in names}
    own = {_parts(each)[1]: each for each in names if _parts(each)[0] == prefix}
    for candidates in (own, by_rest):
        if found := get_close_matches(rest, candidates, 1, LIKE):
            return candidates[found[0]]
    return None


def _parts(name: str) -> tuple[str, str]:
    prefix = next((each for each in OURS if name.startswith(each)), "")
    return prefix, name.removeprefix(prefix)
