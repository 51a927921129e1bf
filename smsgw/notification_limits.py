"""Reads the settings that bound notifications."""

from smsgw.variables import Endpoint, variable


class NotificationLimits(Endpoint):
    notification_segments: int = variable(
        "SMSGW_NOTIFICATION_SEGMENTS",
        20_000,
        "most segments of notifications a day",
        ge=1,
        le=100_000_000,
    )
    notification_rate: float = variable(
        "SMSGW_NOTIFICATION_RATE",
        10.0,
        "most notifications a second, and never more than half of the sender ID's rate",
        gt=0,
        le=1000,
    )
    notification_approval: int = variable(
        "SMSGW_NOTIFICATION_APPROVAL",
        1000,
        "most notifications of a run that are sent without a second person's approval",
        ge=0,
        le=100_000_000,
    )
    notification_holidays: bool = variable(
        "SMSGW_NOTIFICATION_HOLIDAYS", True, "send notifications on holidays too"
    )
