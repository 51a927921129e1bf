"""Makes the participants of a measurement, and the signed webhooks that they send."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from urllib.parse import urlencode

from sqlalchemy import insert

from smsgw.carriers.twilio import signature
from smsgw.runtime import Runtime
from smsgw.storage import row_macs
from smsgw.storage.tables.ledger import balances, contributions, participants
from smsgw.storage.tables.phones import MadeBy, bindings, phones
from smsgw.storage.tables.security import Ciphertext
from tests.support.twilio_api import TWILIO

SENDER_ID = "2757"
SALDO = ("SALDO", "SALDO JHT")
OTHERS = ("INFO", "BANTUAN", "apa kabar pak", "KANTOR")  # 12 in 100, of phones that are not bound


def number_of(index: int) -> str:
    return f"+62812{index:08}"


def nkp_of(index: int) -> str:
    return str(80_000_000_000 + index)


def seed(rt: Runtime, bound: int) -> None:
    """Stores participants with a balance, each bound to a phone."""
    day = datetime.now(UTC).date().replace(day=1)
    nkps = [nkp_of(index) for index in range(bound)]
    with rt.ledger.engine.begin() as ledger:
        people = [
            {
                "nkp": nkp,
                "nik": f"31730{i:011}",
                "name": "Ani",
                "phone": number_of(i),
                "status": "AKTIF",
            }
            for i, nkp in enumerate(nkps)
        ]
        ledger.execute(insert(participants), people)
        ledger.execute(
            insert(balances), [{"nkp": n, "as_of": day, "total": 12_345_678} for n in nkps]
        )
        ledger.execute(insert(contributions), [{"nkp": n, "month": day, "jht": 1} for n in nkps])
    bind_phones(rt, nkps)


def bind_phones(rt: Runtime, nkps: Sequence[str]) -> None:
    """Binds a phone to each participant: `number_of` their place in the list."""
    with rt.writing() as tx:
        hashes = [tx.vault.hash(number_of(i), "phone") for i in range(len(nkps))]
        rows = [
            {"hash": h, "number": tx.vault.encrypt(number_of(i), Ciphertext.PHONE, h), "version": 1}
            for i, h in enumerate(hashes)
        ]
        added = insert(phones).returning(phones.c.hash, phones.c.id)
        ids = dict(tx.connection.execute(added, rows).all())
        tx.connection.execute(
            insert(bindings), [_binding(tx, i, nkp, hashes[i], ids) for i, nkp in enumerate(nkps)]
        )


def _binding(
    tx, index: int, nkp: str, phone_hash: bytes, ids: dict[bytes, int]
) -> dict[str, object]:
    number, nkp_hash = number_of(index), tx.vault.hash(nkp, "nkp")
    on_file_hash = tx.vault.hash(number, "phone")
    row = {
        "phone_id": ids[phone_hash],
        "nkp_hash": nkp_hash,
        "nkp": tx.vault.encrypt(nkp, Ciphertext.NKP, nkp_hash),
        "bound_at": tx.now,
        "consented_at": tx.now,
        "on_file": tx.vault.encrypt(number, Ciphertext.ON_FILE, on_file_hash),
        "on_file_hash": on_file_hash,
        "made_by": MadeBy.CONSENT,
        "tells_from": None,
        "used_at": tx.now,
    }
    return row | {"mac": row_macs.BINDING.make(tx.vault, {**row, "phone": phone_hash})}


def webhooks(
    port: int,
    start: int,
    end: int,
    *,
    phones: int | None = None,
    sender_ids: Sequence[str] = (SENDER_ID,),
) -> Iterator[tuple[str, bytes]]:
    """Signs webhooks beforehand, so that making them is not measured. Where there are fewer
    `phones` than messages, they write again, never twice the same in a row."""
    chance = Random(start)
    made = []
    for index in range(start, end):
        is_saldo = chance.random() < 0.88
        again, phone = divmod(index, phones or end)
        sender = number_of(phone) if is_saldo else f"+62813{index:08}"
        text = SALDO[again % len(SALDO)] if is_saldo else chance.choice(OTHERS)
        to = sender_ids[index % len(sender_ids)]
        made.append((sender, _webhook(port, index, sender, text, to)))
    return iter(made)


def _webhook(port: int, index: int, sender: str, text: str, to: str) -> bytes:
    sid = f"SM{index:032}"
    fields = {
        "ToCountry": "ID",
        "ToState": "",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "ToCity": "",
        "FromZip": "",
        "SmsSid": sid,
        "FromState": "",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": text,
        "FromCountry": "ID",
        "To": to,
        "ToZip": "",
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": TWILIO["TWILIO_ACCOUNT_SID"],
        "From": sender,
        "ApiVersion": "2010-04-01",
    }
    address = f"{TWILIO['SMSGW_PUBLIC_URL']}/in/twilio"
    signed = signature(TWILIO["TWILIO_AUTH_TOKEN"], address, tuple(fields.items()))
    body = urlencode(fields).encode()
    head = (
        f"POST /in/twilio HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: {signed}\r\n\r\n"
    )
    return head.encode() + body
