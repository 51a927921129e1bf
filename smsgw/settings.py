"""Reads settings from the environment. All errors are reported together, and none shows a
secret."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from smsgw import addresses, carriers, variable_values
from smsgw.addresses import DatabaseAddress, QueueAddress
from smsgw.carriers.carrier import CarrierSettings
from smsgw.ledger_access import LedgerAccess, NoDatabase, is_service
from smsgw.notification_limits import NotificationLimits
from smsgw.variables import (
    ALL_OTHERS,
    MASK,
    PLAIN_FAULTS,
    CallingCodes,
    Endpoint,
    Folder,
    SegmentsByCode,
    SenderRates,
    SettingsError,
    Texts,
    Zone,
    at_least,
    display,
    in_unit,
    is_loopback,
    split,
    variable,
)

SHORTEST_SECRET = 32  # characters
OUR_PATHS = re.compile(r"/(in/[a-z][a-z0-9_]*|console)(?=/|$)")

# Indonesia, and where most of its migrant workers are: Malaysia, Singapore, Hong Kong, Taiwan,
# South Korea, Japan, Brunei, Saudi Arabia, the Emirates, Kuwait, Qatar, Oman, Bahrain, Jordan,
# Italy, Turkey.
COUNTRIES = "62,60,65,852,886,82,81,673,966,971,965,974,968,973,962,39,90"

Model = TypeVar("Model", bound=Endpoint)
Kind = TypeVar("Kind", bound=CarrierSettings)


def _known_carriers(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        carriers.find(name)
    return value


Secret = Annotated[SecretStr, at_least(SHORTEST_SECRET)]
Days = Annotated[timedelta, in_unit("days", 1, 3650)]


class Settings(LedgerAccess, NotificationLimits):
    """Holds the configuration of one installation, described as `smsgw settings` prints it."""

    database_url: DatabaseAddress | None = variable(
        "DATABASE_URL", None, "service database; unset: a SQLite file under instance/"
    )
    redis_url: QueueAddress | None = variable(
        "REDIS_URL", None, "queue; unset: the server that `smsgw run` starts"
    )
    web_concurrency: int = variable(
        "WEB_CONCURRENCY", 1, "web processes; SQLite is always served by one", ge=1, le=256
    )
    home: Folder = variable("SMSGW_HOME", Path("."), "folder that holds instance/")
    secret_key: Secret | None = variable(
        "SMSGW_SECRET_KEY",
        None,
        "32 characters or more; the keys of stored texts and numbers lie under it",
    )
    old_secret_key: Secret | None = variable(
        "SMSGW_OLD_SECRET_KEY", None, "the one before, until `smsgw keys rotate` has run"
    )
    carriers: Annotated[Texts, AfterValidator(_known_carriers)] = variable(
        "SMSGW_CARRIER", (carriers.DEFAULT,), "carriers in use; the first sends notifications"
    )
    timezone: Zone = variable("SMSGW_TIMEZONE", "Asia/Jakarta", "time zone of dates in replies")
    holidays: Annotated[tuple[date, ...], BeforeValidator(split)] = variable(
        "SMSGW_HOLIDAYS",
        (),
        "days without work, such as 2026-03-20,2026-12-25; complaints have five working days",
    )
    countries: CallingCodes = variable(
        "SMSGW_COUNTRIES",
        tuple(COUNTRIES.split(",")),
        "calling codes whose phones are answered",
    )
    unknown: Literal["resend_once", "ask_operator"] = variable(
        "SMSGW_UNKNOWN",
        "resend_once",
        "what to do, after 5 minutes, with an SMS that may or may not have gone out",
    )
    validity: Annotated[timedelta, in_unit("minutes", 1, 600)] = variable(
        "SMSGW_VALIDITY", timedelta(hours=2), "minutes that a reply is of use; later it is not sent"
    )
    retention: Days = variable(
        "SMSGW_RETENTION_DAYS", timedelta(days=90), "days that texts and idle phones are kept"
    )
    row_months: Annotated[int, Field(ge=1, le=240)] = variable(
        "SMSGW_ROW_MONTHS", 12, "whole months that messages are kept, beside the present one"
    )
    unused_for: Days = variable(
        "SMSGW_UNUSED_DAYS",
        timedelta(days=60),
        "days after which an unused phone is asked for digits of the NIK: numbers are sold again",
    )
    officer_wait: Annotated[timedelta, in_unit("hours", 0, 240)] = variable(
        "SMSGW_OFFICER_WAIT_HOURS",
        timedelta(hours=12),
        "hours before a phone that an officer registered is told anything",
    )
    lapses_an_hour: int = variable(
        "SMSGW_NUMBERS_CHANGED",
        20,
        "most phones an hour that are unbound since the number on file changed; then none is",
        ge=1,
        le=1_000_000,
    )
    sender_rates: SenderRates = variable(
        "SMSGW_SENDER_RATES",
        {},
        "most SMS a second by sender ID, such as 2757=20,+15005550006=1",
    )
    daily_segments: int | None = variable(
        "SMSGW_DAILY_SEGMENTS",
        None,
        "most segments of replies a day; then messages are stored and not answered",
        ge=1,
    )
    daily_segments_by_code: SegmentsByCode = variable(
        "SMSGW_DAILY_SEGMENTS_BY_CODE",
        {},
        "the same by calling code, such as 62=20000,60=500,*=100; * is each other code by itself",
    )
    publish_by_two: bool = variable(
        "SMSGW_PUBLISH_BY_TWO", False, "who drafted keywords may not be who publishes them"
    )
    segment_rupiah: int = variable(
        "SMSGW_SEGMENT_RUPIAH", 350, "what a segment costs, in rupiah", ge=0, le=100_000
    )
    metrics_token: Annotated[SecretStr, at_least(12)] | None = variable(
        "SMSGW_METRICS_TOKEN",
        None,
        "bearer token of /metrics; needed with SMSGW_PUBLIC_URL, else it is for this machine alone",
    )
    status_page: bool = variable(
        "SMSGW_STATUS_PAGE", False, "show the service level to everybody, on the page /status"
    )
    demo: bool = variable(
        "SMSGW_DEMO", False, "load the reference ledger and bind its first participant's phone"
    )
    of_carriers: Mapping[str, CarrierSettings] = Field(default_factory=dict)
    exposed_files: Mapping[str, str] = Field(default_factory=dict)  # secrets others may read

    @field_validator("public_url")
    @classmethod
    def _base_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if found := OUR_PATHS.search(parts.path):
            raise ValueError(
                f"is the base address alone: what follows it, such as {found[0]}, goes"
            )
        if "@" in parts.netloc:
            raise ValueError("holds a user or a password; carriers call it without")
        return value

    def of(self, carrier: type[Kind]) -> Kind:
        """Returns the settings of one carrier."""
        return next(each for each in self.of_carriers.values() if isinstance(each, carrier))

    @property
    def limits_spending(self) -> bool:
        """Tells whether a day has a budget, for all or for a calling code."""
        return self.daily_segments is not None or bool(self.daily_segments_by_code)

    def daily_segments_of(self, code: str) -> int | None:
        """Returns the most segments a day to phones of a calling code; None if there is no
        limit."""
        by_code = self.daily_segments_by_code
        return by_code.get(code, by_code.get(ALL_OTHERS))

    @property
    def is_sqlite(self) -> bool:
        return self.database_url is None or addresses.is_sqlite(self.database_url)

    @property
    def reaches_people(self) -> bool:
        """Tells whether a carrier is in use that is not on this machine."""
        return any(self.of_carriers[name].reaches_people for name in self.carriers)

    @property
    def is_local(self) -> bool:
        """Tells whether nobody calls from elsewhere."""
        return self.public_url is None or is_loopback(self.public_url)

    @property
    def is_embedded(self) -> bool:
        """Tells whether the service database is the SQLite file of this installation."""
        return self.database_url is None

    @property
    def instance(self) -> Path:
        """Returns the folder of everything this installation writes."""
        return self.home.absolute() / "instance"

    @property
    def database_file(self) -> Path:
        """Returns the database file of an embedded installation."""
        return self.instance / "smsgw.db"

    @property
    def service_url(self) -> str:
        """Returns the database's address. For an embedded installation that is a file, whose folder
        is created if missing."""
        if self.is_embedded:
            self.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.database_url or f"sqlite:///{self.database_file}"

    @property
    def participant_ledger_url(self) -> str:
        """Returns LEDGER_URL. If it is unset and the service uses SQLite, returns a file beside it:
        SQLite has one writer a file, and messages would wait for an import. Raises NoDatabase."""
        if is_service(self.ledger_url):
            raise NoDatabase("LEDGER_URL: is a service, and this needs a database")
        if self.ledger_url is not None:
            return self.ledger_url
        file = self.service_file
        if file is None:
            return self.service_url
        if self.is_embedded:
            return f"sqlite:///{file.with_name('ledger.db')}"
        beside = file.with_name(f"{file.stem}-ledger{file.suffix}")
        return addresses.with_file(self.service_url, beside)

    @property
    def service_file(self) -> Path | None:
        """Returns the file of a service database that is SQLite's and not in memory."""
        return self.database_file if self.is_embedded else addresses.sqlite_file(self.database_url)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Returns the settings of `environ` (default: this process's). Raises SettingsError that names
    every fault."""
    environ = os.environ if environ is None else environ
    in_use = variable_values.read({"SMSGW_CARRIER"}, environ)[0].get("SMSGW_CARRIER", "")
    kinds = carriers.models(in_use.split(","))
    models: list[type[Endpoint]] = [Settings, *kinds.values()]
    known = {name for model in models for name in model.names()}
    given, faults = variable_values.read(known, environ)
    of_carriers = {name: _validate(model, given, faults) for name, model in kinds.items()}
    settings = _validate(Settings, given, faults).model_copy(update={"of_carriers": of_carriers})
    further = {name for each in of_carriers.values() for name in each.further_variables}
    exposed = dict(variable_values.exposed(_secrets(settings) | further, environ))
    for name, what in (*_faults(settings), *variable_values.unknown(environ, known | further)):
        faults.setdefault(name, what)
    if faults:
        lines = ((name, line) for name, what in faults.items() for line in what.splitlines())
        raise SettingsError("\n".join(f"{name}: {line}" for name, line in lines))
    return settings.model_copy(update={"exposed_files": exposed})


def _validate(model: type[Model], given: Mapping[str, str], faults: dict[str, str]) -> Model:
    """Adds to `faults` what is wrong. What is well by itself is looked at together all the same:
    every fault is told at once."""
    own = {name: value for name, value in given.items() if name in model.names()}
    try:
        return model.model_validate(own, context=given)
    except ValidationError as error:
        for fault in error.errors():
            text = fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
            faults.setdefault(str(fault["loc"][0]), PLAIN_FAULTS.get(fault["type"], text))
    well = {name: value for name, value in own.items() if name not in faults}
    return model.model_validate(well, context=given)


def rows(settings: Settings) -> list[tuple[str, str, str]]:
    """Returns (variable, value with secrets masked, meaning) of every setting, for people."""
    found = {
        info.alias: (display(getattr(part, field), info.alias), info.description or "")
        for part in (settings, *settings.of_carriers.values())
        for field, info in type(part).model_fields.items()
        if info.alias
    }
    return [(name, value, meaning) for name, (value, meaning) in found.items()]


def _secrets(settings: Settings) -> set[str]:
    """Returns the variables whose values are masked."""
    return {name for name, value, _ in rows(settings) if MASK in value}


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """Returns what only shows when settings are read together."""
    if not settings.is_embedded and settings.secret_key is None:
        yield "SMSGW_SECRET_KEY", "is needed with DATABASE_URL; make one of 32 characters or more"
    files = (settings.service_file, addresses.sqlite_file(settings.ledger_url))
    if all(files) and len({file.resolve() for file in files if file}) == 1:
        yield "LEDGER_URL", "names the service database's file, and messages would wait for imports"
    yield from settings.access_faults(settings.database_url)
    if settings.demo and is_service(settings.ledger_url):
        yield "SMSGW_DEMO", "loads a ledger of its own, and LEDGER_URL is a service; unset one"
    if settings.row_months * timedelta(days=28) < settings.retention:
        yield "SMSGW_ROW_MONTHS", "texts are kept for longer; keep rows as long as their texts"
    if not settings.carriers:
        yield "SMSGW_CARRIER", f"name at least one of {', '.join(carriers.MODELS)}"
    for name in settings.carriers:
        yield from settings.of_carriers[name].faults()
    if settings.demo and settings.reaches_people:
        yield "SMSGW_DEMO", "fictitious people are not for a real carrier; unset it"
