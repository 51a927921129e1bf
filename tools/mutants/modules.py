"""Lists which Python files are changed: their group, and the tests nearest to each.

Tests are files or single tests, as pytest takes them, the quick ones first. When a file moves,
change its row; a row whose file is missing is an error.
"""

from dataclasses import dataclass
from pathlib import Path

from tools.mutants.mutant import (
    CODES,
    DISCLOSURE,
    LIMITS,
    LOCKS,
    MONEY,
    ROOT,
    SAFETY,
    STRUCTURE,
    WORDS,
)


class Missing(Exception):
    """A row of the table names what is not there."""


@dataclass(frozen=True, slots=True)
class Module:
    """Describes a module. `only` names the functions, methods and constants that are changed; all
    of them if it is empty. `hints` are what conversations about it contain, besides its name."""

    path: str
    group: str
    tests: tuple[str, ...]
    only: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


DECISION = "tests/handlers/test_decision.py"
REGISTRATION = "tests/smsgw/test_registration.py"
OFFICERS = "tests/smsgw/backoffice/test_casework.py"
COPY = "tests/smsgw/backoffice/test_personal_copy.py"
REQUESTS = "tests/smsgw/backoffice/test_access_requests.py"
STRANGERS = "tests/smsgw/test_conversations.py::test_no_reply_discloses_another_participant"
RESPONDER = "tests/smsgw/test_responder.py"
REPLIES = "tests/smsgw/configuration/test_wording.py"
LIMIT = "tests/smsgw/messaging/test_rate_limits.py"
INTEGRITY = "tests/smsgw/operations/test_integrity.py"
ATTACKS = "tests/smsgw/test_attacks.py"
REDACT = "tests/grammar/test_redact.py"
REHEARSAL = "tests/smsgw/backoffice/test_backtest.py"
DECOYS = "tests/smsgw/backoffice/test_decoys.py"
BUDGET = "tests/smsgw/test_budget.py"
LOCKED = "tests/smsgw/console/waiting/test_lockouts.py"
WAITING = "tests/smsgw/console/waiting/test_registrations.py"
LOAD = "tests/smsgw/ledger/test_csv_import.py"
TYPED = "tests/grammar/test_typed.py::test_typed_messages_are_recognised"
PARSER = "tests/grammar/test_parser.py"
SLIPS = "tests/grammar/test_slips.py"
TOPICS = "tests/grammar/test_topics.py::test_all_is_understood_as_the_file_says"
NO_TOPIC = (
    "tests/grammar/test_topics.py::test_what_is_about_something_else_is_not_answered_by_the_topic"
)
CONCEPTS = "tests/grammar/test_concepts.py::test_phrases_and_any_form_of_their_words_are_found"
STEMS = "tests/grammar/test_concepts.py::test_no_stem_is_shorter_than_four_letters"
AFFIXES = "tests/grammar/test_concepts.py::test_each_beginning_and_ending_is_read"
DRAWN = "tests/grammar/test_concepts.py::test_letters_drawn_out_count_once"
ANSWERS = "tests/grammar/test_answers.py::test_an_answer_is_read_in_whichever_words"
NO_ANSWER = (
    "tests/grammar/test_answers.py::test_what_asks_or_takes_back_or_says_several_is_no_answer"
)

FINDINGS = "tests/smsgw/notifications/test_findings.py"
TAKEN_BACK = "tests/smsgw/messaging/test_notification_replies.py"
NOTIFIED = "tests/smsgw/notifications/test_cycle.py"
QUIET = "tests/smsgw/notifications/test_quiet_hours.py"

DISCLOSURE_TESTS = (REGISTRATION, RESPONDER, STRANGERS)

MODULES = (
    Module("handlers/disclosure.py", DISCLOSURE, DISCLOSURE_TESTS, hints=("not_linked", "locked")),
    Module(
        "handlers/bound_participant.py",
        DISCLOSURE,
        DISCLOSURE_TESTS,
        hints=("confirm", "not_linked"),
    ),
    Module("handlers/ya.py", DISCLOSURE, DISCLOSURE_TESTS, hints=("hurufnya",)),
    Module("handlers/daftar.py", DISCLOSURE, DISCLOSURE_TESTS),
    Module("handlers/kode.py", DISCLOSURE, (REGISTRATION, STRANGERS)),
    Module("handlers/tolak.py", CODES, (ATTACKS,)),
    Module("handlers/ulang.py", DISCLOSURE, DISCLOSURE_TESTS),
    Module("handlers/lanjut.py", DISCLOSURE, DISCLOSURE_TESTS),
    Module("handlers/bukan_saya.py", DISCLOSURE, (REGISTRATION, STRANGERS)),
    Module("handlers/ganti_hp.py", DISCLOSURE, (REGISTRATION, STRANGERS)),
    Module("handlers/data.py", DISCLOSURE, (RESPONDER, STRANGERS)),
    Module("handlers/klaim.py", DISCLOSURE, (RESPONDER, STRANGERS)),
    Module("handlers/status.py", DISCLOSURE, (RESPONDER, STRANGERS)),
    Module("smsgw/backoffice/ownership.py", DISCLOSURE, (COPY,), hints=("data_saya",)),
    Module(
        "smsgw/backoffice/access_requests.py",
        DISCLOSURE,
        (COPY, REQUESTS),
        hints=("data_saya",),
    ),
    Module("smsgw/registry/case_exports.py", DISCLOSURE, (REQUESTS,), hints=("data_saya",)),
    Module(
        "smsgw/backoffice/personal_copy/participants.py",
        DISCLOSURE,
        (COPY,),
        only=("bindings", "ever_bound"),
        hints=("data_saya",),
    ),
    Module(
        "smsgw/backoffice/figures.py",
        DISCLOSURE,
        ("tests/smsgw/backoffice/test_figures.py",),
        only=("LEAST", "folded", "_fold", "_sum", "_counted"),
    ),
    Module(
        "smsgw/ledger/sql_ledger.py",
        DISCLOSURE,
        ("tests/smsgw/ledger/test_replica.py",),
        only=("SqlSource._servers",),
    ),
    Module(
        "smsgw/ledger/replica.py",
        DISCLOSURE,
        ("tests/smsgw/ledger/test_replica.py",),
        only=("Replica.is_trusted", "Replica.measure", "Replica._behind"),
    ),
    Module(
        "smsgw/ledger/batch_ledger.py",
        DISCLOSURE,
        ("tests/smsgw/ledger/test_batch_ledger.py", "tests/smsgw/test_batches.py"),
        only=("BatchLedger._rows", "BatchLedger._keep"),
    ),
    Module("smsgw/notifications/telling.py", DISCLOSURE, (NOTIFIED,), hints=("notif",)),
    Module("smsgw/registry/subscriptions.py", DISCLOSURE, (NOTIFIED,), hints=("notif",)),
    Module("smsgw/notifications/quiet_hours.py", LIMITS, (QUIET, NOTIFIED), hints=("notif",)),
    Module("smsgw/notifications/findings.py", LIMITS, (FINDINGS, NOTIFIED), hints=("notif",)),
    Module(
        "smsgw/messaging/notification_replies.py",
        LIMITS,
        (TAKEN_BACK, NOTIFIED),
        only=("is_unwanted", "withdraw", "refusal", "on_their_way", "must_wait"),
    ),
    Module(
        "smsgw/messaging/send_gate.py",
        DISCLOSURE,
        (TAKEN_BACK, "tests/smsgw/operations/test_jobs.py"),
    ),
    Module("handlers/decision.py", DISCLOSURE, (DECISION, *DISCLOSURE_TESTS), hints=("confirm",)),
    Module(
        "smsgw/registry/phone_state.py",
        DISCLOSURE,
        (*DISCLOSURE_TESTS[:2], OFFICERS, STRANGERS, REHEARSAL),
        hints=("daftar",),
    ),
    Module(
        "smsgw/registry/held_bindings.py",
        DISCLOSURE,
        (*DISCLOSURE_TESTS[:2], OFFICERS, STRANGERS, REHEARSAL),
        hints=("daftar",),
    ),
    Module(
        "smsgw/registry/bindings.py",
        DISCLOSURE,
        (*DISCLOSURE_TESTS[:2], OFFICERS, STRANGERS, REHEARSAL),
        hints=("daftar",),
    ),
    Module(
        "smsgw/registry/changes.py",
        DISCLOSURE,
        (*DISCLOSURE_TESTS[:2], OFFICERS, STRANGERS, REHEARSAL),
        hints=("daftar",),
    ),
    Module("smsgw/registry/registrations.py", DISCLOSURE, (OFFICERS, WAITING), hints=("daftar",)),
    Module("smsgw/registry/reply_pages.py", DISCLOSURE, DISCLOSURE_TESTS, hints=("lanjut",)),
    Module("smsgw/registry/open_questions.py", DISCLOSURE, DISCLOSURE_TESTS, hints=("confirm",)),
    Module(
        "smsgw/registry/lockout.py",
        LOCKS,
        (REGISTRATION, DECOYS, OFFICERS, LOCKED, RESPONDER),
        hints=("locked",),
    ),
    Module(
        "smsgw/registry/registration_codes.py",
        CODES,
        (REGISTRATION, OFFICERS, ATTACKS, LOCKED),
        hints=("kode",),
    ),
    Module("smsgw/registry/freezes.py", CODES, (ATTACKS, INTEGRITY, LOCKED), hints=("tolak",)),
    Module(
        "smsgw/messaging/rate_limits.py",
        LIMITS,
        (RESPONDER, LIMIT, BUDGET),
        hints=("throttled", "loop"),
    ),
    Module("smsgw/storage/counters.py", LIMITS, (RESPONDER, LIMIT, BUDGET), hints=("throttled",)),
    Module(
        "smsgw/messaging/screening.py",
        LIMITS,
        (RESPONDER, LIMIT),
        only=(
            "REPEAT_WITHIN",
            "WAITS",
            "NEVER_REPEATS",
            "ECHO_FROM",
            "may_be_answered",
            "is_echo",
            "is_repeat",
        ),
        hints=("duplicate", "echo"),
    ),
    Module(
        "smsgw/responder.py",
        LIMITS,
        (RESPONDER, LIMIT),
        only=("_decide", "_decide_anew", "TAKE_BACK", "TAKEN_BACK", "_spend"),
        hints=("throttled", "duplicate", "echo", "tolak"),
    ),
    Module(
        "smsgw/messaging/answer_limits.py",
        LIMITS,
        (RESPONDER, LIMIT),
        hints=("throttled", "tolak"),
    ),
    Module("grammar/topics.py", STRUCTURE, (TOPICS, NO_TOPIC, PARSER, TYPED)),
    Module("grammar/run_together.py", STRUCTURE, ("tests/grammar/test_run_together.py",)),
    Module("grammar/concepts.py", STRUCTURE, (CONCEPTS, AFFIXES, STEMS, DRAWN, TOPICS)),
    Module("grammar/answers.py", STRUCTURE, (ANSWERS, NO_ANSWER, TOPICS, DECISION), hints=("ya",)),
    Module("grammar/slips.py", STRUCTURE, (SLIPS, PARSER, TYPED)),
    Module(
        "grammar/whole_message.py",
        STRUCTURE,
        (PARSER, ANSWERS, NO_ANSWER, TOPICS, TYPED),
        hints=("ya",),
    ),
    Module("handlers/saldo.py", MONEY, (RESPONDER,)),
    Module("handlers/iuran.py", MONEY, (RESPONDER,)),
    Module("handlers/jp.py", MONEY, (RESPONDER,)),
    Module("handlers/info.py", MONEY, (RESPONDER,)),
    Module(
        "smsgw/configuration/placeholders.py",
        MONEY,
        (REPLIES,),
        only=("show", "_"),
        hints=("saldo",),
    ),
    Module(
        "smsgw/configuration/wording.py",
        MONEY,
        (REPLIES,),
        only=("_fitted_pieces",),
        hints=("saldo",),
    ),
    Module(
        "smsgw/ledger/values.py",
        MONEY,
        ("tests/smsgw/ledger/test_values.py",),
        only=("amount", "figure", "day", "nkp_of", "number_on_file", "_phones"),
        hints=("saldo",),
    ),
    Module(
        "smsgw/ledger/statements.py",
        MONEY,
        (RESPONDER, LOAD),
        only=(
            "PAID",
            "BALANCE",
            "LAST_CONTRIBUTION",
            "PAID_IN",
            "PENSION_MONTHS",
            "PROGRAMS",
            "CLAIMS",
            "MOST_CLAIMS",
            "RATES",
        ),
        hints=("saldo", "iuran"),
    ),
    Module(
        "smsgw/ledger/row_ledger.py",
        MONEY,
        (RESPONDER, LOAD),
        only=(
            "RowLedger.balance",
            "RowLedger.last_contribution",
            "RowLedger.paid_in",
            "RowLedger.pension_months",
        ),
        hints=("saldo", "iuran"),
    ),
)

# Of the configuration, by group.
CONFIGURATION_TESTS = {
    SAFETY: (REDACT, REPLIES, REGISTRATION),
    MONEY: (REPLIES, RESPONDER),
    WORDS: (PARSER, TYPED, TOPICS),
    STRUCTURE: (PARSER, REPLIES, TYPED, TOPICS),
}


def check(root: Path = ROOT, modules: tuple[Module, ...] = MODULES) -> None:
    """Raises Missing."""
    named = [path for module in modules for path in (module.path, *module.tests)]
    named += [path for tests in CONFIGURATION_TESTS.values() for path in tests]
    files = dict.fromkeys(path.partition("::")[0] for path in named)
    gone = [path for path in files if not (root / path).is_file()]
    if gone:
        raise Missing(f"tools/mutants/modules.py names files that are missing: {', '.join(gone)}")
