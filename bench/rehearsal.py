"""Measures how many messages a second a backtest judges, on SQLite and PostgreSQL.

Figures are of this machine; what is promised is 100,000 messages in a few minutes, with one worker,
in parts so short that a reply waits behind none of them for long.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from sqlalchemy import insert

from smsgw import runtime, settings
from smsgw.backoffice import backtest
from smsgw.backoffice.background_tasks import Task
from smsgw.backoffice.backtest_findings import BacktestFindings, BacktestRequest
from smsgw.configuration import document
from smsgw.ledger.synthetic import FIRST_NKP, make
from smsgw.phone import FICTITIOUS
from smsgw.registry import bindings, phone_state
from smsgw.runtime import Runtime
from smsgw.storage import migrations
from smsgw.storage.tables.messages import MessageState, messages
from smsgw.storage.tables.operators import TaskKind, TaskState
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.transcripts import reader
from tests.support.servers import Postgres, postgres_programs

MESSAGES = int(os.environ.get("MESSAGES", "100000"))
PHONES = MESSAGES // 5
NKP = "19012345678"  # of transcripts; each phone has one of its own
RATE, LONGEST = 100_000 / 300, 2.0  # messages a second, seconds of a part


def main() -> None:
    programs = postgres_programs()
    if programs is None:
        sys.exit("no PostgreSQL programs here")
    server = Postgres(programs)
    try:
        with tempfile.TemporaryDirectory() as home:
            measure("SQLite", {"SMSGW_HOME": home, "SMSGW_SECRET_KEY": "b" * 32})
        with tempfile.TemporaryDirectory() as home:
            environ = {"DATABASE_URL": server.url, "SMSGW_HOME": home}
            measure("PostgreSQL", {**environ, "SMSGW_SECRET_KEY": "b" * 32})
    finally:
        server.stop()


def measure(name: str, environ: dict[str, str]) -> None:
    rt = runtime.build(settings.load(environ))
    migrations.upgrade(rt.service, "service")
    migrations.upgrade(rt.ledger.engine, "ledger")
    make(rt.ledger.engine, PHONES)
    fill(rt)
    for what, draft in (("aliases", aliases()), ("aliases and wordings", wordings())):
        started = last = time.perf_counter()
        longest, found = 0.0, {}
        for step in backtest.run(rt, asked(rt, draft)):
            now = time.perf_counter()
            longest, last, found = max(longest, now - last), now, step.findings
        rate = MESSAGES / (time.perf_counter() - started)
        findings = BacktestFindings.model_validate(found)
        print(
            f"{name}, {what}: {findings.judged:,} messages, {rate:,.0f} a second; "
            f"{findings.changed:,} would change; the longest part {longest:.2f} s",
            flush=True,
        )
        if findings.judged != MESSAGES or rate < RATE or longest > LONGEST:
            sys.exit("that is too slow, or not all")
    rt.close()


def fill(rt: Runtime) -> None:
    """Stores messages from transcripts, each from a phone of its own number; half of the phones are
    bound."""
    texts = list(islice(cycle(spoken()), MESSAGES))
    with rt.writing() as tx:
        tx.connection.execute(
            insert(phones),
            [
                {
                    "hash": whose,
                    "number": tx.vault.encrypt(number(each), Ciphertext.PHONE, whose),
                    "version": 1,
                }
                for each in range(PHONES)
                for whose in [tx.vault.hash(number(each), "phone")]
            ],
        )
        for each in range(0, PHONES, 2):
            known = phone_state.read(tx, number(each))
            nkp, on_file = str(FIRST_NKP + each), f"{FICTITIOUS}{each:09}"
            bindings.bind(tx, known, nkp, consent="in a measurement", on_file=on_file)
        rows = (
            {
                "carrier": "simulator",
                "carrier_ref": str(each),
                "sender_id": "2757",
                "phone_id": each % PHONES + 1,
                "text": tx.vault.encrypt(
                    text.replace(NKP, own(each)), Ciphertext.MESSAGE, "simulator", str(each)
                ),
                "received_at": tx.now,
                "outcome": "answered",
                "state": MessageState.ANSWERED,
            }
            for each, text in enumerate(texts)
        )
        while part := list(islice(rows, 5000)):
            tx.connection.execute(insert(messages), part)


def own(message: int) -> str:
    return str(FIRST_NKP + message % PHONES)


def number(phone: int) -> str:
    return f"+62857{phone:08}"


def spoken() -> Iterator[str]:
    for path in sorted(Path("tests/transcripts").glob("*.yaml")):
        for conversation in reader.read(path).transcript.conversations:
            yield from (step.text for step in conversation.steps if step.text)


def aliases() -> str:
    raw = document.loads(document.dump_shipped())
    raw["keywords"]["saldo"]["aliases"] = ["DOMPET"]
    raw["keywords"]["kantor"]["aliases"] = []
    return document.dumps(raw)


def wordings() -> str:
    raw = document.loads(aliases())
    for texts in raw["keywords"]["saldo"]["wordings"].values():
        texts["id"] += "[ Terima kasih.]"
    return document.dumps(raw)


def asked(rt: Runtime, draft: str) -> Task:
    """Returns the task as the worker gets it."""
    both = {"published": document.dump_shipped(), "draft": draft}
    what = BacktestRequest(days=1, by="bench", version=0, edition=1, **both)
    return Task(
        id=1,
        kind=TaskKind.REHEARSAL,
        operator_id=1,
        state=TaskState.RUNNING,
        request=what.model_dump(),
        findings=None,
        done=0,
        total=0,
        is_to_stop=False,
        made_at=rt.now(),
        seen_at=rt.now(),
    )


if __name__ == "__main__":
    main()
