"""Plays every transcript to a service that logs at DEBUG, then causes a bug in each layer.

A program of its own, since logging belongs to a process: its standard error is the log, and what it
finds in the clear in the service database or in Redis it prints as JSON.
"""

import csv
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import text, update

from handlers import HANDLERS
from handlers.question import Outcome
from smsgw import logs, responder, runtime, settings
from smsgw.app import create_app
from smsgw.carriers.carrier import IncomingSms, OutgoingSms
from smsgw.carriers.kannel import Kannel, KannelSettings
from smsgw.carriers.simulator import Simulator
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.operations import jobs, metrics
from smsgw.operations.queue import KEEP_FAILURES, QUEUE
from smsgw.operations.worker import Worker
from smsgw.runtime import Runtime
from smsgw.storage import engines, migrations
from smsgw.storage.counters import Counters
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.phones import bindings
from smsgw.storage.tables.security import Ciphertext, data_keys
from smsgw.storage.tables.types import service
from smsgw.transcripts import reader, world
from smsgw.transcripts.format import Step, Transcript
from smsgw.transcripts.runner import Result, RunningConversation
from smsgw.transcripts.world import Clock
from tests.support.http_stub import web_stub

FOLDER = Path(__file__).parents[1] / "transcripts"
# People of all kinds, over the packaged ledger; the others would only take time.
FILES = (
    "asked-well",
    "conversations",
    "every-keyword",
    "holes-and-choices",
    "ledger-away",
    "limits",
    "other-messages",
    "sloppy-balance",
    "sloppy-registration",
    "wrong-messages",
)
PUBLIC = {"offices.csv", "rates.csv", "contacts.csv"}  # what posters print too
SHARED = {"status", "status_reason", "category", "program", "reason", "stage", "note"}
SECRET, TOKEN, PASSWORD = "s" * 40, "a token of Twilio's", "twelve-letters"
SHORTEST = 6
PLAIN = re.compile(rb"[\x20-\x7e]{%d,}" % SHORTEST)
WORDS = {*HANDLERS, *map(str, Outcome)}
P1, P1_NKP = "+6281234567890", "19012345678"
CARRIER, SENDER_ID = "simulator", "2757"
TEXT = "tolong cek saldo saya dong"


def personal() -> set[str]:
    """Returns every value of the reference ledger that is somebody's own, as it stands and as
    replies write it. Only birth dates count among days, and words that many share (PT, a status) do
    not count."""
    files = [path.read_text("utf-8").splitlines() for path in _ledger_files()]
    rows = [row for lines in files for row in csv.DictReader(lines)]
    found = {row["birth_date"] for row in rows if row.get("birth_date")}
    for row in rows:
        found |= {value for name, value in row.items() if name not in SHARED and not _is_day(value)}
    amounts = {f"Rp{int(value):,}".replace(",", ".") for value in found if value.isdecimal()}
    phones = {value.removeprefix("+62") for value in found if value.startswith("+62")}
    return {value for value in found | amounts | phones if len(value) >= SHORTEST}


def secrets() -> set[str]:
    return {SECRET, TOKEN, PASSWORD}


def _ledger_files() -> list[Path]:
    return [path for path in reference_folder().glob("*.csv") if path.name not in PUBLIC]


def _is_day(value: str) -> bool:
    """Tells whether the value is a day or a month."""
    try:
        return bool(date.fromisoformat(value if len(value) > 7 else f"{value}-01"))
    except ValueError:
        return False


def main(home: Path, redis_url: str) -> None:
    logs.set_up(logging.DEBUG)
    rt = _runtime(home, redis_url)
    said: set[str] = {TEXT}
    leaks = list(_leaks(rt, home, redis_url, said))
    _bugs(rt, redis_url)
    leaks += _found({"redis after bugs": _dump(redis_url)}, personal() | {TEXT})
    report = {"said": sorted(said), "leaks": leaks, "pages": _pages(rt)}
    sys.stdout.write(json.dumps(report))


def _runtime(home: Path, redis_url: str) -> Runtime:
    clock = Clock(reader.read(FOLDER / "asked-well.yaml").transcript.now)
    environ = {
        "SMSGW_HOME": str(home),
        "LEDGER_URL": f"sqlite:///{home / 'ledger.db'}",
        "REDIS_URL": redis_url,
        "SMSGW_SECRET_KEY": SECRET,
        "SMSGW_CARRIER": "simulator,twilio,kannel",
        "SMSGW_PUBLIC_URL": "https://sms.example.org",
        "TWILIO_ACCOUNT_SID": "AC" + "a" * 32,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": "+15005550006",
        "KANNEL_SENDSMS_URL": "http://127.0.0.1:9/cgi-bin/sendsms",
        "KANNEL_USERNAME": "smsgw",
        "KANNEL_PASSWORD": PASSWORD,
        "KANNEL_FROM": "2757",
        "KANNEL_INBOUND_PASSWORD": PASSWORD,
        "SMSGW_DAILY_SEGMENTS": "100000",
        "SMSGW_STATUS_PAGE": "1",
    }
    rt = runtime.build(settings.load(environ), now=clock)
    migrations.upgrade(rt.service, "service")
    migrations.upgrade(rt.ledger.engine, "ledger")
    load(rt.ledger.engine, reference_folder())
    return rt


def _leaks(rt: Runtime, home: Path, redis_url: str, said: set[str]) -> Iterator[str]:
    """Looks after each conversation, while all it left is there."""
    always = personal() | secrets()
    clock = rt.now
    assert isinstance(clock, Clock)
    for name in FILES:
        document = reader.read(FOLDER / f"{name}.yaml").transcript
        for number, conversation in enumerate(document.conversations):
            clock.now = document.now
            _begin(rt, document)
            with Redis.from_url(redis_url) as client:
                client.flushdb()
            counting = replace(rt, counters=Counters(rt.redis))
            talk = RunningConversation(counting, clock, f"{name} {number}")
            taken = [talk.take(step) for step in conversation.steps]
            heard = set(_spoken(conversation.steps, taken))
            said |= heard
            places = {"database": _octets(home), "redis": _dump(redis_url)}
            yield from _found(places, always | heard)


def _begin(rt: Runtime, document: Transcript) -> None:
    """Sets the databases to the state in which a conversation begins."""
    with rt.writing() as tx:
        for table in reversed(service.sorted_tables):
            if table is not data_keys:
                tx.connection.execute(table.delete())
    world.start(rt, document)


def _spoken(steps: Sequence[Step], taken: Sequence[Result]) -> Iterator[str]:
    """Yields who said what, and what they were told, if it is longer than a keyword."""
    texts = [part for step in steps for part in (step.sender, step.text)]
    texts += [sms.text for each in taken for sms in each.got.also]
    texts += [each.got.reply for each in taken]
    for each in texts:
        if each and len(each) >= SHORTEST and each.lower() not in WORDS:
            yield each


def _octets(home: Path) -> bytes:
    """Returns the service database's octets, free pages and its write-ahead log included."""
    return b"".join(path.read_bytes() for path in (home / "instance").glob("smsgw.db*"))


def _dump(redis_url: str) -> bytes:
    with Redis.from_url(redis_url) as client:
        keys = client.keys("*")
        return b"\n".join([*keys, *(_held(client, key) for key in keys)])


def _held(client: Redis, key: bytes) -> bytes:
    match client.type(key):
        case b"string":
            return client.get(key) or b""
        case b"list":
            return b"\n".join(client.lrange(key, 0, -1))
        case b"set":
            return b"\n".join(client.smembers(key))
        case b"zset":
            return b"\n".join(client.zrange(key, 0, -1))
        case b"hash":
            return b"\n".join(part for pair in client.hgetall(key).items() for part in pair)
        case b"stream":
            return repr(client.xrange(key)).encode()
    return b""


def _found(places: dict[str, bytes], needles: set[str]) -> Iterator[str]:
    sought = {needle.encode("utf-8", "surrogatepass"): needle for needle in needles}
    for place, octets in places.items():
        plain = b"\n".join(PLAIN.findall(octets))  # ciphertext has hardly any, so this is short
        for each, needle in sought.items():
            if each in (plain if PLAIN.fullmatch(each) else octets):
                yield f"{place}: {needle}"


class Broken(Simulator):
    """Fails with a bug on every send."""

    def send(self, sms: OutgoingSms) -> str:
        raise ValueError(f"no {sms.text} to {sms.recipient}")


class BrokenLedger:
    """Fails with a bug on every look-up, so that each is a handler's bug too."""

    engine = None

    def __getattr__(self, name: str) -> Callable[..., object]:
        def fails(*args: object) -> object:
            raise KeyError(*args, P1_NKP, P1)

        return fails


def _bugs(rt: Runtime, redis_url: str) -> None:
    """Gives each layer what makes it fail, which its log reports."""
    _begin(rt, Transcript.model_construct(registered={P1: (P1_NKP,)}, starts={}))
    broken = replace(rt, ledger=BrokenLedger())  # type: ignore[arg-type]
    client = create_app(broken).test_client()
    asked = f"/in/kannel?id=1&from=%2B6281234567890&to=2757&text={TEXT.replace(' ', '+')}"
    answer = client.get(asked, auth=("kannel", PASSWORD))
    assert answer.status_code == 500
    _say(rt, "1", "SALDO")
    _work(
        replace(rt, carriers={"simulator": Broken()}),
        redis_url,
        "drain_sender_id",
        CARRIER,
        SENDER_ID,
    )
    with rt.writing() as tx:  # an answer is owed whose text does not open
        torn = tx.vault.encrypt(TEXT, Ciphertext.REPLY)
        tx.connection.execute(update(messages).values(state="received", text=torn))
    _work(rt, redis_url, "answer_waiting")
    nowhere = replace(rt, service=engines.engine("sqlite:////nonexistent/service.db"))
    _work(nowhere, redis_url, "answer_waiting")
    with rt.writing() as tx:
        torn = tx.vault.encrypt(P1_NKP, Ciphertext.CONSENT)
        tx.connection.execute(update(bindings).values(nkp=torn))
    _say(rt, "2", TEXT)  # whose binding does not open
    _crashes(lambda: settings.load({"SMSGW_SECRET_KEY": P1_NKP}))
    _crashes(lambda: rt.vault.decrypt(b"\x07" + TEXT.encode(), Ciphertext.MESSAGE))
    _crashes(lambda: HANDLERS[TEXT])
    _crashes(lambda: metrics.text(broken) and int(f"{P1} {TEXT}"))
    with rt.service.connect() as connection:
        _crashes(lambda: connection.execute(text("SELECT :it FROM nowhere"), {"it": P1}))
    thread = threading.Thread(target=lambda: int(TEXT))
    thread.start()
    thread.join()
    logging.getLogger("urllib3.connectionpool").warning("Failed to parse headers (url=%s)", asked)
    logging.getLogger("twilio.http_client").info("POST Body=%s", TEXT)
    _send_by_kannel(rt)


def _send_by_kannel(rt: Runtime) -> None:
    """Sends by Kannel, whose address holds the text, the phone and the password."""
    with web_stub() as stub:
        stub.answers.append((202, b"0: Accepted for delivery"))
        kannel = rt.settings.of(KannelSettings)
        made = kannel.model_copy(update={"sendsms_url": stub.url})
        Kannel(made).send(OutgoingSms(1, P1, SENDER_ID, TEXT))
        assert TEXT.replace(" ", "+") in stub.paths[0]


def _say(rt: Runtime, ref: str, text: str) -> object:
    return responder.respond(rt, IncomingSms("simulator", ref, P1, SENDER_ID, text))


def _work(rt: Runtime, redis_url: str, job: str, *arguments: str) -> None:
    """Runs a job as a worker does: rq keeps what it is told of a failure."""
    connection = Redis.from_url(redis_url)
    queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
    queue.enqueue(getattr(jobs, job), *arguments, failure_ttl=KEEP_FAILURES)
    jobs.RUNTIME.set(rt)
    worker = Worker([queue], connection=connection, serializer=JSONSerializer)
    worker.work(burst=True, logging_level="DEBUG")


def _crashes(bug: Callable[[], object]) -> None:
    """Reports a crash as the end of a process would."""
    try:
        bug()
    except Exception as error:
        sys.excepthook(type(error), error, error.__traceback__)
    else:
        raise AssertionError("there was no bug")


def _pages(rt: Runtime) -> list[str]:
    """Returns what the web process says to whoever asks, and what `smsgw settings` prints."""
    client = create_app(rt).test_client()
    said = f"{P1}+{P1_NKP}"
    paths = ["/metrics", "/readyz", "/healthz", "/status", "/status.json"]
    paths += [f"/{said}", f"/in/twilio?{said}", "/in/kannel"]
    answers = [client.get(path) for path in paths]
    answers += [client.post(path, data={"Body": TEXT, "From": P1}) for path in paths]
    answers += [client.get(f"/in/kannel?id={said}", auth=("kannel", PASSWORD))]
    shown = ["\n".join(map(repr, settings.rows(rt.settings))), repr(rt.settings)]
    return [answer.text for answer in answers] + shown


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
