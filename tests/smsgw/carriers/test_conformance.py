"""Every carrier of ours conforms, a plug-in that does so is used as one of ours, and what does not
conform is named."""

import socket
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from smsgw import runtime, settings
from smsgw.app import create_app
from smsgw.carriers import conformance
from smsgw.carriers.carrier import (
    Acknowledgement,
    Carrier,
    CarrierRecord,
    CarrierSettings,
    Delivery,
    Ending,
    Forged,
    IncomingSms,
    Malformed,
    OutgoingSms,
    Reads,
    Report,
    Route,
    SendError,
    WebhookRequest,
    lacking,
)
from smsgw.carriers.conformance import Examples
from smsgw.carriers.kannel import Kannel, KannelSettings
from smsgw.carriers.twilio import Twilio, TwilioSettings, signature
from smsgw.storage import migrations
from smsgw.storage.tables.messages import messages
from smsgw.variables import SettingsError, variable
from tests.conftest import KEY, P1
from tests.support.twilio_api import ALL_CARRIERS

LIMITS = (1.0, 0.5)
SMS = OutgoingSms(7, "+6281234567890", "2757", "Saldo JHT")
PUBLIC = ALL_CARRIERS["SMSGW_PUBLIC_URL"]


def twilio(address: str) -> Twilio:
    return Twilio(
        settings.load(ALL_CARRIERS | {"TWILIO_API_BASE": address}).of(TwilioSettings), LIMITS
    )


def kannel(address: str) -> Kannel:
    made = settings.load(ALL_CARRIERS | {"KANNEL_SENDSMS_URL": f"{address}/cgi-bin/sendsms"})
    return Kannel(made.of(KannelSettings), LIMITS)


def http(file: Path, address: str) -> Carrier:
    mine = {"SMSGW_HTTP_CARRIER": str(file), "INFOBIP_HOST": urlsplit(address).netloc}
    return settings.load(ALL_CARRIERS | mine).of_carriers["http"].build()


def signed(path: str, query: str = "", **form: str) -> WebhookRequest:
    pairs = tuple(form.items())
    made = signature("token", PUBLIC + path + (f"?{query}" if query else ""), pairs)
    return WebhookRequest(path, query, {"x-twilio-signature": made}, pairs)


def basic(query: str) -> WebhookRequest:
    password = "Basic " + b64encode(b"kannel:twelve-letters").decode()
    return WebhookRequest("/in/kannel", query, {"authorization": password}, ())


TEXT = {"MessageSid": "SM1", "From": SMS.recipient, "To": "2757", "Body": "SALDO"}
OF_TWILIO = Examples(
    build=twilio,
    messages=[
        (
            signed("/in/twilio", **TEXT),
            [IncomingSms("twilio", "SM1", SMS.recipient, "2757", "SALDO")],
        )
    ],
    reports=[
        (
            signed("/in/twilio/status", "out=7", MessageSid="SM2", MessageStatus="delivered"),
            [Report("twilio", 7, Delivery.DELIVERED, "SM2")],
        )
    ],
    forged=[replace(signed("/in/twilio", **TEXT), form=(("Body", "SALDO 1"),))],
    malformed=[signed("/in/twilio", MessageSid="SM1")],
    sms=SMS,
)
OF_KANNEL = Examples(
    build=kannel,
    messages=[
        (
            basic("id=f0&from=%2B6281234567890&to=2757&text=SALDO&charset=UTF-8"),
            [IncomingSms("kannel", "f0", SMS.recipient, "2757", "SALDO")],
        )
    ],
    reports=[(basic("out=7&type=1"), [Report("kannel", 7, Delivery.DELIVERED)])],
    forged=[replace(basic("id=f0"), headers={"authorization": "Basic eDp5"})],
    malformed=[basic("id=f0")],
    sms=SMS,
)
KEYED = "key=twelve-letters"
JSON = b'{"results": [{"messageId": "M1", "from": "6281234567890", "to": "2757", "text": "SALDO"}]}'
REPORTED = b"""{"results": [{"messageId": "M2", "callbackData": "7",
 "status": {"groupName": "DELIVERED"}, "error": {"id": 0}}]}"""
OF_HTTP = Examples(
    build=kannel,  # as the test puts it right
    messages=[
        (
            WebhookRequest("/in/http", KEYED, {"content-type": "application/json"}, (), JSON),
            [IncomingSms("http", "M1", SMS.recipient, "2757", "SALDO")],
        )
    ],
    reports=[
        (
            WebhookRequest("/in/http/status", KEYED, {}, (), REPORTED),
            [Report("http", 7, Delivery.DELIVERED, "M2")],
        )
    ],
    forged=[WebhookRequest("/in/http", "key=another", {}, (), JSON)],
    malformed=[WebhookRequest("/in/http", KEYED, {}, (), b'{"results": [{}]}')],
    sms=SMS,
)


@dataclass(frozen=True)
class Pigeon:
    """Is a carrier of another package: it knows its secret, and is cut off from the world."""

    address: str
    name: str = "pigeon"
    default_sender_id: str = "2757"
    routes: tuple[Route, ...] = (
        Route("pigeon", ("POST",), Reads.MESSAGES, Acknowledgement(), "A message."),
    )
    ending: Ending = Ending.RETRY

    def verify(self, request: WebhookRequest) -> None:
        if request.headers.get("x-secret") != "ours":
            raise Forged

    def read_messages(self, request: WebhookRequest) -> Sequence[IncomingSms]:
        form = dict(request.form)
        if not form.get("from"):
            raise Malformed("from is needed")
        return [IncomingSms("pigeon", "1", form["from"], "2757", form.get("text", ""))]

    def read_reports(self, request: WebhookRequest) -> Sequence[Report]:
        return []

    def send(self, sms: OutgoingSms) -> str | None:
        with socket.socket() as line:
            try:
                line.connect(("127.0.0.1", urlsplit(self.address).port or 0))
            except ConnectionError:
                raise SendError(Ending.RETRY, "no line") from None
        raise SendError(Ending.UNKNOWN, "no answer")

    def find(self, sms: OutgoingSms) -> Sequence[CarrierRecord] | None:
        return None

    def misconfigured(self) -> str | None:
        return None


class PigeonSettings(CarrierSettings):
    loft: str | None = variable("PIGEON_LOFT", None, "address of the loft")

    def faults(self) -> Iterator[tuple[str, str]]:
        yield from lacking({"PIGEON_LOFT": self.loft}, "pigeon")

    def build(self) -> Pigeon:
        return Pigeon(self.loft or "")


SECRET = {"x-secret": "ours"}
ASKED = WebhookRequest("/in/pigeon", "", SECRET, (("from", P1), ("text", "SALDO")))
OF_PIGEON = Examples(
    build=Pigeon,
    messages=[(ASKED, [IncomingSms("pigeon", "1", P1, "2757", "SALDO")])],
    reports=[(replace(ASKED, path="/in/pigeon/status"), [])],
    forged=[replace(ASKED, headers={"x-secret": "theirs"})],
    malformed=[replace(ASKED, form=(("text", "SALDO"),))],
    sms=SMS,
)


@pytest.mark.parametrize("examples", [OF_TWILIO, OF_KANNEL, OF_PIGEON])
def test_a_carrier_that_does_what_is_asked_conforms(examples: Examples) -> None:
    assert list(conformance.faults(examples)) == []


def test_the_http_carrier_conforms(tmp_path: Path) -> None:
    """In the clear: of an address that speaks no TLS it is sure that nothing was sent."""
    file = tmp_path / "carrier.yaml"
    file.write_text(Path(ALL_CARRIERS["SMSGW_HTTP_CARRIER"]).read_text().replace("https:", "http:"))
    examples = replace(OF_HTTP, build=partial(http, file))
    assert list(conformance.faults(examples)) == []


class Trusting(Pigeon):
    def verify(self, request: WebhookRequest) -> None:
        pass


class Suspicious(Pigeon):
    def verify(self, request: WebhookRequest) -> None:
        raise Forged


class Careless(Pigeon):
    def read_messages(self, request: WebhookRequest) -> Sequence[IncomingSms]:
        return [IncomingSms("pigeon", "1", dict(request.form)["from"], "2757", "SALDO")]


class Deaf(Pigeon):
    def read_messages(self, request: WebhookRequest) -> Sequence[IncomingSms]:
        super().read_messages(request)
        return []


class Talkative(Pigeon):
    def send(self, sms: OutgoingSms) -> str | None:
        raise SendError(Ending.RETRY, sms.recipient)


class Boastful(Pigeon):
    def send(self, sms: OutgoingSms) -> str | None:
        return "1"


class Breaking(Pigeon):
    def send(self, sms: OutgoingSms) -> str | None:
        raise ConnectionError

    def find(self, sms: OutgoingSms) -> Sequence[CarrierRecord] | None:
        raise TimeoutError


def route(path: str, method: str = "POST", status: int = 200) -> tuple[Route, ...]:
    return (Route(path, (method,), Reads.MESSAGES, Acknowledgement(status), "A message."),)


@pytest.mark.parametrize(
    ("build", "fault"),
    [
        (Trusting, "verify accepts"),
        (Suspicious, "verify raises Forged for"),
        (Careless, "read_messages raises KeyError for"),
        (Careless, "read_messages accepts"),
        (Deaf, "read_messages returns [], not"),
        (Talkative, "the error of send holds the recipient or the text"),
        (Talkative, "send ends as retry where there is no answer, not as unknown"),
        (Boastful, "send returns where there is no connection"),
        (Breaking, "send raises ConnectionError where there is no answer, not SendError"),
        (Breaking, "find raises TimeoutError where there is no connection, not SendError"),
        (partial(Pigeon, name="Pigeon post"), "its name 'Pigeon post' is not"),
        (partial(Pigeon, default_sender_id=""), "its default_sender_id is empty"),
        (partial(Pigeon, routes=()), "no route receives messages"),
        (partial(Pigeon, routes=route("twilio")), "the route twilio does not begin with"),
        (partial(Pigeon, routes=route("pigeon", "PUT")), "the route pigeon has other methods"),
        (
            partial(Pigeon, routes=route("pigeon", status=302)),
            "the route pigeon acknowledges with 302",
        ),
    ],
)
def test_what_a_carrier_does_wrong_is_named(build: Callable[[str], Carrier], fault: str) -> None:
    found = list(conformance.faults(replace(OF_PIGEON, build=build)))
    assert any(each.startswith(fault) for each in found), found


def test_what_else_a_send_raises_is_named_once_each() -> None:
    assert len(list(conformance.faults(replace(OF_PIGEON, build=Breaking)))) == 4


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Installs a package with one entry point."""

    def install(name: str, target: str) -> None:
        info = tmp_path / "sms_pigeon-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sms-pigeon\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[smsgw.carriers]\n{name} = {target}\n")
        monkeypatch.syspath_prepend(tmp_path)

    return install


ENVIRON = {"SMSGW_CARRIER": "pigeon", "PIGEON_LOFT": "http://127.0.0.1:9"}
OURS = f"{__name__}:PigeonSettings"


def test_a_plug_in_is_a_carrier_like_ours(
    package: Callable[[str, str], None], tmp_path: Path
) -> None:
    package("pigeon", OURS)
    own = {"SMSGW_HOME": str(tmp_path), "SMSGW_SECRET_KEY": KEY}
    loaded = settings.load(own | ENVIRON)
    assert ("PIGEON_LOFT", "http://127.0.0.1:9", "address of the loft") in settings.rows(loaded)
    with closing(runtime.build(loaded)) as rt, create_app(rt).test_client() as client:
        migrations.upgrade(rt.service, "service")
        migrations.upgrade(rt.ledger.engine, "ledger")
        sent = client.post("/in/pigeon", data={"from": P1, "text": "INFO"}, headers=SECRET)
        assert sent.status_code == 200
        with rt.reading() as tx:
            stored = tx.connection.execute(select(messages.c.carrier)).scalars().all()
    assert stored == ["pigeon"]


def test_a_plug_ins_settings_are_checked(package: Callable[[str, str], None]) -> None:
    package("pigeon", OURS)
    with pytest.raises(SettingsError, match="PIGEON_LOFT: is needed with SMSGW_CARRIER=pigeon"):
        settings.load({"SMSGW_CARRIER": "pigeon"})


@pytest.mark.parametrize(
    ("name", "target", "why"),
    [
        ("pigeon", "sms_pigeon:Settings", "the plug-in pigeon cannot be loaded .*sms_pigeon"),
        ("pigeon", f"{__name__}:Pigeon", "the plug-in pigeon names no CarrierSettings"),
        ("dove", OURS, "must be 'simulator', 'twilio', 'kannel', 'http' or 'dove'"),
    ],
)
def test_a_plug_in_that_cannot_be_used_says_why(
    package: Callable[[str, str], None], name: str, target: str, why: str
) -> None:
    package(name, target)
    with pytest.raises(SettingsError, match=f"SMSGW_CARRIER: {why}"):
        settings.load(ENVIRON)
