"""Tests a carrier by YAML: what it sends, how answers end, whom it trusts, and which line is
wrong."""

import hmac
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from smsgw import settings
from smsgw.carriers.carrier import (
    Delivery,
    Ending,
    Forged,
    Malformed,
    MessagePart,
    OutgoingSms,
    SendError,
    WebhookRequest,
)
from smsgw.carriers.http_api.carrier import HttpApi, HttpSettings
from smsgw.carriers.http_api.definition import (
    Definition,
    Hmac,
    Inbound,
    PartFields,
    Reports,
    Send,
    SharedSecret,
)
from smsgw.carriers.http_api.template import SAMPLE
from tests.support.aggregator import Aggregator, aggregator

DOCS = Path(__file__).parents[3] / "docs" / "adding.md"
SECRET = "a-shared-secret"
ENVIRON = {
    "SMSGW_CARRIER": "http",
    "SMSGW_PUBLIC_URL": "https://sms.example.org/base",
    "API_KEY": "key of ours",
    "SECRET": f"{SECRET}, the-old-secret",
}
SMS = OutgoingSms(7, "+6281234567890", "2757", 'Saldo "JHT" & <a>', timedelta(seconds=90))
PLAIN = """
from: "2757"
send:
  url: {url}/send/{{to}}
  query: {{to: "{{to}}", text: "{{text}}", ref: "{{id}}", report: "{{report_url}}"}}
  headers: {{X-Key: "${{API_KEY}}"}}
  success: {{status: [200, 202]}}
  id: id
inbound:
  fields: {{id: id, from: from, to: to, text: text}}
reports:
  fields: {{status: status, code: code}}
  sent: SENT
  delivered: [DELIVRD, 1]
  undelivered: [UNDELIV]
authentication:
  secret: {{query: key, value: "${{SECRET}}"}}
"""
SAFE = "https://api.example.com"


@pytest.fixture
def stub() -> Iterator[Aggregator]:
    with aggregator() as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "carrier.yaml"


def load(file: Path, text: str, **more: str) -> HttpApi:
    file.write_text(text)
    made = settings.load(ENVIRON | {"SMSGW_HTTP_CARRIER": str(file)} | more)
    return HttpApi(made.of(HttpSettings), (1.0, 0.3))


ADDRESSED = "\n  url: {url}/{{to}}?text={{text}}&ref={{id}}&report={{report_url}}"
REPORT_URL = f"https://sms.example.org/base/in/http/status?out=7&key={SECRET}"


def plain(url: str = SAFE, **sections: str) -> str:
    """Returns PLAIN with some of its sections replaced."""
    text = PLAIN.format(url=url)
    for name, section in sections.items():
        before, found, after = text.partition(f"\n{name}:")
        assert found
        rest = [line for line in after.split("\n")[1:] if line]
        while rest and rest[0].startswith(" "):
            rest.pop(0)
        text = "\n".join([f"{before}\n{name}:{section}", *rest])
    return text


def sending(url: str, how: str) -> str:
    body = "".join(f"\n  {line}" for line in how.strip().split("\n"))
    return plain(send=f"{ADDRESSED.format(url=url)}\n  success: {{status: 200}}{body}")


def request(body: object = None, query: str = f"key={SECRET}", **headers: str) -> WebhookRequest:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest("/in/http", query, named, (), octets)


def message(**fields: object) -> dict[str, object]:
    return {"id": "M1", "from": "6281234567890", "to": "2757", "text": "SALDO"} | fields


def test_values_are_escaped_in_an_address(file: Path, stub: Aggregator) -> None:
    stub.answers.append((202, b'{"id": "abc"}'))
    assert load(file, plain(stub.url)).send(SMS) == "abc"
    (asked,) = stub.asked
    assert asked.target.startswith("/send/%2B6281234567890?")
    assert asked.query == {
        "to": "+6281234567890",
        "text": 'Saldo "JHT" & <a>',
        "ref": "7",
        "report": REPORT_URL,
    }
    assert (asked.method, asked.headers["x-key"]) == ("POST", "key of ours")


@pytest.mark.parametrize(
    ("how", "sent"),
    [
        (
            'json: {messages: [{t: "{text}", m: "{minutes}"}]}',
            {"messages": [{"t": SMS.text, "m": 2}]},
        ),
        ('raw: {type: application/json, text: \'{"t": "{text}"}\'}', {"t": SMS.text}),
    ],
)
def test_values_are_escaped_in_json(
    file: Path, stub: Aggregator, how: str, sent: dict[str, object]
) -> None:
    stub.answers.append((200, b""))
    load(file, sending(stub.url, how)).send(SMS)
    assert stub.asked[0].json == sent
    assert stub.asked[0].headers["content-type"] == "application/json"


def test_values_are_escaped_in_xml_and_forms(file: Path, stub: Aggregator) -> None:
    stub.answers += [(200, b"")] * 2
    load(file, sending(stub.url, "raw: {type: text/xml, text: '<t a=\"{text}\"/>'}")).send(SMS)
    load(file, sending(stub.url, 'form: {t: "{text}", u: "{report_url}"}')).send(SMS)
    raw, form = stub.asked
    assert raw.body == b'<t a="Saldo &quot;JHT&quot; &amp; &lt;a&gt;"/>'
    assert form.form == {"t": SMS.text, "u": REPORT_URL}


def test_a_recipient_is_written_as_the_aggregator_wants_it(file: Path, stub: Aggregator) -> None:
    stub.answers += [(200, b"")] * 2
    how = 'json: {all: ["{to}", "{to_digits}", "{to_national}"]}'
    carrier = load(file, sending(stub.url, f"{how}\nquery: {{t: '{{text}}'}}"))
    for recipient in ("+6281234567890", "+60123456789"):
        carrier.send(OutgoingSms(7, recipient, SMS.sender_id, "text"))
    assert [asked.json["all"] for asked in stub.asked] == [
        ["+6281234567890", "6281234567890", "081234567890"],
        ["+60123456789", "60123456789", "0123456789"],
    ]


def test_a_text_is_never_expanded_again(file: Path, stub: Aggregator) -> None:
    stub.answers.append((200, b""))
    text = "{to} ${API_KEY} {id}"
    sms = OutgoingSms(7, SMS.recipient, SMS.sender_id, text)
    load(file, sending(stub.url, 'json: {t: "{text}"}')).send(sms)
    assert stub.asked[0].json == {"t": text}


def test_the_encoding_follows_the_text(file: Path, stub: Aggregator) -> None:
    stub.answers += [(200, b"")] * 2
    how = 'form: {type: "{encoding}", t: "{text}"}\nencoding: {gsm7: text, unicode: unicode}'
    carrier = load(file, sending(stub.url, how))
    carrier.send(SMS)
    carrier.send(OutgoingSms(8, SMS.recipient, SMS.sender_id, "ok \N{GRINNING FACE}"))
    assert [asked.form["type"] for asked in stub.asked] == ["text", "unicode"]
    assert stub.asked[1].form["t"] == "ok \N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ('{bearer: "${API_KEY}"}', "Bearer key of ours"),
        ('{user: me, password: "${API_KEY}"}', f"Basic {b64encode(b'me:key of ours').decode()}"),
    ],
)
def test_it_authenticates(file: Path, stub: Aggregator, login: str, header: str) -> None:
    stub.answers.append((200, b""))
    load(file, sending(stub.url, f"login: {login}")).send(SMS)
    assert stub.asked[0].headers["authorization"] == header


JUDGED = """
success: {status: 200, path: m.0.status, equals: 0}
retry: [{path: m.0.status, equals: [1, 10]}, {status: 503, matches: "(?i)queue full"}]
refused: {path: m.0.status, equals: [2, 3]}
unknown: {status: 409}
id: {regex: 'ID:(\\w+)'}
code: m.0.status
"""


@pytest.mark.parametrize(
    ("answer", "ending", "code"),
    [
        ((200, b'{"m": [{"status": "1"}]}'), Ending.RETRY, "1"),
        ((200, b'{"m": [{"status": 2}]}'), Ending.REFUSED, "2"),
        ((200, b'{"m": [{"status": "77"}]}'), Ending.UNKNOWN, "77"),
        ((200, b'{"m": [{"status": "+6281234567890 is barred"}]}'), Ending.UNKNOWN, "200"),
        ((200, b"no json"), Ending.UNKNOWN, "200"),
        ((200, b"[" * 100_000), Ending.UNKNOWN, "200"),
        ((503, b"Queue full"), Ending.RETRY, "503"),
        ((503, b""), Ending.UNKNOWN, "503"),
        ((409, b""), Ending.UNKNOWN, "409"),
        ((429, b""), Ending.RETRY, "429"),
        ((400, b""), Ending.REFUSED, "400"),
        ((302, b""), Ending.UNKNOWN, "302"),
        ("reset", Ending.UNKNOWN, None),
        ("stall", Ending.UNKNOWN, None),
    ],
)
def test_every_answer_has_one_ending_and_one_call(
    file: Path, stub: Aggregator, answer: object, ending: Ending, code: str | None
) -> None:
    stub.answers.append(answer)
    judged = JUDGED.strip().split("\n")
    send = "".join([ADDRESSED.format(url=stub.url), *(f"\n  {line}" for line in judged)])
    with pytest.raises(SendError) as raised:
        load(file, plain(send=send)).send(SMS)
    assert (raised.value.ending, len(stub.asked)) == (ending, 1)
    assert code is None or raised.value.code == code


def test_the_id_is_found_by_a_regular_expression(file: Path, stub: Aggregator) -> None:
    stub.answers.append((200, b"OK ID:abc123 queued"))
    assert load(file, sending(stub.url, "id: {regex: 'ID:(\\w+)'}")).send(SMS) == "abc123"


def test_a_failed_connection_may_be_retried(file: Path) -> None:
    with pytest.raises(SendError) as raised:
        load(file, plain("http://127.0.0.1:9")).send(SMS)
    assert raised.value.ending is Ending.RETRY
    assert "81234567890" not in str(raised.value)


def test_synthetic_participants_are_never_texted(file: Path, stub: Aggregator) -> None:
    with pytest.raises(SendError) as raised:
        load(file, plain(stub.url)).send(OutgoingSms(7, "+6284000000001", "2757", "x"))
    assert (raised.value.ending, stub.asked) == (Ending.REFUSED, [])


def test_the_doctor_reports_an_unreachable_carrier(file: Path, stub: Aggregator) -> None:
    assert load(file, plain(stub.url)).misconfigured() is None
    fault = load(file, plain("http://127.0.0.1:9")).misconfigured()
    assert fault == "send.url does not answer (ConnectionError); check it and the network"


def test_a_json_message_is_read(file: Path) -> None:
    (sms,) = load(file, plain()).read_messages(request(message(text="SAL\0DO \ud83d")))
    assert (sms.carrier, sms.carrier_ref, sms.sender) == ("http", "M1", "+6281234567890")
    assert (sms.sender_id, sms.text) == ("2757", "SALDO ?")


def test_parts_of_messages_are_read_in_a_list(file: Path) -> None:
    """A part that is malformed does not stop the others."""
    carrier = load(file, plain(inbound=f"\n  list: all{PARTS}"))
    places: list[tuple[object, object]] = [(2, "3"), (1, 1), (4, 3), (None, None)]
    listed = [
        message(id=str(each), p={"ref": 9, "no": no}, of=of) for each, (no, of) in enumerate(places)
    ]
    read = carrier.read_messages(request({"all": listed}))
    assert [(sms.carrier_ref, sms.part) for sms in read] == [
        ("0", MessagePart("9", 2, 3)),
        ("1", None),
        ("3", None),
    ]


@pytest.mark.parametrize("kind", ["form", "query"])
def test_a_form_or_query_message_is_read(file: Path, kind: str) -> None:
    inbound = f"\n  format: {kind}\n  fields: {{id: id, from: from, text: text}}"
    carrier = load(file, plain(inbound=inbound))
    fields = {name: str(value) for name, value in message(id=12).items()}
    asked = WebhookRequest("/in/http", urlencode(fields), {}, tuple(fields.items()))
    (sms,) = carrier.read_messages(asked)
    assert (sms.carrier_ref, sms.sender_id, sms.text) == ("12", "2757", "SALDO")


def test_several_messages_and_reports_in_one_request(file: Path) -> None:
    inbound = "\n  list: a.results\n  fields: {id: id, from: from, to: to, text: t.0.body}"
    reports = (
        "\n  list: results\n  fields: {attempt: ref, status: s, id: mid, code: err}"
        "\n  delivered: D\n  undelivered: U"
    )
    carrier = load(file, plain(inbound=inbound, reports=reports))
    several = [message(id=str(each), t=[{"body": f"SALDO {each}"}]) for each in (1, 2)]
    read = carrier.read_messages(request({"a": {"results": several}}))
    assert [(sms.carrier_ref, sms.text) for sms in read] == [("1", "SALDO 1"), ("2", "SALDO 2")]
    several.insert(0, {"id": "3"})
    assert carrier.read_messages(request({"a": {"results": several}})) == read
    for none in ({}, {"a": {"results": {}}}, {"a": {"results": several[:1]}}):
        with pytest.raises(Malformed):
            carrier.read_messages(request(none))
    assert carrier.read_messages(request({"a": {"results": []}})) == []
    sent_reports = [{"ref": "7", "s": "D", "mid": "x"}, {"ref": 8, "s": "U", "err": 9}, {"s": "D"}]
    sent_reports += [{"ref": "9", "s": "buffered"}, {"ref": "order-1", "s": "D"}, {"ref": "10"}]
    assert [
        (each.attempt_id, each.delivery, each.carrier_ref, each.code)
        for each in carrier.read_reports(request({"results": sent_reports}))
    ] == [(7, Delivery.DELIVERED, "x", None), (8, Delivery.UNDELIVERED, None, "9")]


@pytest.mark.parametrize(
    ("status", "delivery", "code"),
    [
        ("SENT", Delivery.SENT, None),
        ("DELIVRD", Delivery.DELIVERED, None),
        (1, Delivery.DELIVERED, None),
        ("UNDELIV", Delivery.UNDELIVERED, "5"),
    ],
)
def test_a_report_finds_its_attempt_by_its_address(
    file: Path, status: object, delivery: Delivery, code: str | None
) -> None:
    body = {"status": status, "code": 5}
    (report,) = load(file, plain()).read_reports(request(body, f"out=7&key={SECRET}"))
    assert (report.attempt_id, report.delivery, report.code) == (7, delivery, code)


def test_a_report_without_news_or_attempt_is_ignored(file: Path) -> None:
    carrier = load(file, plain())
    assert carrier.read_reports(request({"status": "BUFFERED"}, "out=7")) == []
    for query in ("", "out=", "out=x"):
        with pytest.raises(Malformed):
            carrier.read_reports(request({"status": "SENT"}, query))
    with pytest.raises(Malformed, match=r"^reports\.fields\.status: the report has no status$"):
        carrier.read_reports(request({"state": "SENT"}, "out=7"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 60_000,
        b"9" * 5_000,
        b"\xff",
        b"null",
        b"[]",
        b'"text"',
        {"from": []},
    ],
)
def test_a_request_without_a_message_is_malformed(file: Path, body: object) -> None:
    with pytest.raises(Malformed):
        load(file, plain()).read_messages(request(body))


@pytest.mark.parametrize("name", ["id", "from", "to", "text"])
def test_a_field_that_is_not_there_is_malformed(file: Path, name: str) -> None:
    """A wrong path would make every message an empty one. A field may be empty."""
    carrier = load(file, plain(inbound=f"\n  fields: {NESTED}"))
    fields: dict[str, object] = {"id": "M1", "from": "6281234567890", "to": "2757", "text": "x"}
    (sms,) = carrier.read_messages(request({"list": [fields | {"text": ""}]}))
    assert sms.text == ""
    without = {each: value for each, value in fields.items() if each != name}
    for item, fault in (
        (without, f"the message has no list.0.{name}"),
        (fields | {name: {"value": "x"}}, f"list.0.{name} has parts of its own"),
    ):
        with pytest.raises(Malformed) as raised:
            carrier.read_messages(request({"list": [item]}))
        assert str(raised.value) == f"inbound.fields.{name}: {fault}"


NESTED = "{id: list.0.id, from: list.0.from, to: list.0.to, text: list.0.text}"


def test_the_first_rule_that_matches_decides(file: Path, stub: Aggregator) -> None:
    rules = {name: f"{name}: {{status: 200}}" for name in ("retry", "refused", "unknown")}
    how, endings = "id: {regex: '(\\w+)'}", []
    stub.answers += [(200, b"abc")] * 4
    assert load(file, sending(stub.url, "\n".join([how, *rules.values()]))).send(SMS) == "abc"
    while rules:
        text = sending(stub.url, "\n".join([how, *rules.values()]))
        with pytest.raises(SendError) as raised:
            load(file, text.replace("success: {status: 200}", "success: {status: 201}")).send(SMS)
        endings.append(raised.value.ending)
        rules.pop(next(iter(rules)))
    assert endings == [Ending.RETRY, Ending.REFUSED, Ending.UNKNOWN]


@pytest.mark.parametrize("secret", [SECRET, "the-old-secret"])
def test_the_right_secret_is_accepted(file: Path, secret: str) -> None:
    load(file, plain()).verify(request(query=f"a=1&key={secret}"))
    named = "\n  secret: {header: X-Secret, value: '${SECRET}'}"
    load(file, plain(authentication=named)).verify(request(query="", x_secret=secret))


@pytest.mark.parametrize("query", ["", "key=", "key=x", "key=%FF", "other=a-shared-secret"])
def test_a_wrong_secret_is_refused(file: Path, query: str) -> None:
    with pytest.raises(Forged):
        load(file, plain()).verify(request(query=query))
    named = "\n  secret: {header: X-Secret, value: '${SECRET}'}"
    with pytest.raises(Forged):
        load(file, plain(authentication=named)).verify(request(query=f"key={SECRET}", x_secret="é"))


@pytest.mark.parametrize(("algorithm", "encoding"), [("sha256", "hex"), ("sha512", "base64")])
@pytest.mark.parametrize("signs", ["body", "url+body"])
def test_the_signature_covers_the_configured_parts(
    file: Path, algorithm: str, encoding: str, signs: str
) -> None:
    how = f"algorithm: {algorithm}, encoding: {encoding}, signs: {signs}, prefix: 'v1='"
    text = plain(authentication=f"\n  hmac: {{header: X-Sig, key: '${{SECRET}}', {how}}}")
    carrier, body = load(file, text), b'{"id": 1}'
    signed = b"https://sms.example.org/base/in/http?a=%20b" if signs == "url+body" else b""
    digest = hmac.digest(SECRET.encode(), signed + body, algorithm)
    signature = digest.hex() if encoding == "hex" else b64encode(digest).decode()
    carrier.verify(request(body, "a=%20b", x_sig=f"v1={signature}"))
    for forged in (
        request(body + b" ", "a=%20b", x_sig=f"v1={signature}"),
        request(body, "a=%20b", x_sig=signature),
        request(body, "a=%20b"),
    ):
        with pytest.raises(Forged):
            carrier.verify(forged)
    if signs == "url+body":
        with pytest.raises(Forged):
            carrier.verify(request(body, "a=%20c", x_sig=f"v1={signature}"))


PARTS = (
    "\n  fields: {id: id, from: from, to: to, text: text}"
    "\n  parts: {reference: p.ref, number: p.no, total: of}"
)
ATTEMPTED = "\n  fields: {status: s, attempt: a}\n  delivered: D\n  undelivered: U"
LISTED = "\n  list: all\n  fields: {status: s}\n  delivered: D\n  undelivered: U"
HMAC = "\n  hmac: {header: X, key: '${SECRET}'}"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (PLAIN.format(url="http://api.example.com"), 4, "send.url: needs https"),
        (PLAIN.format(url="ftp://api.example.com"), 4, "send.url: must be an address such as"),
        (plain().replace("{text}", "{body}"), 5, "send.query.text: has {body}, which is none of"),
        (plain().replace("API_KEY", "ABSENT"), 6, "send.headers.X-Key: names ${ABSENT}, which is"),
        (plain().replace("${SECRET}", "in-clear-text"), 17, "authentication.secret.value: names a"),
        (plain().replace("${SECRET}", "${SHORT}"), 17, "secret.value: needs 12 characters or more"),
        (plain().replace("[200, 202]", "ok"), 7, "send.success.0.status.0: is no whole number"),
        (plain().replace("{status: [200, 202]}", "{}"), 7, "send.success.0: says nothing"),
        (plain().replace("  id: id\n", "  id: {regex: 'a(b'}\n"), 8, "send.id: is not a valid"),
        (plain().replace("  id: id\n", "  id: {regex: 'ab'}\n"), 8, "send.id: needs one group"),
        (plain().replace("  id: id\n", "  ids: id\n"), 8, "send.ids: is not known here"),
        (plain().replace("  success", "  # success"), 3, "send.success: is missing"),
        (plain().replace("from: from, ", ""), 10, "inbound.fields.from: is missing"),
        (plain(inbound=PARTS.replace(", total: of", "")), 11, "inbound.parts.total: is missing"),
        (plain(inbound=PARTS.replace("total", "count")), 11, "inbound.parts.count: is not known"),
        (plain(inbound=PARTS.replace("of}", "2}")), 11, "inbound.parts.total: is no text"),
        (plain(inbound=PARTS.partition("{ref")[0] + " x"), 11, "inbound.parts: has parts of its"),
        (plain().replace("sent: SENT", "sent: DELIVRD"), 11, "reports: has DELIVRD with two"),
        (plain(authentication=" {}"), 16, "authentication: is either secret or hmac"),
        (plain(authentication=HMAC).replace("\n  fields: {id", "\n  format: form\n  fields: {id"),
         2, "hmac signs a body of JSON or an address"),
        (sending(SAFE, 'json:\n  a:\n  - t: "{x}"'), 8, "send.json.a.0.t: has {x}, which is none"),
        (sending(SAFE, "form: {}\njson: {a: b}\nraw: {type: a, text: a}"), 3, "give one body"),
        (plain().replace("\n  fields: {id", "\n  methods: GET\n  fields: {id"), 9, "a GET has no"),
        (plain().replace("API_KEY", "BROKEN"), 6, "names ${BROKEN}, which holds a character"),
        (sending(SAFE, "json:\n  body: {text}"), 7, "send.json.body: put {text} in quotes"),
        (sending(SAFE, "json: [a, {to}]"), 6, "send.json.1: put {to} in quotes"),
        (sending(SAFE, "form: {t: {text}}"), 6, "send.form.t: put {text} in quotes"),
        (sending(SAFE, "raw: {type: a, text: {text}}"), 6, "send.raw.text: put {text} in quotes"),
        (sending(SAFE, "login: {bearer: {id}}"), 6, "send.login.bearer: put {id} in quotes"),
        (plain().replace("{text}", "{to}"), 3, "send: has no {text}"),
        (plain().replace("{to}", "x"), 3, "send: has none of {to}, {to_digits} and {to_national}"),
        (plain().replace("{report_url}", "x"), 12, "reports.fields: attempt is missing; give it,"),
        (plain(reports=LISTED), 12, "reports.list: needs fields.attempt"),
        (plain(reports=ATTEMPTED).replace("{id}", "x"), 12, "reports.fields.attempt: send has no"),
        (plain().replace('"2757"', "0275"), 2, "from: put 0275 in quotes"),
        (plain().replace('"2757"', "+2757"), 2, "from: put +2757 in quotes"),
        (plain().replace("[DELIVRD, 1]", "[DELIVRD, 01]"), 14, "reports.delivered.1: put 01 in"),
        (sending(SAFE, "form: {a: 1.10}"), 6, "send.form.a: put 1.10 in quotes"),
        (plain() + "authentication: {}\n", 18, "found duplicate key"),
        (plain() + "  - [\n", 18, ""),
        ("", 0, "is empty"),
        ("- a", 0, "is empty, or no mapping"),
    ],
)  # fmt: skip
def test_errors_name_the_line_and_key(file: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        load(file, text, SHORT="short", BROKEN="a\nb")
    where = f"SMSGW_HTTP_CARRIER: {file}:{line}: " if line else f"SMSGW_HTTP_CARRIER: {file} "
    found = [fault for fault in str(raised.value).split("\n") if fault.startswith(where)]
    assert [fault for fault in found if message in fault], str(raised.value)
    assert "short" not in str(raised.value).replace("shorter", "")


def test_all_errors_are_reported_together(file: Path) -> None:
    text = plain("http://api.example.com").replace("{text}", "{body}")
    with pytest.raises(settings.SettingsError) as raised:
        load(file, text, PORT="x", SMSGW_PUBLIC_URL="http://sms.example.org")
    named = [fault.split(":")[0] for fault in str(raised.value).split("\n")]
    assert sorted(named) == ["PORT", "SMSGW_HTTP_CARRIER", "SMSGW_HTTP_CARRIER", "SMSGW_PUBLIC_URL"]


def test_missing_settings_are_reported(tmp_path: Path) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load({"SMSGW_CARRIER": "http"})
    assert "SMSGW_HTTP_CARRIER: is needed with SMSGW_CARRIER=http" in str(raised.value)
    assert "SMSGW_PUBLIC_URL: is needed with SMSGW_CARRIER=http" in str(raised.value)
    with pytest.raises(settings.SettingsError, match="cannot be read"):
        settings.load({"SMSGW_HTTP_CARRIER": str(tmp_path / "absent.yaml")})


def test_errors_show_no_secret(file: Path) -> None:
    carrier = load(file, plain())
    made = settings.load(ENVIRON | {"SMSGW_HTTP_CARRIER": str(file)})
    shown = f"{made!r} {settings.rows(made)} {vars(carrier)!r}"
    assert str(file) in shown
    assert [each for each in ("key of ours", SECRET) if each in shown] == []


def test_the_documented_file_is_valid(file: Path, stub: Aggregator) -> None:
    section = DOCS.read_text().partition("## A carrier by YAML")[2]
    shown = section.partition("```yaml")[2].partition("```")[0]
    text = shown.replace("https://sms.example.com", stub.url)
    carrier = load(file, text, CARRIER_API_KEY="key", CARRIER_SECRET=SECRET)
    stub.answers.append((202, b'{"message": {"id": "abc"}}'))
    assert carrier.send(SMS) == "abc"
    assert (stub.asked[0].json["to"], stub.asked[0].headers["x-api-key"]) == (SMS.recipient, "key")


def test_every_placeholder_and_key_is_explained() -> None:
    section = DOCS.read_text().partition("## A carrier by YAML")[2].partition("## A carrier in")[0]
    parts = (Definition, Send, Inbound, PartFields, Reports, SharedSecret, Hmac)
    keys = {info.alias or name for part in parts for name, info in part.model_fields.items()}
    assert [key for key in keys if f"`{key}`" not in section and f"\n{key}:" not in section] == []
    assert [name for name in SAMPLE if f"`{{{name}}}`" not in section] == []


def test_demo_data_is_refused_with_a_real_carrier(file: Path) -> None:
    load(file, plain("http://127.0.0.1:9"), SMSGW_DEMO="1")
    with pytest.raises(settings.SettingsError, match="SMSGW_DEMO: fictitious people"):
        load(file, plain(), SMSGW_DEMO="1")
