"""A service that does not answer, in every way in which it may not, is told apart as a database is;
what it answers wrongly is told to nobody."""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from handlers.ports import LedgerDown, LookUpFailed, LookUpWaits
from smsgw import http_client
from smsgw.ledger.batch_ledger import BatchLedger, NotFetched
from smsgw.ledger.faults import CONNECTING, FaultKind, LookUpFault
from smsgw.ledger.http_ledger import AT_ONCE
from smsgw.ledger.service_client import Credentials, signature
from smsgw.ledger.service_protocol import BY_NUMBER
from smsgw.runtime import Runtime
from tests.conftest import P1, P1_NKP, P2_NKP
from tests.support.conversation import say
from tests.support.ledger_service import (
    TOKEN,
    LedgerService,
    ledger_of,
    ledger_service,
)
from tests.support.waiting import LONGEST, eventually

LIMIT, LONGER = 0.4, 30.0  # seconds
API = yaml.load(
    (Path(__file__).parents[3] / "docs" / "ledger-api.yaml").read_text(), yaml.CSafeLoader
)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def service(rt: Runtime) -> Iterator[LedgerService]:
    with ledger_service(rt.ledger.engine) as made:
        yield made


def fault(ledger: Any) -> LookUpFault:
    """Returns why the balance is not told."""
    with pytest.raises(LedgerDown):
        ledger.balance(P1_NKP, date.max)
    (found,) = [fault for _, fault in ledger._faults.values()]
    return found


def rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["answers"]["balance"]["rows"]
    return found


def changed(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    def change(document: dict[str, Any]) -> Any:
        for row in rows(document):
            row |= fields
        return document

    return change


def without(field: str) -> Callable[[dict[str, Any]], Any]:
    def change(document: dict[str, Any]) -> Any:
        for row in rows(document):
            del row[field]
        return document

    return change


def becomes(value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda _document: value


STATUSES = {
    302: (CONNECTING, FaultKind.REFUSED, "set LEDGER_URL to where the service is"),
    400: ("balance", FaultKind.REFUSED, "400"),
    401: (CONNECTING, FaultKind.REFUSED, "check LEDGER_API_SECRET"),
    403: (CONNECTING, FaultKind.REFUSED, "check LEDGER_API_SECRET"),
    404: (CONNECTING, FaultKind.REFUSED, "the address before /look-ups"),
    429: ("balance", FaultKind.SLOW, "429"),
    500: ("balance", FaultKind.REFUSED, "500"),
    502: ("balance", FaultKind.AWAY, "502"),
    503: ("balance", FaultKind.AWAY, "503"),
    504: ("balance", FaultKind.SLOW, "504"),
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_says_what_is_wrong(service: LedgerService, status: int) -> None:
    service.status, service.headers = status, {"Location": service.url + "/elsewhere"}
    found = fault(ledger_of(service))
    name, kind, says = STATUSES[status]
    assert (found.name, found.kind) == (name, kind)
    assert says in str(found)
    assert len(service.requests) == 1  # nothing is followed, nothing repeated


@pytest.mark.parametrize(
    ("how", "kind"),
    [("stall", FaultKind.SLOW), ("drip", FaultKind.SLOW), ("cut", FaultKind.AWAY)],
)
def test_an_answer_that_does_not_come_whole(
    service: LedgerService, how: str, kind: FaultKind
) -> None:
    service.answers = [how] * 2
    started = time.monotonic()
    found = fault(ledger_of(service, limit=LIMIT))
    assert (found.name, found.kind) == ("balance", kind)
    assert time.monotonic() - started < LONGER / 3  # what is stalled or drips would take that


def test_a_lost_connection_closes_all_look_ups(service: LedgerService) -> None:
    service.answers = ["reset"] * 2
    ledger = ledger_of(service)
    assert fault(ledger).kind is FaultKind.AWAY
    asked = len(service.requests)
    with pytest.raises(LedgerDown):
        ledger.participant(P2_NKP)
    assert len(service.requests) == asked


def test_a_service_that_is_not_there_is_away(service: LedgerService) -> None:
    nowhere = replace(service, url="http://127.0.0.1:9")
    found = fault(ledger_of(nowhere))
    assert (found.name, found.kind, found.error) == (
        CONNECTING,
        FaultKind.AWAY,
        "ConnectionRefusedError",
    )


def test_a_slow_look_up_closes_itself_alone(service: LedgerService) -> None:
    service.answers = ["stall"]
    ledger = ledger_of(service, limit=2 * LIMIT)
    with pytest.raises(LookUpFailed):
        ledger.claims(P1_NKP)
    with pytest.raises(LookUpWaits):
        ledger.claims(P1_NKP)
    assert ledger.participant(P1_NKP)
    assert ledger.claims(P2_NKP) is not None


def test_a_batch_waits_no_longer_than_its_limit(service: LedgerService) -> None:
    service.answers = ["stall"]
    ledger = ledger_of(service, limit=LONGER)
    started = time.monotonic()
    fetched = BatchLedger(ledger, {"participant": {P1_NKP}, "balance": {P1_NKP}})
    assert time.monotonic() - started < LONGER / 3
    with pytest.raises(NotFetched):
        fetched.participant(P1_NKP)
    asked = len(service.requests)
    BatchLedger(ledger, {"participant": {P1_NKP}, "balance": {P1_NKP}})
    assert len(service.requests) == asked  # left to each message for a while
    assert ledger.participant(P1_NKP)


def test_a_batch_that_finds_nobody_there_is_one_failure(service: LedgerService) -> None:
    service.status = 503
    ledger = ledger_of(service)
    BatchLedger(ledger, {key: {P1_NKP} for key in ("participant", "balance", "claims")})
    assert sum(ledger.failures.counts().values()) == 1
    with pytest.raises(LedgerDown):
        ledger.participant(P1_NKP)
    BatchLedger(ledger, {"paid_in": {P1_NKP}})
    assert len(service.requests) == 1


def test_a_service_that_refuses_is_not_away_any_more(service: LedgerService) -> None:
    now = [0.0]
    ledger = ledger_of(service, clock=lambda: now[0])
    service.status = 503
    with pytest.raises(LedgerDown):
        ledger.claims(P1_NKP)
    now[0] += 4.0
    service.status = 400
    with pytest.raises(LookUpFailed):
        ledger.claims(P1_NKP)
    service.status = None
    assert ledger.participant(P1_NKP)


WRONG = {
    "not JSON": (becomes(b"<html>sorry</html>"), "is not JSON"),
    "truncated": (lambda document: json.dumps(document, default=str)[:-9].encode(), "is not JSON"),
    "no UTF-8": (becomes(b'{"version": "\xff"}'), "is not JSON"),
    "NaN": (becomes(b'{"version": NaN}'), "is not JSON"),
    "deep": (becomes(b"[" * 100_000), "is not JSON"),
    "a list": (becomes([]), "is no JSON object"),
    "no answers": (becomes({"version": 1}), "is not answered"),
    "another look-up": (becomes({"version": 1, "answers": {"claims": {"rows": []}}}), "is not"),
    "no rows": (becomes({"version": 1, "answers": {"balance": {}}}), "has no list of rows"),
    "rows of text": (becomes({"version": 1, "answers": {"balance": {"rows": ["x"]}}}), "has no"),
    "another error": (
        becomes({"version": 1, "answers": {"balance": {"error": "19012345678"}}}),
        "error is neither",
    ),
    "a missing field": (without("total"), "lacks total"),
    "a number in a list": (changed(total=[1]), "has a total of a wrong type"),
    "true": (changed(total=True), "has a total of a wrong type"),
    "too great": (changed(total=10**30), "has a total of a wrong type"),
    "too long": (changed(as_of="1" * 2000), "has a as_of of a wrong type"),
    "somebody else": (changed(nkp=P2_NKP), "has a nkp that nobody asked for"),
    "nobody": (changed(nkp=None), "has a nkp that nobody asked for"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_answer_is_refused_without_its_words(service: LedgerService, how: str) -> None:
    service.breaks, says = WRONG[how]
    ledger = ledger_of(service)
    with capture_logs() as logged:
        found = fault(ledger)
    assert (found.name, found.kind) == ("balance", FaultKind.REFUSED)
    assert says in str(found)
    assert ledger.failures.counts() == {("balance", "refused"): 1}
    (line,) = [each for each in logged if each["event"] == "the ledger did not answer"]
    for personal in (P1_NKP, P2_NKP, "html"):
        assert personal not in str(line)
    service.breaks = lambda document: document
    assert ledger.balance(P1_NKP, date.max)  # a refusal closes nothing


@pytest.mark.parametrize("version", [2, None, "1", True])
def test_another_version_is_refused_for_all(service: LedgerService, version: object) -> None:
    service.breaks = lambda document: document | {"version": version}
    found = fault(ledger_of(service))
    assert (found.name, found.kind) == (CONNECTING, FaultKind.REFUSED)
    assert "this smsgw speaks 1" in str(found)


def test_a_huge_answer_is_not_read_to_its_end(service: LedgerService) -> None:
    service.breaks = lambda document: json.dumps(document, default=str).encode() + b" " * 9_000_000
    found = fault(ledger_of(service))
    assert (found.kind, found.error) == (FaultKind.REFUSED, "TooLarge")


def test_people_are_told_nothing_of_a_wrong_answer(rt: Runtime, service: LedgerService) -> None:
    """Each waits for the true answer, as while a database refuses."""
    here = replace(rt, ledger=ledger_of(service))
    service.breaks = lambda document: (
        changed(total={"Rp": 5})(document) if "balance" in document.get("answers", {}) else document
    )
    assert say(here, P1, "SALDO").verdict.outcome == "unavailable"
    assert say(here, P1, "STATUS").verdict.outcome == "answered"
    service.breaks = lambda document: document
    assert say(here, P1, "IURAN").verdict.outcome == "answered"


def test_an_unknown_field_is_named_and_ignored(service: LedgerService) -> None:
    service.breaks = changed(saldo_akhir=1, **{P2_NKP: "x"})
    ledger = ledger_of(service)
    with capture_logs() as logged:
        assert ledger.balance(P1_NKP, date.max)
    (line,) = [each for each in logged if "column" in each]
    assert line["column"] == "balance.saldo_akhir, which is no field of the protocol"
    assert P2_NKP not in str(logged)


def test_a_secret_signs_and_a_token_is_shown(service: LedgerService) -> None:
    assert ledger_of(service).participant(P1_NKP)
    by_token = Credentials(token=TOKEN)
    assert ledger_of(service, credentials=by_token).participant(P1_NKP)
    for wrong in (Credentials(b"another secret"), Credentials(token="another-token")):
        found = fault(ledger_of(service, credentials=wrong))
        assert (found.name, found.code, found.is_whole) == (CONNECTING, "401", True)


def test_the_signature_is_the_one_that_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "ledger-api.md").read_text()
    shown = signature(b"correct horse battery staple correct", "1764403200", b'{"version": 1}')
    assert shown in page


@pytest.mark.parametrize(("minutes", "is_known"), [(0, True), (-4, True), (4, True), (-6, False)])
def test_clocks_may_be_some_minutes_apart(rt: Runtime, minutes: int, *, is_known: bool) -> None:
    with ledger_service(rt.ledger.engine, clock=lambda: time.time() + 60 * minutes) as service:
        ledger = ledger_of(service)
        if is_known:
            assert ledger.participant(P1_NKP)
            return
        found = str(fault(ledger))
    assert "this machine's clock is 0:0" in found
    assert "ahead of the service's" in found


def test_rates_that_were_mended_are_read_soon(rt: Runtime) -> None:
    now = [0.0]
    with ledger_service(rt.ledger.engine, cache_control="max-age=3600") as service:
        ledger = ledger_of(service, clock=lambda: now[0])
        service.breaks = lambda document: document | {"rates": [{"program": "JHT"}]}
        with pytest.raises(LookUpFailed):
            ledger.rates()
        assert ledger.offices() != []
        service.breaks = lambda document: document
        now[0] = 6.0
        assert ledger.rates() == rt.ledger.rates() != []


def test_many_at_once_wait_only_for_their_own_look_up(service: LedgerService) -> None:
    def dawdle(document: dict[str, Any]) -> dict[str, Any]:
        if "claims" in document["answers"]:
            service.release.wait(LONGEST)
        return document

    service.breaks = dawdle
    ledger = ledger_of(service, limit=LONGER)

    def ask(index: int) -> bool:
        with suppress(LookUpFailed):
            return ledger.claims(str(19_000_000_000 + index % 5)) is not None
        return False

    with ThreadPoolExecutor(30) as pool:
        slow = [pool.submit(ask, index) for index in range(30)]
        eventually(lambda: len(service.requests) >= AT_ONCE)
        assert ledger.participant(P1_NKP)
        service.release.set()
        assert sum(each.result() for each in slow) >= AT_ONCE  # nobody's time was over


def test_checking_asks_for_all_in_two_requests(service: LedgerService) -> None:
    ledger = ledger_of(service)
    assert ledger.check() == []
    assert service.requests == ["POST /look-ups", "GET /reference"]
    assert service.asked[0].keys() == BY_NUMBER.keys()


def test_checking_names_each_look_up_that_is_wrong(service: LedgerService) -> None:
    service.breaks = lambda document: (
        document
        | (
            {"answers": {**document["answers"], "claims": {"error": "refused"}}}
            if "answers" in document
            else {"rates": None}
        )
    )
    found = {each.name: each.kind for each in ledger_of(service).check()}
    assert found == {"claims": FaultKind.REFUSED, "rates": FaultKind.REFUSED}


def test_what_is_asked_and_answered_is_what_is_documented(service: LedgerService) -> None:
    """Compares the stub, too, with the description that a scheme implements."""
    answers: list[dict[str, Any]] = []
    service.breaks = lambda document: answers.append(document) or document
    ledger = ledger_of(service)
    ledger.offices()
    BatchLedger(ledger, {key: {P1_NKP} for key in BY_NUMBER.keys() - {"participants_of"}})
    ledger.participants_of(ledger.participant(P1_NKP).nik)
    schemas = {"$defs": API["components"]["schemas"]}
    text = json.dumps(schemas).replace("#/components/schemas/", "#/$defs/")
    for name, values in {
        "Question": [{"version": 1, "look_ups": each} for each in service.asked],
        "Answer": [each for each in answers if "answers" in each],
        "Reference": [each for each in answers if "offices" in each],
    }.items():
        schema = {**json.loads(text), "$ref": f"#/$defs/{name}"}
        assert values
        for value in values:
            written = json.loads(json.dumps(value, default=_plain))
            jsonschema_rs.validate(schema, written)


def test_the_documented_fields_are_those_that_are_read() -> None:
    schemas = API["components"]["schemas"]
    answers = schemas["Answer"]["properties"]["answers"]["properties"]
    assert answers.keys() == BY_NUMBER.keys()
    for look_up, shape in BY_NUMBER.items():
        rows_of, _left_out = answers[look_up]["oneOf"]
        row = schemas[rows_of["properties"]["rows"]["items"]["$ref"].rpartition("/")[2]]
        assert set(row["properties"]) == set(row["required"]) == shape.fields, look_up


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Returns a file of a key and a certificate for 127.0.0.1 that nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ledger")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
    )
    signed = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    file = tmp_path / "ledger.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem)
    )
    return file


def test_a_certificate_is_trusted_only_where_it_is_named(rt: Runtime, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ledger_service(rt.ledger.engine, tls=context) as service:
        assert service.url.startswith("https://")
        found = fault(ledger_of(service))
        assert (found.name, found.kind) == (CONNECTING, FaultKind.REFUSED)
        assert "set LEDGER_API_CA" in str(found)
        assert service.requests == []
        trusting = http_client.Client((2.0, 2.0), str(certificate))
        assert ledger_of(service, trusting).participant(P1_NKP)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else float(value)
