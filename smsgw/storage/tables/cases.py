"""Declares the tables of complaints, of requests about data, of who may hand out a copy, and of
holidays."""

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Index, LargeBinary, String, Table

from smsgw.storage.tables.types import Id, Instant
from smsgw.storage.tables.types import service as service

cases = Table(
    "cases",  # what a person has to see to
    service,
    Column("id", Id, primary_key=True),
    Column("number", String(20), nullable=False, unique=True),  # ADU-251031-0042
    Column("kind", String(20), nullable=False),
    Column("phone_id", Id, ForeignKey("phones.id"), nullable=False),
    Column("message_id", Id, nullable=False),  # which holds its text
    Column("text_hash", LargeBinary(32), nullable=False),  # of that text's normal form
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("assigned_to", Id, ForeignKey("operators.id")),
    CheckConstraint("kind IN ('complaint', 'data_request', 'access_request')", name="kind"),
    Index("ix_cases_phone_id", "phone_id"),
    Index("ix_cases_message_id", "message_id"),
)

NOT_CLOSED = cases.c.closed_at.is_(None)

Index("ix_cases_open", cases.c.id, sqlite_where=NOT_CLOSED, postgresql_where=NOT_CLOSED)

case_exports = Table(
    "case_exports",  # the copies that access requests ask for: one person asks, another approves
    service,
    Column("case_id", Id, ForeignKey("cases.id"), primary_key=True),
    Column("asked_by", String(64), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("approved_by", String(64)),
    Column("approved_at", Instant),
    Column("mac", LargeBinary(33), nullable=False),  # that we wrote who asked and who approved
)

holidays = Table(
    "holidays",  # days on which the scheme does not work
    service,
    Column("day", Date, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("added_by", String(64), nullable=False),
    Column("added_at", Instant, nullable=False),
)
