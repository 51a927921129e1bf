"""Settings from the environment. Every fault is told at once, and none shows a secret."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from redis.connection import parse_url
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

CarrierName = Literal["simulator", "twilio", "kannel"]
DATABASES = ("postgresql", "postgres", "postgresql+psycopg", "sqlite")
CALLING_CODES = {str(code) for code in COUNTRY_CODE_TO_REGION_CODE}
LONGEST_VALIDITY = 600  # minutes; more than carriers keep an SMS
LONGEST_RETENTION = 3650  # days
LONGEST_WAIT = 240  # hours
ALL_OTHERS = "*"  # each calling code that is not named, by itself
A_CODES_SEGMENTS = r"\+?([0-9]{1,3}|\*) *= *([0-9]{1,9})"  # 60=500
SHORTEST_SECRET = 32  # characters
SLOWEST, FASTEST = 0.01, 100_000.0  # SMS a second
# As carriers name it: a short number, a whole one with its plus, a messaging service.
A_SENDER = r"[1-9][0-9]{2,5}|\+[1-9][0-9]{6,14}|MG[0-9A-Za-z]{1,40}"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# Of an address that others are built on: nothing after the path, nothing that is not ASCII.
A_WEB_ADDRESS = r"https?://[^/?#\s]+(/[\w.~!$&'()*+,;=:@%/-]*)?"
A_HOST = r"[\w.-]+|[0-9a-f:.]+"
OUR_PATHS = re.compile(r"/(in/(twilio|kannel|http|simulator)|console)(/|$)")
# What an address of PostgreSQL may say that is for us and not for libpq.
OURS_IN_ADDRESS = {
    "pgbouncer": r"[01]|true|false",
    "prepare_threshold": r"[0-9]{1,4}|none",
}
UNSEEN = "\ufeff\u200b\u200e\u200f\u2060"  # what editors and web pages leave around a value

# Indonesia, and where most of its migrant workers are: Malaysia, Singapore, Hong Kong, Taiwan,
# South Korea, Japan, Brunei, Saudi Arabia, the Emirates, Kuwait, Qatar, Oman, Bahrain, Jordan,
# Italy, Turkey.
COUNTRIES = "62,60,65,852,886,82,81,673,966,971,965,974,968,973,962,39,90"


class SettingsError(Exception):
    """The environment cannot be used. Its text names every fault, one a line."""


def _env(name: str, default: Any, meaning: str, **limits: Any) -> Any:
    return Field(default, alias=name, description=meaning, **limits)


class Settings(BaseModel):
    """The configuration of one installation, described as `smsgw settings` prints it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    database_url: str | None = _env(
        "DATABASE_URL", None, "service database; unset: a SQLite file under instance/"
    )
    ledger_url: str | None = _env(
        "LEDGER_URL",
        None,
        "participant ledger; unset: in the service database, or beside its SQLite file",
    )
    redis_url: str | None = _env(
        "REDIS_URL", None, "queue; unset: the server that `smsgw run` starts"
    )
    port: int = _env("PORT", 8000, "port of the web process", ge=1, le=65535)
    web_concurrency: int = _env(
        "WEB_CONCURRENCY", 1, "web processes; SQLite is always served by one", ge=1, le=256
    )
    home: Path = _env("SMSGW_HOME", Path("."), "folder that holds instance/")
    public_url: str | None = _env(
        "SMSGW_PUBLIC_URL", None, "base address carriers call; signatures are checked against it"
    )
    secret_key: SecretStr | None = _env(
        "SMSGW_SECRET_KEY",
        None,
        "32 characters or more; the keys of stored texts and numbers lie under it",
    )
    old_secret_key: SecretStr | None = _env(
        "SMSGW_OLD_SECRET_KEY", None, "the one before, until `smsgw keys rotate` has run"
    )
    carriers: tuple[CarrierName, ...] = _env(
        "SMSGW_CARRIER", ("simulator",), "carriers in use; the first is for unasked messages"
    )
    timezone: str = _env("SMSGW_TIMEZONE", "Asia/Jakarta", "time zone of dates in replies")
    holidays: tuple[date, ...] = _env(
        "SMSGW_HOLIDAYS",
        (),
        "days without work, such as 2026-03-20,2026-12-25; complaints have five working days",
    )
    countries: tuple[str, ...] = _env(
        "SMSGW_COUNTRIES",
        tuple(COUNTRIES.split(",")),
        "calling codes whose phones are answered",
    )
    unknown: Literal["resend_once", "ask_operator"] = _env(
        "SMSGW_UNKNOWN",
        "resend_once",
        "what to do, after 5 minutes, with an SMS that may or may not have gone out",
    )
    validity: timedelta = _env(
        "SMSGW_VALIDITY", timedelta(hours=2), "minutes that a reply is of use; later it is not sent"
    )
    retention: timedelta = _env(
        "SMSGW_RETENTION_DAYS", timedelta(days=90), "days that texts and idle phones are kept"
    )
    unused_for: timedelta = _env(
        "SMSGW_UNUSED_DAYS",
        timedelta(days=60),
        "days after which an unused phone is asked for digits of the NIK: numbers are sold again",
    )
    officer_wait: timedelta = _env(
        "SMSGW_OFFICER_WAIT_HOURS",
        timedelta(hours=12),
        "hours before a phone that an officer registered is told anything",
    )
    lapses_an_hour: int = _env(
        "SMSGW_NUMBERS_CHANGED",
        20,
        "most phones an hour that are unbound since the number on file changed; then none is",
        ge=1,
        le=1_000_000,
    )
    lane_rates: Mapping[str, float] = _env(
        "SMSGW_LANE_RATES",
        {},
        "most SMS a second by sender number, such as 2757=20,+15005550006=1",
    )
    daily_segments: int | None = _env(
        "SMSGW_DAILY_SEGMENTS",
        None,
        "most segments of replies a day; then messages are stored and not answered",
        ge=1,
    )
    daily_segments_by_code: Mapping[str, int] = _env(
        "SMSGW_DAILY_SEGMENTS_BY_CODE",
        {},
        "the same by calling code, such as 62=20000,60=500,*=100; * is each other code by itself",
    )
    publish_by_two: bool = _env(
        "SMSGW_PUBLISH_BY_TWO", False, "who drafted keywords may not be who publishes them"
    )
    segment_rupiah: int = _env(
        "SMSGW_SEGMENT_RUPIAH", 350, "what a segment costs, in rupiah", ge=0, le=100_000
    )
    metrics_token: SecretStr | None = _env(
        "SMSGW_METRICS_TOKEN",
        None,
        "bearer token of /metrics; needed with SMSGW_PUBLIC_URL, else it is for this machine alone",
    )
    demo: bool = _env(
        "SMSGW_DEMO", False, "load the reference ledger and bind its first participant's phone"
    )
    twilio_account_sid: str | None = _env("TWILIO_ACCOUNT_SID", None, "Twilio account")
    twilio_auth_tokens: tuple[SecretStr, ...] = _env(
        "TWILIO_AUTH_TOKEN", (), "Twilio token; a list, newest first, while one is being rotated"
    )
    twilio_from: str | None = _env("TWILIO_FROM", None, "number for unasked messages")
    twilio_messaging_service_sid: str | None = _env(
        "TWILIO_MESSAGING_SERVICE_SID", None, "messaging service instead of TWILIO_FROM"
    )
    twilio_api_base: str | None = _env(
        "TWILIO_API_BASE", None, "another base address for Twilio's REST API"
    )
    kannel_sendsms_url: str | None = _env(
        "KANNEL_SENDSMS_URL", None, "sendsms, such as http://127.0.0.1:13013/cgi-bin/sendsms"
    )
    kannel_username: str | None = _env("KANNEL_USERNAME", None, "Kannel's sendsms-user")
    kannel_password: SecretStr | None = _env("KANNEL_PASSWORD", None, "its password")
    kannel_from: str | None = _env("KANNEL_FROM", None, "short number, for unasked messages")
    kannel_inbound_passwords: tuple[SecretStr, ...] = _env(
        "KANNEL_INBOUND_PASSWORD",
        (),
        "password of Kannel's calls to us; a list, newest first, while one is being rotated",
    )
    kannel_inbound_networks: tuple[str, ...] = _env(
        "KANNEL_INBOUND_NETWORKS",
        (),
        "addresses that Kannel calls from, such as 10.0.0.7,10.1.0.0/16; unset: any",
    )

    @field_validator(
        *("carriers", "countries", "holidays", "twilio_auth_tokens", "kannel_inbound_passwords"),
        "kannel_inbound_networks",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("validity", mode="before")
    @classmethod
    def _minutes(cls, value: object) -> object:
        if isinstance(value, str):
            if not value.isdecimal() or not 1 <= int(value) <= LONGEST_VALIDITY:
                raise ValueError(f"is a number of minutes from 1 to {LONGEST_VALIDITY}")
            return timedelta(minutes=int(value))
        return value

    @field_validator("officer_wait", mode="before")
    @classmethod
    def _hours(cls, value: object) -> object:
        if isinstance(value, str):
            if not value.isdecimal() or not 0 <= int(value) <= LONGEST_WAIT:
                raise ValueError(f"is a number of hours from 0 to {LONGEST_WAIT}")
            return timedelta(hours=int(value))
        return value

    @field_validator("retention", "unused_for", mode="before")
    @classmethod
    def _days(cls, value: object) -> object:
        if isinstance(value, str):
            if not value.isdecimal() or not 1 <= int(value) <= LONGEST_RETENTION:
                raise ValueError(f"is a number of days from 1 to {LONGEST_RETENTION}")
            return timedelta(days=int(value))
        return value

    @field_validator("lane_rates", mode="before")
    @classmethod
    def _rates(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            pairs = (part.rsplit("=", 1) for part in value.split(",") if part.strip())
            rates = {lane.strip(): float(rate) for lane, rate in pairs}
        except ValueError:
            rates = {"": 0.0}
        if not all(re.fullmatch(A_SENDER, lane) for lane in rates):
            raise ValueError("is a list of senders and numbers, such as 2757=20,+15005550006=1")
        if not all(SLOWEST <= rate <= FASTEST for rate in rates.values()):
            raise ValueError(f"has a rate that is not from {SLOWEST} to {FASTEST:g} a second")
        return rates

    @field_validator("daily_segments_by_code", mode="before")
    @classmethod
    def _segments_by_code(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        pairs = [re.fullmatch(A_CODES_SEGMENTS, part, re.ASCII) for part in parts]
        read = [(pair[1], int(pair[2])) for pair in pairs if pair]
        if not read or len(read) < len(parts):
            raise ValueError(
                "is a list of calling codes and segments a day, such as 62=20000,60=500,*=100"
            )
        for code, segments in read:
            if code not in CALLING_CODES | {ALL_OTHERS}:
                raise ValueError(f"has {code}, which is no calling code")
            if segments < 1:
                raise ValueError(f"has no segments for {code}; give it 1 or more")
        if len(dict(read)) < len(read):
            raise ValueError("has a calling code twice")
        return dict(read)

    @field_validator("secret_key", "old_secret_key", "metrics_token")
    @classmethod
    def _long_enough(cls, value: SecretStr | None, field: ValidationInfo) -> SecretStr | None:
        least = 12 if field.field_name == "metrics_token" else SHORTEST_SECRET
        if value is not None and len(value.get_secret_value()) < least:
            raise ValueError(f"needs {least} characters or more")
        return value

    @field_validator("database_url", "ledger_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        try:
            kind = make_url(value).drivername if value else DATABASES[0]
        except (ArgumentError, ValueError):
            kind = ""
        if kind not in DATABASES:
            raise ValueError("is no address such as postgresql://user@host/name or sqlite:///file")
        if value and kind != "sqlite":
            _check_options(make_url(value).normalized_query)
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_queue(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_url(value)
                is_port = urlsplit(value).port != 0
            except ValueError:
                is_port = False
            if not is_port:
                raise ValueError("is no address such as redis://host:6379/0 or unix:///path")
        return value

    @field_validator("home")
    @classmethod
    def _a_folder(cls, value: Path) -> Path:
        if value.exists() and not value.is_dir():
            raise ValueError("is no folder")
        return value

    @field_validator("twilio_account_sid", "twilio_from", "twilio_messaging_service_sid")
    @classmethod
    def _as_twilio_writes(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(
            r"[A-Z]{2}[0-9A-Za-z]{1,40}|\+?[0-9]{3,15}", value
        ):
            raise ValueError("is neither an id such as AC0123… nor a number such as +15005550006")
        return value

    @field_validator("kannel_from")
    @classmethod
    def _as_kannel_sends(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"\+?[0-9]{3,15}", value):
            raise ValueError("is no number such as 2757")
        return value

    @field_validator("kannel_inbound_passwords")
    @classmethod
    def _fits_an_address(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(re.fullmatch(r"[\w.~-]{12,}", each.get_secret_value(), re.A) for each in value):
            raise ValueError("needs 12 characters or more, each a letter, a digit, or of . _ ~ -")
        return value

    @field_validator("kannel_inbound_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ip_network(each)) for each in value)
        except ValueError:
            raise ValueError("is a list of addresses, such as 10.0.0.7,10.1.0.0/16") from None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is no IANA time zone, such as Asia/Jakarta")
        return value

    @field_validator("countries")
    @classmethod
    def _calling_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        codes = tuple(code.removeprefix("+") for code in value)
        if not codes or not all(code in CALLING_CODES for code in codes):
            raise ValueError("is a list of calling codes, such as 62,60,852")
        return codes

    @field_validator("public_url", "twilio_api_base", "kannel_sendsms_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        wrong = ValueError(
            "is no address such as https://sms.example.org: http or https, a host, no blank, and "
            "nothing after ? or #"
        )
        if not re.fullmatch(A_WEB_ADDRESS, value, re.ASCII | re.IGNORECASE):
            raise wrong
        try:
            parts = urlsplit(value)
            is_port = parts.port is None or parts.port > 0
        except ValueError:
            raise wrong from None
        if not is_port or not re.fullmatch(A_HOST, parts.hostname or "", re.ASCII):
            raise wrong
        return value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _base_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if OUR_PATHS.search(parts.path):
            raise ValueError("is the base address alone: what follows it, such as /in/twilio, goes")
        if "@" in parts.netloc:
            raise ValueError("holds a user or a password; carriers call it without")
        return value

    @property
    def limits_spending(self) -> bool:
        """Whether a day has a budget, for all or for a calling code."""
        return self.daily_segments is not None or bool(self.daily_segments_by_code)

    def daily_segments_of(self, code: str) -> int | None:
        """Most segments a day to phones of a calling code; None where there is no limit."""
        by_code = self.daily_segments_by_code
        return by_code.get(code, by_code.get(ALL_OTHERS))

    @property
    def is_sqlite(self) -> bool:
        return self.database_url is None or make_url(self.database_url).drivername == "sqlite"

    @property
    def reaches_people(self) -> bool:
        """Whether a carrier is in use that is not on this machine."""
        bases = {"twilio": self.twilio_api_base, "kannel": self.kannel_sendsms_url}
        real = (bases[name] or "" for name in self.carriers if name in bases)
        return any(urlsplit(base).hostname not in LOOPBACK for base in real)

    @property
    def is_local(self) -> bool:
        """Whether nobody calls from elsewhere."""
        return self.public_url is None or urlsplit(self.public_url).hostname in LOOPBACK

    @property
    def is_embedded(self) -> bool:
        """Whether the service database is the SQLite file of this installation."""
        return self.database_url is None

    @property
    def instance(self) -> Path:
        """The folder of everything this installation writes."""
        return self.home.absolute() / "instance"

    @property
    def database_file(self) -> Path:
        """Of an embedded installation."""
        return self.instance / "smsgw.db"

    @property
    def service_url(self) -> str:
        """For an embedded installation a file, whose folder is made if it is not there."""
        if self.is_embedded:
            self.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.database_url or f"sqlite:///{self.database_file}"

    @property
    def participant_ledger_url(self) -> str:
        """Unless it is set: of a SQLite file a file beside it, since SQLite has one writer a file,
        and messages would wait for an import."""
        if self.ledger_url is not None:
            return self.ledger_url
        file = self.service_file
        if file is None:
            return self.service_url
        if self.is_embedded:
            return f"sqlite:///{file.with_name('ledger.db')}"
        beside = file.with_name(f"{file.stem}-ledger{file.suffix}")
        return make_url(self.service_url).set(database=str(beside)).render_as_string(False)

    @property
    def service_file(self) -> Path | None:
        """Where the service database is SQLite's, and not in memory."""
        return self.database_file if self.is_embedded else _sqlite_file(self.database_url)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of `environ` (default: this process's), or SettingsError naming every fault."""
    environ = os.environ if environ is None else environ
    names = (_name(field) for field in Settings.model_fields)
    stripped = {name: _strip(environ[name]) for name in names if name in environ}
    unseen = "holds a line break, or another character that cannot be seen"
    faults = {name: unseen for name, value in stripped.items() if not value.isprintable()}
    given = {name: value for name, value in stripped.items() if value and name not in faults}
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        for fault in error.errors():
            faults[str(fault["loc"][0])] = fault["msg"].removeprefix("Value error, ")
        # What is well by itself is looked at together all the same: every fault is told at once.
        well = {name: value for name, value in given.items() if name not in faults}
        settings = Settings.model_validate(well)
    for name, what in _faults(settings):
        faults.setdefault(name, what)
    if faults:
        raise SettingsError("\n".join(f"{name}: {what}" for name, what in faults.items()))
    return settings


def _check_options(said: Mapping[str, Sequence[str]]) -> None:
    """Of PostgreSQL. Raises ValueError: the driver would take some, and fail at each statement."""
    if not said:
        return
    from psycopg import pq  # who has no such address need not wait for it

    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    for name, values in said.items():
        shape = OURS_IN_ADDRESS.get(name)
        if shape is None and name not in known:
            raise ValueError(f"has {name}, which is no option of a PostgreSQL address")
        if shape is not None and not all(re.fullmatch(shape, value.lower()) for value in values):
            raise ValueError(
                "behind PgBouncer's transaction mode, say pgbouncer=1; prepare_threshold is after "
                "how many uses a statement is prepared, and 0 or none prepares none"
            )


def _strip(value: str) -> str:
    """Without what a file or a paste left around it."""
    return value.strip().strip(UNSEEN).strip()


def rows(settings: Settings) -> list[tuple[str, str, str]]:
    """(variable, value with secrets masked, meaning) of every setting, for people."""
    return [
        (_name(field), _shown(getattr(settings, field), info.alias), info.description or "")
        for field, info in Settings.model_fields.items()
    ]


def _name(field: str) -> str:
    return Settings.model_fields[field].alias or field


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """What only shows when settings are read together."""
    if not settings.is_embedded and settings.secret_key is None:
        yield "SMSGW_SECRET_KEY", "is needed with DATABASE_URL; make one of 32 characters or more"
    files = (settings.service_file, _sqlite_file(settings.ledger_url))
    if all(files) and len({file.resolve() for file in files if file}) == 1:
        yield "LEDGER_URL", "names the service database's file, and messages would wait for imports"
    if not settings.carriers:
        yield "SMSGW_CARRIER", "name at least one of simulator, twilio, kannel"
    if "twilio" in settings.carriers:
        yield from _twilio_faults(settings)
    if "kannel" in settings.carriers:
        yield from _kannel_faults(settings)
    if settings.demo and settings.reaches_people:
        yield "SMSGW_DEMO", "fictitious people are not for a real carrier; unset it"


def _sqlite_file(url: str | None) -> Path | None:
    """None where it is another database, or one in memory."""
    address = make_url(url) if url else None
    if address is None or address.get_backend_name() != "sqlite" or not address.database:
        return None
    return None if address.database == ":memory:" else Path(address.database)


def _twilio_faults(settings: Settings) -> Iterator[tuple[str, str]]:
    needed = {
        "TWILIO_ACCOUNT_SID": settings.twilio_account_sid,
        "TWILIO_AUTH_TOKEN": settings.twilio_auth_tokens,
        "SMSGW_PUBLIC_URL": settings.public_url,
    }
    for name, value in needed.items():
        if not value:
            yield name, "is needed with SMSGW_CARRIER=twilio"
    if bool(settings.twilio_from) == bool(settings.twilio_messaging_service_sid):
        yield "TWILIO_FROM", "give it, or TWILIO_MESSAGING_SERVICE_SID, and not both"


def _kannel_faults(settings: Settings) -> Iterator[tuple[str, str]]:
    needed = {
        "KANNEL_SENDSMS_URL": settings.kannel_sendsms_url,
        "KANNEL_USERNAME": settings.kannel_username,
        "KANNEL_PASSWORD": settings.kannel_password,
        "KANNEL_FROM": settings.kannel_from,
        "KANNEL_INBOUND_PASSWORD": settings.kannel_inbound_passwords,
    }
    for name, value in needed.items():
        if not value:
            yield name, "is needed with SMSGW_CARRIER=kannel"


def _shown(value: object, name: str | None = None) -> str:
    match value:
        case SecretStr():
            return "********"
        case tuple():
            return ",".join(_shown(part) for part in value)
        case Mapping():
            return ",".join(f"{name}={_plain(number)}" for name, number in value.items())
        case timedelta() if name == "SMSGW_RETENTION_DAYS":
            return f"{value.days}"
        case timedelta():
            return f"{value.total_seconds() / 60:g}"
        case None:
            return ""
    text = str(value)
    parts = urlsplit(text)
    shown = text.replace(f":{parts.password}@", ":********@") if parts.password else text
    return re.sub(r"(?i)(\w*(?:pass|pwd|secret|token)\w*=)[^&#]*", r"\1********", shown)


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"
