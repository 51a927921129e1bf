import pytest

from smsgw.console import rendering


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1234567, "1.234.567"), (99.94, "99,9"), (1.0, "1"), (0.125, "0,12"), (None, "–")],
)
def test_numbers_are_written_as_in_indonesia(value: float | None, shown: str) -> None:
    assert rendering.number(value) == shown


def test_money_shares_and_spans() -> None:
    assert rendering.rupiah(1_250_000.4) == "Rp1.250.000"
    assert rendering.percent(1, 8) == "12,5%"
    assert rendering.percent(1, 0) == "–"
    assert rendering.seconds(0.25) == "250 ms"
    assert rendering.seconds(61.25) == "61,2 s"
    assert rendering.seconds(None) == "–"


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/console/messages/?kind=balance", "/console/messages/?kind=balance"),
        ("https://elsewhere.example/console/", ""),
        ("//elsewhere.example/console/", ""),
        ("/console/\\elsewhere.example", ""),
        ("/healthz", ""),
        (None, ""),
    ],
)
def test_only_a_page_of_the_console_is_local(address: str | None, page: str) -> None:
    assert rendering.local(address) == page
