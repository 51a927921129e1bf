"""Shows the shape of a value, and never the value: it may be somebody's."""

import re

LONGEST = 32
SHORT = 3  # identifies nobody
BEGINNING = 4  # of a phone, where its form shows: 0812, +628, 021-


def shape(value: object, *, keeps_beginning: bool = False) -> str:
    """Writes 0812-3456-7890 as ****-****-****, or as 0812-****-****, and 0 as it is."""
    written = " ".join(str(value).split())
    if len(written) <= SHORT:
        return repr(written)
    kept = BEGINNING if keeps_beginning else 0
    kept = kept if re.fullmatch(r"[0-9+() -]*", written[:kept]) and len(written) > kept else 0
    rest = re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "*", written[kept:]))
    whole = written[:kept] + rest
    return repr(whole if len(whole) <= LONGEST else whole[:LONGEST] + "…")


def word(value: object, rows: int) -> str:
    """Writes what stands in several rows, or is as short as a code, as it is."""
    written = str(value)
    is_code = not re.search(r"\d{4}", written) and len(written) <= LONGEST
    return repr(written) if is_code and (rows > 1 or len(written) <= SHORT) else shape(written)
