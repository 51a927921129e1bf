"""Tells the channels apart that a carrier serves beside SMS, by what stands before an address:
whatsapp:+62812… or rcs:agent, as Twilio writes them."""

from collections.abc import Collection

SMS = "sms"
OTHERS = ("whatsapp", "rcs")


def channel_of(address: str) -> str:
    """Returns the channel of an address, ours or a phone's."""
    channel, _, _ = address.partition(":")
    return channel if channel in OTHERS else SMS


def number_of(address: str, answered: Collection[str]) -> str:
    """Returns the number of who writes by a channel that is answered, and any other address as it
    is: that is no phone's."""
    return address.partition(":")[2] if channel_of(address) in answered else address


def on_channel_of(ours: str, number: str) -> str:
    """Returns the address of a phone on the channel that a message came by: that of our own
    address."""
    channel = channel_of(ours)
    return number if channel == SMS else f"{channel}:{number}"


def known_channels(value: tuple[str, ...]) -> tuple[str, ...]:
    """Raises ValueError for others."""
    if not set(OTHERS).issuperset(value):
        raise ValueError(f"is a list of {' and '.join(OTHERS)}")
    return value
