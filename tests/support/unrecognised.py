"""Makes messages that are not recognised."""

from collections.abc import Callable
from itertools import count

import pytest

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.runtime import Runtime

# The same by several, once with a name, a number, a story that is one person's.
DUIT = (
    "BERAPA DUIT GUE",
    "duit gue berapa sih",
    "Duit gue brp ya min?",
    "tolong cek duit gue pak",
    "duit gue Wulandari",
)
numbers = count(10_000_000)


def phone() -> str:
    return f"+62812{next(numbers)}"


@pytest.fixture
def wrote(rt: Runtime) -> Callable[..., None]:
    def written(*texts: str, by: str = "") -> None:
        for text in texts:
            sms = IncomingSms("simulator", str(next(numbers)), by or phone(), "2757", text)
            assert responder.respond(rt, sms)

    return written


Wrote = Callable[..., None]
