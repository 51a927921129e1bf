"""Lists what alerts are for, and what they should stay silent on."""

from tests.support.alert_worlds import MINUTES, STEP, World, begins, constant, jumps, rises

RECEIVED = 'smsgw_messages_received_total{carrier="twilio"}'
UNKNOWN = 'smsgw_messages_answered_total{keyword="",outcome="unknown",reason=""}'
OLDEST = 'smsgw_outbox_oldest_seconds{carrier="twilio",sender_id="2757",state="queued"}'
SENDS = 'smsgw_sends_total{{carrier="twilio",ending="{}",code="{}"}}'
LEDGER = 'smsgw_ledger_failures_total{{look_up="{}",kind="{}"}}'
WITHIN = 'smsgw_service_level_answers_within{{carrier="twilio",seconds="{}"}}'
PART = 'smsgw_part_up{{part="{}"}}'
UP = 'up{job="smsgw"}'
SILENCE = "no message has come in for an hour of the day"
DOWN = "no web process answers, or none is scraped"
SERVICE_LEVEL = (
    "in an hour only {} of the answers by twilio were in time; "
    "the goals are 95% within 5 s and 99% within 10 s"
)
LATE = {
    f'smsgw_reply_seconds_bucket{{carrier="twilio",le="{le}"}}': rises(50)
    for le in (1, 2.5, 5, 10, 30)
}

ALL_IS_WELL = [
    World("all is well"),
    World("a night without messages", {RECEIVED: constant(100)}, at="55m"),
    World("no worker sent anything, and nothing waits", {OLDEST: None}),
    World("no limit is set and no replica", {"smsgw_budget_segments": None}),
    World("a part that is not known", {PART.format("worker"): None}),
    World("the ledger is away for a moment", {PART.format("ledger"): constant(0)}),
    World("the first message came ten minutes ago", {RECEIVED: begins(1, MINUTES - 10)}),
    World(
        "few answers are late in an hour with hardly any",
        {
            'smsgw_service_level_answers{carrier="twilio"}': rises(1),
            WITHIN.format(5): constant(0),
            WITHIN.format(10): constant(0),
        },
    ),
]

NOTHING_THERE = [
    World("the target vanished", alerts={"SmsgwDown": DOWN}, is_scraped=False),
    World(
        "no web process answers",
        {UP: constant(0), RECEIVED: "5x30 stale"},
        {"SmsgwDown": DOWN},
    ),
    World(
        "one of several web processes is gone",
        of_one={UP: constant(0)},
        alerts={
            "SmsgwWebProcessDown": (
                "the web process web-0:8000 does not answer; others do",
                {"job": "smsgw", "instance": "web-0:8000"},
            )
        },
    ),
    World("no message ever came", {RECEIVED: None}, {"SmsgwSilence": SILENCE}),
    World("no message came by day", {RECEIVED: constant(100)}, {"SmsgwSilence": SILENCE}),
    *(
        World(
            f"{part} is dead and nothing waits",
            {PART.format(part): jumps(-1, 100, start=1), OLDEST: None},
            {"SmsgwPartDown": (f"the {part} does not work", {"part": part})},
        )
        for part in ("worker", "clock", "queue", "database")
    ),
    World(
        "one web process sees no database",
        of_one={PART.format("database"): constant(0)},
        alerts={"SmsgwPartDown": ("the database does not work", {"part": "database"})},
    ),
]

REPLIES = [
    World(
        "replies wait",
        {OLDEST: constant(180)},
        {"SmsgwRepliesWait": "replies have waited for 3m 0s"},
    ),
    World(
        "replies expired",
        {"smsgw_replies_lost": jumps(3, MINUTES - 14, start=4)},
        {"SmsgwRepliesLost": "3 replies expired before they could leave"},
    ),
    World(
        "nobody knows of sends",
        {"smsgw_unknowns": constant(12)},
        {"SmsgwUnknownSends": "nobody knows whether 12 replies went out"},
    ),
    World(
        "the carrier refuses one in ten",
        {SENDS.format("refused", "30007"): rises(7)},
        {
            "SmsgwCarrierRefuses": (
                "twilio refuses more than one send in twenty",
                {"carrier": "twilio"},
            )
        },
    ),
    World(
        "the carrier fails one in ten",
        {SENDS.format("unknown", "5xx"): rises(7)},
        {
            "SmsgwCarrierFails": (
                "twilio cannot be reached, or answers nonsense",
                {"carrier": "twilio"},
            )
        },
    ),
    World(
        "one reply in six takes a minute",
        LATE,
        {"SmsgwSlow": "one reply in twenty takes longer than 30 s"},
    ),
    World(
        "one answer in ten is later than five seconds",
        {WITHIN.format(5): rises(54)},
        {"SmsgwServiceLevel": (SERVICE_LEVEL.format("90%"), {"carrier": "twilio"})},
    ),
    World(
        "one answer in fifty is later than ten seconds",
        {WITHIN.format(5): rises(58.8), WITHIN.format(10): rises(58.8)},
        {"SmsgwServiceLevel": (SERVICE_LEVEL.format("98%"), {"carrier": "twilio"})},
    ),
    World(
        "half of the messages are not understood",
        {UNKNOWN: rises(50)},
        {
            "SmsgwNotUnderstood": "four messages in ten are not understood; "
            "is a wrong format in print?"
        },
    ),
]

LEDGER_FAILS = [
    World(
        "an answer is owed",
        {"smsgw_answers_owed_oldest_seconds": constant(600)},
        {"SmsgwAnswersOwed": "an answer has waited for the ledger for 10m 0s"},
    ),
    World(
        "the ledger refuses a look-up",
        {LEDGER.format("balance", "refused"): jumps(1, MINUTES - 5, start=7)},
        {
            "SmsgwLedgerRefuses": (
                "the ledger refuses balance; it does not recover by itself",
                {"look_up": "balance"},
            )
        },
    ),
    World(
        "a look-up is slow",
        {LEDGER.format("balance", "slow"): rises(3)},
        {
            "SmsgwLedgerSlow": (
                "balance takes the ledger longer than two seconds",
                {"look_up": "balance"},
            )
        },
    ),
    World(
        "the replica is behind",
        {"smsgw_ledger_replica_lag_seconds": constant(120)},
        {"SmsgwReplicaBehind": "the ledger's replica is 2m 0s behind; balances are told from it"},
    ),
    World(
        "nobody knows how far the replica is behind",
        {"smsgw_ledger_replica_lag_seconds": " ".join((MINUTES // STEP + 1) * ["Inf"])},
        {"SmsgwReplicaBehind": "the ledger's replica is +Inf behind; balances are told from it"},
    ),
    World(
        "the replica is away",
        {LEDGER.format("replica", "away"): rises(2)},
        {
            "SmsgwReplicaAway": (
                "the ledger's replica does not answer (away); the primary is asked",
                {"kind": "away"},
            )
        },
    ),
    World(
        "numbers on file change for too many",
        {"smsgw_numbers_changed": constant(100)},
        {
            "SmsgwNumbersChanged": "numbers on file changed for 100 phones in an hour; "
            "no more are unbound"
        },
    ),
    World(
        "numbers on file are not clear",
        {"smsgw_numbers_unclear": constant(21)},
        {
            "SmsgwNumbersUnclear": "21 times in an hour no data was disclosed, "
            "since the ledger has no clear number"
        },
    ),
    World(
        "a bug took an answer",
        {"smsgw_answers_failed": jumps(1, MINUTES - 30, start=2)},
        {"SmsgwAnswersFailed": "deferred answers failed with a bug"},
    ),
]

SECURITY = [
    World(
        "most of the day's segments are spent",
        {"smsgw_budget_spent_segments": constant(900)},
        {
            "SmsgwBudget": "900 segments are spent; at the day's limit nobody is answered",
        },
    ),
    World(
        "most segments of a calling code are spent",
        {'smsgw_code_budget_spent_segments{code="62"}': constant(450)},
        {
            "SmsgwBudget": (
                "450 segments to +62 are spent; at the day's limit nobody there is answered",
                {"code": "62"},
            )
        },
    ),
    World(
        "somebody tries codes",
        {"smsgw_wrong_codes": constant(50)},
        {"SmsgwWrongCodes": "50 wrong codes were typed in a day; somebody tries them"},
    ),
    World(
        "one phone tries numbers",
        {"smsgw_decoys_by_one_phone": constant(2)},
        {
            "SmsgwDecoysOfAPhone": "one phone named 2 numbers in a day that were never issued; "
            "it tries numbers"
        },
    ),
    World(
        "many phones try numbers",
        {"smsgw_decoy_phones": constant(10)},
        {
            "SmsgwDecoysOfManyPhones": "10 phones named numbers in a day that were never issued; "
            "somebody tries them"
        },
    ),
    World(
        "a clock is ahead",
        {'smsgw_clock_skew_seconds{process="worker"}': constant(90)},
        {
            "SmsgwClockWrong": (
                "the clock of worker is 1m 30s ahead of the database's; nothing expires meanwhile",
                {"process": "worker"},
            )
        },
    ),
    World(
        "one web process is behind",
        of_one={'smsgw_clock_skew_seconds{process="web"}': constant(-90)},
        alerts={
            "SmsgwClockWrong": (
                "the clock of web is -1m 30s ahead of the database's; nothing expires meanwhile",
                {"process": "web"},
            )
        },
    ),
    World(
        "a month has no partition",
        {"smsgw_months_without_partition": constant(1)},
        {
            "SmsgwPartitionMissing": "1 months have no partition of their own; their rows cannot "
            "be deleted as a whole"
        },
    ),
    World(
        "rows cannot be opened",
        {'smsgw_failed_checks{table="bindings"}': constant(2)},
        {
            "SmsgwFailedChecks": (
                "2 rows of bindings are damaged, or were written by somebody else",
                {"table": "bindings"},
            )
        },
    ),
]

WORLDS = [*ALL_IS_WELL, *NOTHING_THERE, *REPLIES, *LEDGER_FAILS, *SECURITY]
