"""Messages that operators look at."""

from itertools import count

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.runtime import Runtime


def say(rt: Runtime, sender: str, text: str) -> None:
    sms = IncomingSms("simulator", f"m-{next(_references)}", sender, "2757", text)
    assert responder.respond(rt, sms)


_references = count()
