import pytest

from smsgw.carriers import channels


@pytest.mark.parametrize(
    ("address", "channel"),
    [
        ("+6281234567890", "sms"),
        ("2757", "sms"),
        ("whatsapp:+6281234567890", "whatsapp"),
        ("rcs:agent", "rcs"),
        ("INFO:BPJS", "sms"),
        ("", "sms"),
    ],
)
def test_an_address_tells_its_channel(address: str, channel: str) -> None:
    assert channels.channel_of(address) == channel


def test_only_a_channel_that_is_answered_gives_a_number() -> None:
    assert channels.number_of("whatsapp:+6281234567890", ("whatsapp",)) == "+6281234567890"
    assert channels.number_of("whatsapp:+6281234567890", ("rcs",)) == "whatsapp:+6281234567890"
    assert channels.number_of("INFO:BPJS", ("whatsapp",)) == "INFO:BPJS"


def test_a_reply_is_addressed_on_the_channel_of_our_address() -> None:
    assert channels.on_channel_of("whatsapp:+15005550006", "+628") == "whatsapp:+628"
    assert channels.on_channel_of("2757", "+628") == "+628"
