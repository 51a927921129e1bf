"""Declares the tables of hourly counts."""

from sqlalchemy import BigInteger, Column, Float, SmallInteger, String, Table

from smsgw.storage.tables.types import Instant, service

tallies = Table(
    "tallies",  # messages of an hour
    service,
    Column("hour", Instant, primary_key=True),
    Column("carrier", String(20), primary_key=True),
    Column("keyword", String(20), primary_key=True),  # "" for none
    Column("outcome", String(20), primary_key=True),
    Column("reason", String(20), primary_key=True),
    Column("messages", BigInteger, nullable=False),
    Column("answered", BigInteger, nullable=False),  # those whose outcome is final
)

reply_tallies = Table(
    "reply_tallies",  # replies to messages of an hour that a carrier accepted
    service,
    Column("hour", Instant, primary_key=True),
    Column("carrier", String(20), primary_key=True),
    Column("bucket", SmallInteger, primary_key=True),  # of what they waited
    Column("replies", BigInteger, nullable=False),
    Column("segments", BigInteger, nullable=False),
    Column("waited", Float, nullable=False),  # seconds, all together
)

answer_tallies = Table(
    "answer_tallies",  # answers to messages of an hour (service_level.py)
    service,
    Column("hour", Instant, primary_key=True),
    Column("carrier", String(20), primary_key=True),
    Column("answers", BigInteger, nullable=False),
    Column("within_5s", BigInteger, nullable=False),
    Column("within_10s", BigInteger, nullable=False),
)

failure_tallies = Table(
    "failure_tallies",  # replies to messages of an hour that no phone got
    service,
    Column("hour", Instant, primary_key=True),
    Column("carrier", String(20), primary_key=True),
    Column("state", String(20), primary_key=True),  # expired or undelivered
    Column("code", String(20), primary_key=True),  # "" for none
    Column("replies", BigInteger, nullable=False),
)

send_tallies = Table(
    "send_tallies",  # ended attempts to send replies to messages of an hour
    service,
    Column("hour", Instant, primary_key=True),
    Column("carrier", String(20), primary_key=True),
    Column("ending", String(20), primary_key=True),
    Column("code", String(20), primary_key=True),
    Column("settled", String(20), primary_key=True),  # "" for none
    Column("sends", BigInteger, nullable=False),
)
