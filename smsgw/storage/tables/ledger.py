"""Declares the participants' ledger: the scheme's own tables, read by look-up."""

from sqlalchemy import Column, Date, String, Table, Text

from smsgw.storage.tables.types import Figure, Rupiah, ledger

participants = Table(
    "participants",
    ledger,
    Column("nkp", String(20), primary_key=True),
    Column("nik", String(16), index=True),
    Column("name", Text),
    Column("birth_date", Date),
    Column("phone", String(16), index=True),
    Column("email", Text),
    Column("category", String(10)),
    Column("status", String(20)),
    Column("status_since", Date),
    Column("status_reason", Text),
    Column("employer", Text),
    Column("emergency_name", Text),
    Column("emergency_phone", String(16)),
)

programs = Table(
    "programs",
    ledger,
    Column("nkp", String(20), primary_key=True),
    Column("program", String(10), primary_key=True),
    Column("since", Date, primary_key=True),
    Column("until", Date),
)

balances = Table(
    "balances",
    ledger,
    Column("nkp", String(20), primary_key=True),
    Column("as_of", Date, primary_key=True),
    Column("contributions", Rupiah),
    Column("returns", Rupiah),
    Column("total", Rupiah),
)

contributions = Table(
    "contributions",
    ledger,
    Column("nkp", String(20), primary_key=True),
    Column("month", Date, primary_key=True),  # its first day
    Column("jht", Rupiah),
    Column("jp", Rupiah),
    Column("jkk", Rupiah),
    Column("jkm", Rupiah),
    Column("jkp", Rupiah),
    Column("paid_on", Date),
)

claims = Table(
    "claims",
    ledger,
    Column("claim_no", String(20), primary_key=True),
    Column("nkp", String(20), index=True),
    Column("program", String(10)),
    Column("reason", Text),
    Column("stage", String(20)),
    Column("filed_on", Date),
    Column("updated_on", Date),
    Column("amount", Rupiah),
    Column("note", Text),
)

offices = Table(
    "offices",
    ledger,
    Column("code", String(10), primary_key=True),
    Column("name", Text),
    Column("city", String(60), index=True),
    Column("address", Text),
    Column("phone", String(20)),
    Column("hours", Text),
    Column("timezone", String(10)),
)

participant_offices = Table(
    "participant_offices",  # whose office is which; a ledger of somebody else's may have none
    ledger,
    Column("nkp", String(20), primary_key=True),
    Column("office", String(10)),
)

rates = Table(
    "rates",
    ledger,
    Column("program", String(20), primary_key=True),
    Column("category", String(30), primary_key=True),
    Column("item", String(30), primary_key=True),
    Column("effective_from", Date, primary_key=True),
    Column("value", Figure),
    Column("unit", String(10)),
    Column("note", Text),
)

contacts = Table(
    "contacts",
    ledger,
    Column("channel", String(20), primary_key=True),
    Column("value", Text),
    Column("hours", Text),
    Column("note", Text),
)
