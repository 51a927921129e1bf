"""Lists the carriers, one file each."""

from collections.abc import Iterable, Mapping

from smsgw.carriers import kannel, simulator, twilio
from smsgw.carriers.carrier import Carrier, CarrierSettings
from smsgw.carriers.http_api import carrier as http_api

MODELS: Mapping[str, type[CarrierSettings]] = {
    "simulator": simulator.SimulatorSettings,
    "twilio": twilio.TwilioSettings,
    "kannel": kannel.KannelSettings,
    "http": http_api.HttpSettings,
}


DEFAULT = "simulator"


def build(in_use: Iterable[str], settings: Mapping[str, CarrierSettings]) -> dict[str, Carrier]:
    """Returns those in use by name; the simulator always, since `smsgw say` speaks through it."""
    return {name: settings[name].build() for name in (DEFAULT, *in_use)}
