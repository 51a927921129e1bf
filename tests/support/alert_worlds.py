"""Describes what Prometheus scrapes for hours, and the alerts that it should raise then."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smsgw.messaging.hourly_counts import BUCKETS

STEP = 2  # minutes between two scrapes; with one, the tests take four times as long
MINUTES = 150
Values = str | None  # in promtool's notation; None: it is not there


def constant(value: float) -> str:
    return f"{value}x{MINUTES // STEP}"


def rises(by: float) -> str:
    """Returns a value that rises by so many a minute."""
    return f"0+{by * STEP}x{MINUTES // STEP}"


def jumps(by: float, at: int, start: float = 0) -> str:
    """Returns a value that is another one from minute `at` on."""
    return f"{start}x{at // STEP} {start + by}x{(MINUTES - at) // STEP}"


def begins(value: float, at: int) -> str:
    """Returns a value that is there from minute `at` on."""
    return f"_x{at // STEP} {value}x{(MINUTES - at) // STEP}"


WELL: dict[str, Values] = {
    'up{job="smsgw"}': constant(1),
    **{
        f'smsgw_part_up{{part="{part}"}}': constant(1)
        for part in ("database", "ledger", "queue", "worker", "clock")
    },
    'smsgw_part_up{part="carrier",carrier="twilio"}': constant(1),
    'smsgw_messages_received_total{carrier="twilio"}': rises(60),
    'smsgw_messages_answered_total{keyword="saldo",outcome="answered",reason=""}': rises(50),
    'smsgw_messages_answered_total{keyword="",outcome="unknown",reason=""}': rises(10),
    'smsgw_outbox_oldest_seconds{carrier="twilio",sender_id="2757",state="queued"}': constant(3),
    "smsgw_replies_lost": constant(4),
    "smsgw_answers_owed_oldest_seconds": constant(0),
    "smsgw_answers_failed": constant(2),
    **{
        f'smsgw_ledger_failures_total{{look_up="{name}",kind="{kind}"}}': constant(7)
        for name in ("balance", "replica")
        for kind in ("away", "slow", "refused")
    },
    "smsgw_ledger_replica_lag_seconds": constant(1),
    "smsgw_numbers_changed": constant(2),
    "smsgw_numbers_changed_limit": constant(100),
    "smsgw_numbers_unclear": constant(1),
    "smsgw_unknowns": constant(1),
    'smsgw_sends_total{carrier="twilio",ending="sent",code=""}': rises(60),
    'smsgw_sends_total{carrier="twilio",ending="refused",code="30007"}': rises(1),
    'smsgw_sends_total{carrier="twilio",ending="unknown",code="5xx"}': rises(1),
    **{
        f'smsgw_reply_seconds_bucket{{carrier="twilio",le="{le}"}}': rises(60 if le >= 1 else 0)
        for le in (*BUCKETS, float("inf"))
    },
    'smsgw_service_level_answers{carrier="twilio"}': rises(60),
    'smsgw_service_level_answers_within{carrier="twilio",seconds="5"}': rises(60),
    'smsgw_service_level_answers_within{carrier="twilio",seconds="10"}': rises(60),
    "smsgw_budget_segments": constant(1000),
    "smsgw_budget_spent_segments": constant(100),
    'smsgw_code_budget_segments{code="62"}': constant(500),
    'smsgw_code_budget_spent_segments{code="62"}': constant(100),
    "smsgw_wrong_codes": constant(3),
    "smsgw_decoys_by_one_phone": constant(1),
    "smsgw_decoy_phones": constant(2),
    **{
        f'smsgw_clock_skew_seconds{{process="{process}"}}': constant(0.2)
        for process in ("web", "worker", "clock")
    },
}


@dataclass(frozen=True)
class World:
    """Says what differs from WELL, and what is raised by then: the summary of each alert, with the
    labels that tell it from others. `of_one`: series of one web process only, such as its `up`."""

    name: str
    changes: Mapping[str, Values] = field(default_factory=dict)
    alerts: Mapping[str, str | tuple[str, dict[str, str]]] = field(default_factory=dict)
    at: str = f"{MINUTES}m"
    is_scraped: bool = True
    of_one: Mapping[str, Values] = field(default_factory=dict)

    def promtool(self, rules: Mapping[str, Mapping[str, Any]], processes: int) -> dict[str, Any]:
        """Writes it as a test of promtool, as so many web processes tell it."""
        return {
            "name": f"{self.name}, {processes} scraped",
            "interval": f"{STEP}m",
            "input_series": [
                {"series": _of_process(name, number), "values": values}
                for number in range(processes)
                for name, values in self._told(number).items()
                if values is not None and self.is_scraped
            ],
            "alert_rule_test": [
                {"eval_time": self.at, "alertname": name, "exp_alerts": self._expected(name, rule)}
                for name, rule in rules.items()
            ],
        }

    def _told(self, number: int) -> dict[str, Values]:
        return WELL | self.changes | (self.of_one if number == 0 else {})

    def _expected(self, name: str, rule: Mapping[str, Any]) -> list[dict[str, Any]]:
        if name not in self.alerts:
            return []
        told = self.alerts[name]
        summary, labels = told if isinstance(told, tuple) else (told, {})
        link = rule["annotations"]["runbook_url"]
        return [
            {
                "exp_labels": rule["labels"] | labels,
                "exp_annotations": {"summary": summary, "runbook_url": link},
            }
        ]


def _of_process(series: str, number: int) -> str:
    """Adds the label that Prometheus gives to all that it scrapes from one process."""
    found = re.fullmatch(r"(\w+)(?:\{(.*)\})?", series)
    assert found, series
    return f'{found[1]}{{{found[2] or ""}{"," if found[2] else ""}instance="web-{number}:8000"}}'
