"""The carriers, one file each."""

from smsgw.carriers.carrier import Carrier
from smsgw.carriers.kannel import Kannel
from smsgw.carriers.simulator import Simulator
from smsgw.carriers.twilio import Twilio
from smsgw.settings import Settings


def build(settings: Settings) -> dict[str, Carrier]:
    """Those in use by name; the simulator always, since `smsgw say` speaks through it."""
    carriers: dict[str, Carrier] = {"simulator": Simulator()}
    if "twilio" in settings.carriers:
        carriers["twilio"] = Twilio(settings)
    if "kannel" in settings.carriers:
        carriers["kannel"] = Kannel(settings)
    return carriers
