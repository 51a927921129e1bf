"""Says what names the row of each ciphertext. The name is sealed in with the value, so that whoever
can write to the database but has no key cannot move it to another row."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Select, Table, select

from smsgw.storage.tables.messages import messages, parts, replies
from smsgw.storage.tables.notifications import subscriptions
from smsgw.storage.tables.operators import background_messages, tasks, transcripts
from smsgw.storage.tables.phones import bindings, codes, phones, registrations
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.tables.types import service

Columns = tuple[Column[Any], ...]
_OF_CODE = (codes.c.code_hash,)
_OF_PART = (
    *(parts.c.carrier, parts.c.sender_hash, parts.c.reference, parts.c.number),
    parts.c.carrier_ref,
)
_OF_TASK = (tasks.c.operator_id, tasks.c.kind, tasks.c.made_at)
_OF_TRANSCRIPT = (transcripts.c.made_by, transcripts.c.made_at)

ROW: Mapping[Ciphertext, Columns] = {
    Ciphertext.PHONE: (phones.c.hash,),
    Ciphertext.NKP: (bindings.c.nkp_hash,),
    Ciphertext.CONSENT: (bindings.c.nkp_hash,),
    Ciphertext.ON_FILE: (bindings.c.on_file_hash,),
    Ciphertext.CLAIMED_NKP: _OF_CODE,
    Ciphertext.CLAIMED_ON_FILE: _OF_CODE,
    Ciphertext.PAGES: (phones.c.hash,),
    Ciphertext.ASKED: (phones.c.hash,),
    Ciphertext.MESSAGE: (messages.c.carrier, messages.c.carrier_ref),
    Ciphertext.PART_SENDER: _OF_PART,
    Ciphertext.PART_TEXT: _OF_PART,
    Ciphertext.REPLY: (phones.c.hash, replies.c.message_id, replies.c.binding_id),
    Ciphertext.SUBSCRIPTION: (phones.c.hash, subscriptions.c.kind),
    Ciphertext.TASK: _OF_TASK,
    Ciphertext.FOUND: _OF_TASK,
    Ciphertext.GIVEN: (phones.c.hash, registrations.c.message_id),
    Ciphertext.TRANSCRIPT: _OF_TRANSCRIPT,
    Ciphertext.TRANSCRIPT_NAME: _OF_TRANSCRIPT,
    Ciphertext.BACKGROUND: (background_messages.c.made_by, background_messages.c.made_at),
}


def place(name: Ciphertext) -> tuple[Table, Column[bytes]]:
    table, _, column = name.partition(".")
    return service.tables[table], service.tables[table].c[column]


def values(name: Ciphertext) -> Select[*tuple[Any, ...]]:
    """Selects of each row its `key`, the `sealed` value and what names the row, in that order."""
    table, column = place(name)
    (key,) = table.primary_key.columns
    found = select(key.label("key"), column.label("sealed"), *ROW[name]).select_from(table)
    is_by_phone = table is not phones and phones.c.hash in ROW[name]
    return found.join(phones, phones.c.id == table.c.phone_id) if is_by_phone else found
