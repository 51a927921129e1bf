"""Lists the carriers, one file each, and finds those that other packages bring.

A package brings one by an entry point of the group `smsgw.carriers`, whose name is the carrier's
and whose object is its settings, a CarrierSettings.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress

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
PLUG_INS = "smsgw.carriers"


def find(name: str) -> type[CarrierSettings]:
    """Returns the settings of a carrier. Raises ValueError, with what is wrong."""
    if name in MODELS:
        return MODELS[name]
    # Looked for only here: it takes as long as a command that needs none.
    from importlib.metadata import entry_points

    plug_ins = entry_points(group=PLUG_INS)
    if name not in plug_ins.names:
        *others, last = map(repr, (*MODELS, *sorted(plug_ins.names - MODELS.keys())))
        raise ValueError(f"Input should be {', '.join(others)} or {last}")
    try:
        model = plug_ins[name].load()
    except Exception as error:
        raise ValueError(f"the plug-in {name} cannot be loaded ({error!r})") from error
    if not (isinstance(model, type) and issubclass(model, CarrierSettings)):
        raise ValueError(f"the plug-in {name} names no CarrierSettings")
    return model


def models(in_use: Iterable[str]) -> Mapping[str, type[CarrierSettings]]:
    """Returns the settings of our carriers, and of the plug-ins in use that `find` finds."""
    made = dict(MODELS)
    for name in (each.strip() for each in in_use):
        if name and name not in made:
            with suppress(ValueError):
                made[name] = find(name)
    return made


def build(in_use: Iterable[str], settings: Mapping[str, CarrierSettings]) -> dict[str, Carrier]:
    """Returns those in use by name; the simulator always, since `smsgw say` speaks through it."""
    return {name: settings[name].build() for name in (DEFAULT, *in_use)}
