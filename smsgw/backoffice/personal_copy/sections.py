"""Lists the sections of the copy, the tables that each reads, and what the copy leaves out.

What another person's binding discloses stays out, and the number of another phone is masked.
`tests/smsgw/backoffice/test_personal_copy.py` checks that each table is in a section or in
LEFT_OUT.
"""

from collections.abc import Callable, Mapping

from smsgw.backoffice.ownership import Owner
from smsgw.backoffice.personal_copy import news, participants, record, traffic
from smsgw.backoffice.personal_copy.rows import Entry
from smsgw.storage.transaction import Transaction

Section = Callable[[Transaction, Owner], list[Entry]]

# Each section with the tables that it reads.
SECTIONS: Mapping[str, tuple[Section, tuple[str, ...]]] = {
    "phone": (traffic.phone, ("phones",)),
    "messages": (traffic.messages, ("messages",)),
    "replies": (traffic.replies, ("replies", "attempts")),
    "open_question": (traffic.open_question, ("questions",)),
    "further_pages": (traffic.further_pages, ("pages",)),
    "parts_of_long_messages": (traffic.parts_of_messages, ("parts",)),
    "bindings": (participants.bindings, ("bindings",)),
    "notifications_asked_for": (news.subscriptions, ("subscriptions",)),
    "notifications": (
        news.notifications,
        ("notifications", "notification_lists"),
    ),
    "registrations": (participants.registrations, ("registrations", "registration_looks")),
    "codes": (participants.codes, ("codes",)),
    "wrong_tries": (participants.wrong_tries, ("guesses", "named", "wrong_codes")),
    "blocks": (participants.blocks, ("freezes", "rejections")),
    "ever_bound": (participants.ever_bound, ("past_bindings",)),
    "cases": (record.cases, ("cases", "case_exports")),
    "audit": (record.audit, ("audit",)),
}

# Tables of which the copy says nothing, each with the reason.
LEFT_OUT: Mapping[str, str] = {
    "answer_tallies": "counts, of nobody in particular",
    "audit_head": "the last seal of the audit log",
    "background_messages": "made-up messages that operators keep to try keywords on",
    "configurations": "what operators published",
    "data_keys": "keys",
    "deleted_months": "months",
    "decoys": "numbers that nobody has",
    "drafts": "what operators write",
    "failed_checks": "ids of damaged rows",
    "failure_tallies": "counts, of nobody in particular",
    "freeze_counts": "how many rows `freezes` has",
    "holidays": "days without work",
    "message_refs": "what carriers named messages by, which the messages say too",
    "notification_days": "counts, of nobody in particular",
    "notification_digests": "keyed hashes of what the notifications tell",
    "notification_kinds": "what operators switched",
    "notification_runs": "what operators started; counts",
    "operators": "operators' accounts",
    "past_drafts": "what operators wrote",
    "planned_changes": "what operators plan for offices, rates and contacts",
    "reply_tallies": "counts, of nobody in particular",
    "send_tallies": "counts, of nobody in particular",
    "sessions": "operators' logins",
    "tallies": "counts, of nobody in particular",
    "tasks": "what operators looked for; the audit log says what they looked at",
    "transcripts": "conversations of fictitious people",
}


def collect(tx: Transaction, owner: Owner) -> dict[str, list[Entry]]:
    """Returns the sections by their names. All of it is decrypted."""
    return {name: section(tx, owner) for name, (section, _) in SECTIONS.items()}
