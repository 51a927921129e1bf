from pathlib import Path

import pytest

from smsgw import settings
from smsgw.carriers.twilio import TwilioSettings
from smsgw.storage.keys import secret_key
from smsgw.variables import SettingsError

TWILIO = {
    "SMSGW_CARRIER": "twilio",
    "SMSGW_PUBLIC_URL": "https://sms.example.org/",
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "new, old",
    "TWILIO_FROM": "+15005550006",
}


SERVICE = {"LEDGER_URL": "https://ledger.example/api", "LEDGER_API_SECRET": "hidden" * 6}


def test_rows_are_kept_as_long_as_their_texts() -> None:
    with pytest.raises(SettingsError) as error:
        settings.load({"SMSGW_ROW_MONTHS": "3"})
    assert str(error.value).startswith("SMSGW_ROW_MONTHS: texts are kept for longer")
    assert settings.load({"SMSGW_ROW_MONTHS": "4"}).row_months == 4


def test_an_empty_environment_is_an_embedded_installation() -> None:
    made = settings.load({"DATABASE_URL": " "})
    assert made.is_embedded
    assert made.carriers == ("simulator",)
    assert made.timezone == "Asia/Jakarta"
    assert "62" in made.countries


def test_lists_and_addresses_are_read() -> None:
    made = settings.load(TWILIO | {"SMSGW_COUNTRIES": "+62, 60"})
    assert made.countries == ("62", "60")
    assert made.public_url == "https://sms.example.org"
    tokens = made.of(TwilioSettings).auth_tokens
    assert [token.get_secret_value() for token in tokens] == ["new", "old"]


def test_segments_by_calling_code_are_read() -> None:
    made = settings.load({"SMSGW_DAILY_SEGMENTS_BY_CODE": "62=20000000, +60 = 500,*=100,"})
    limits = [made.daily_segments_of(code) for code in ("62", "60", "65")]
    assert limits == [20_000_000, 500, 100]
    shown = {name: value for name, value, _ in settings.rows(made)}
    assert shown["SMSGW_DAILY_SEGMENTS_BY_CODE"] == "62=20000000,60=500,*=100"


def test_a_calling_code_that_is_not_named_has_no_limit_without_a_star() -> None:
    made = settings.load({"SMSGW_DAILY_SEGMENTS_BY_CODE": "60=500"})
    assert made.daily_segments_of("62") is None


@pytest.mark.parametrize(
    ("environ", "ledger"),
    [
        ({"SMSGW_HOME": "/here"}, "sqlite:////here/instance/ledger.db"),
        ({"DATABASE_URL": "sqlite:////there/one.db"}, "sqlite:////there/one-ledger.db"),
        ({"DATABASE_URL": "sqlite:///one"}, "sqlite:///one-ledger"),
        ({"DATABASE_URL": "sqlite://"}, "sqlite://"),
        ({"DATABASE_URL": "postgresql://u:p@h/x"}, "postgresql://u:p@h/x"),
        ({"LEDGER_URL": "postgresql://h/y"}, "postgresql://h/y"),
        ({"LEDGER_URL": "sqlite:////there/other.db"}, "sqlite:////there/other.db"),
    ],
)
def test_on_sqlite_the_ledger_is_a_file_of_its_own(environ: dict[str, str], ledger: str) -> None:
    """SQLite has one writer a file, and an import writes for a minute."""
    made = settings.load({"SMSGW_SECRET_KEY": "k" * 32, **environ})
    assert made.participant_ledger_url == ledger


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"PORT": "x", "SMSGW_TIMEZONE": "Mars"}, ["PORT", "SMSGW_TIMEZONE"]),
        ({"SMSGW_SECRET_KEY": "short-secret"}, ["SMSGW_SECRET_KEY: needs 32"]),
        ({"DATABASE_URL": "postgresql://x/y"}, ["SMSGW_SECRET_KEY: is needed"]),
        ({"SMSGW_CARRIER": "pigeon"}, ["SMSGW_CARRIER"]),
        ({"SMSGW_COUNTRIES": "id"}, ["SMSGW_COUNTRIES"]),
        ({"SMSGW_COUNTRIES": "62,999999"}, ["SMSGW_COUNTRIES"]),
        ({"PORT": "0", "WEB_CONCURRENCY": "-3"}, ["PORT", "WEB_CONCURRENCY"]),
        ({"PORT": "99999", "SMSGW_CARRIER": "twilio"}, ["PORT", "TWILIO_FROM", "SMSGW_PUBLIC"]),
        ({"DATABASE_URL": "foo"}, ["DATABASE_URL"]),
        *(
            ({"LEDGER_URL": f"postgresql://x/y?{said}"}, ["LEDGER_URL: behind PgBouncer"])
            for said in ("prepare_threshold=never", "prepare_threshold=-1", "pgbouncer=yes")
        ),
        *(
            ({"LEDGER_URL": f"postgresql://x/y?{said}=1"}, [f"LEDGER_URL: has {said}, which is no"])
            for said in ("autocommit", "statement_cache_size", "pool_size")
        ),
        *(
            (
                {"LEDGER_URL": url},
                ["LEDGER_URL: must be an address", "docs/ledger.md says how other"],
            )
            for url in ("oracle+oracledb://x/y", "mssql+pyodbc://x/y", "core")
        ),
        *(
            ({"SMSGW_HOLIDAYS": days}, ["SMSGW_HOLIDAYS: must be days such as 2026-03-20, with"])
            for days in ("1 Mei 2026", "2026-13-01", "2026-01-01;2026-02-02", "2026-01-01T10:00")
        ),
        *(
            ({"LEDGER_URL": f"mysql://x/y?{said}=1"}, [f"LEDGER_URL: has {said}; the options of"])
            for said in ("local_infile", "pgbouncer", "read_default_file")
        ),
        ({"DATABASE_URL": "mariadb://x/y"}, ["DATABASE_URL: must be PostgreSQL's or SQLite's"]),
        (
            {"SMSGW_HOME": "/here", "LEDGER_URL": "sqlite:////here/./instance/smsgw.db"},
            ["LEDGER_URL: names the service database's file"],
        ),
        ({"DATABASE_URL": "sqlite:///x", "LEDGER_URL": "sqlite:///./x"}, ["LEDGER_URL: names"]),
        *(
            (
                {"LEDGER_URL": ledger, "LEDGER_REPLICA_URL": replica},
                [f"LEDGER_REPLICA_URL: {says}"],
            )
            for ledger, replica, says in (
                ("postgresql://h/x", "sqlite:///x", "is for PostgreSQL"),
                ("sqlite:///x", "postgresql://h/x", "is for PostgreSQL"),
                ("", "postgresql://h/x", "is for PostgreSQL"),
                ("https://ledger.example/api", "postgresql://h/x", "is for PostgreSQL"),
                ("postgresql://h/x", "postgresql://h/x", "names the ledger itself"),
            )
        ),
        (
            SERVICE | {"LEDGER_URL": "http://ledger.example/api"},
            ["LEDGER_URL: must begin with https"],
        ),
        (SERVICE | {"LEDGER_URL": "https://u:p@ledger.example"}, ["LEDGER_URL: holds a user"]),
        (
            SERVICE | {"LEDGER_URL": "https://ledger.example?x=1"},
            ["LEDGER_URL: must be an address"],
        ),
        ({"LEDGER_URL": SERVICE["LEDGER_URL"]}, ["LEDGER_API_SECRET: is needed"]),
        (SERVICE | {"LEDGER_API_SECRET": "short-secret"}, ["LEDGER_API_SECRET: needs 32"]),
        (SERVICE | {"LEDGER_API_TOKEN": "t" * 16}, ["LEDGER_API_TOKEN: cannot be combined"]),
        ({"LEDGER_API_TOKEN": "two words, and more"}, ["LEDGER_API_TOKEN: may hold letters"]),
        ({"LEDGER_API_TOKEN": "t" * 16}, ["LEDGER_API_TOKEN: is for a LEDGER_URL"]),
        (SERVICE | {"LEDGER_API_CA": "/none.pem"}, ["LEDGER_API_CA: must be a readable file"]),
        (SERVICE | {"SMSGW_DEMO": "1"}, ["SMSGW_DEMO: loads a ledger of its own"]),
        ({"REDIS_URL": "foo"}, ["REDIS_URL"]),
        ({"REDIS_URL": "redis://h:99999/0"}, ["REDIS_URL"]),
        ({"SMSGW_HOME": "/etc/passwd"}, ["SMSGW_HOME: is not a directory"]),
        ({"TWILIO_FROM": "hello", "TWILIO_ACCOUNT_SID": "AC…"}, ["TWILIO_FROM", "TWILIO_ACC"]),
        ({"SMSGW_PUBLIC_URL": "sms.example.org"}, ["SMSGW_PUBLIC_URL"]),
        ({"SMSGW_PUBLIC_URL": "https://sms.example.org:x"}, ["SMSGW_PUBLIC_URL"]),
        ({"TWILIO_API_BASE": "https://:8000"}, ["TWILIO_API_BASE"]),
        (
            {"SMSGW_CARRIER": "twilio"},
            ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "SMSGW_PUBLIC_URL", "TWILIO_FROM"],
        ),
        (TWILIO | {"SMSGW_DEMO": "1"}, ["SMSGW_DEMO"]),
        ({"SMSGW_DAILY_SEGMENTS": "0"}, ["SMSGW_DAILY_SEGMENTS"]),
        *(
            ({"SMSGW_DAILY_SEGMENTS_BY_CODE": value}, [f"SMSGW_DAILY_SEGMENTS_BY_CODE: {fault}"])
            for value, fault in {
                "100": "is a list",
                ",": "is a list",
                "62=": "is a list",
                "62=1e9": "is a list",
                "62=5;60=5": "is a list",
                "62=-5": "is a list",
                "62=5,999=5": "has 999, which is no calling code",
                "062=5": "has 062, which is no calling code",
                "62=5,60=0": "has no segments for 60",
                "62=5,+62=6": "has a calling code twice",
                "*=5,*=5": "has a calling code twice",
            }.items()
        ),
    ],
)
def test_all_errors_are_reported_together_without_secrets(
    environ: dict[str, str], named: list[str]
) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load(environ)
    assert all(name in str(raised.value) for name in named)
    assert "short-secret" not in str(raised.value)


@pytest.mark.parametrize("left", [" {}", "{}\n", "\t{}\r\n", "\ufeff{}", "{}\u00a0", "\n{}\u200b"])
def test_blanks_around_a_value_are_stripped(left: str) -> None:
    """A password with a line break is another password."""
    given = TWILIO | {
        "SMSGW_CARRIER": "twilio,kannel",
        "KANNEL_SENDSMS_URL": "http://127.0.0.1:13013/cgi-bin/sendsms",
        "KANNEL_USERNAME": "smsgw",
        "KANNEL_PASSWORD": "two words",
        "KANNEL_FROM": "2757",
        "KANNEL_INBOUND_PASSWORD": "twelve-letters",
        "SMSGW_METRICS_TOKEN": "a token of metrics",
        "SMSGW_SECRET_KEY": "k" * 32,
        "SMSGW_TIMEZONE": "Asia/Jayapura",
        "REDIS_URL": "redis://queue:6379/0",
        "LEDGER_URL": "postgresql://ledger/x?options=-csearch_path%3Dy",
        "SMSGW_VALIDITY": "5",
        "SMSGW_DEMO": "0",
        "PORT": "8001",
    }
    assert settings.load({name: left.format(value) for name, value in given.items()}) == (
        settings.load(given)
    )


@pytest.mark.parametrize("inside", ["a\nb", "a\r\nb", "a\tb", "a\u2028b", "a\ufeffb", "a\udcffb"])
@pytest.mark.parametrize("name", ["KANNEL_PASSWORD", "SMSGW_METRICS_TOKEN", "TWILIO_AUTH_TOKEN"])
def test_invisible_characters_in_a_value_are_refused(name: str, inside: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load({name: inside * 12})
    assert f"{name}: holds a line break, or another character" in str(raised.value)


def test_a_plus_before_a_token_belongs_to_it() -> None:
    made = settings.load(TWILIO | {"TWILIO_AUTH_TOKEN": "+token"})
    (token,) = made.of(TwilioSettings).auth_tokens
    assert token.get_secret_value() == "+token"


@pytest.mark.parametrize(
    "address",
    [
        "https://sms.example.org#rc=3&rp=ct,5xx&tt=15000",
        "https://sms.example.org/#",
        "https://sms.example.org/?x=1",
        "https://sms.example.org?",
        "https://sms.example .org",
        "https://sms.example.org /base",
        "https://sms.example.org\\in",
        "https://sms.example.org…",
        "https://sms。example.org",
        "https://sms.example.org,https://other.example.org",
        "https://sms.example.org/<base>",
        "https:/sms.example.org",
        "https://",
        "https://[::1",
        "https://sms.example.org:99999",
        "https://sms.example.org:0",
        '"https://sms.example.org"',
    ],
)
@pytest.mark.parametrize("name", ["SMSGW_PUBLIC_URL", "KANNEL_SENDSMS_URL", "TWILIO_API_BASE"])
def test_an_invalid_address_is_refused(name: str, address: str) -> None:
    """Twilio would refuse each message, and give it up."""
    with pytest.raises(settings.SettingsError) as raised:
        settings.load({name: address})
    assert f"{name}: must be an address such as https://sms.example.org" in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"SMSGW_STATUS_PAGE": "maybe"}, "SMSGW_STATUS_PAGE: must be 1 or 0"),
        ({"WEB_CONCURRENCY": "1.5"}, "WEB_CONCURRENCY: must be a whole number"),
        ({"PORT": "0"}, "PORT: must be greater than or equal to 1"),
        ({"SMSGW_UNKNOWN": "ask"}, "SMSGW_UNKNOWN: must be 'resend_once' or 'ask_operator'"),
    ],
)
def test_a_fault_says_what_a_value_must_be(environ: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(environ)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("https://sms.example.org/in/twilio", "is the base address alone"),
        ("https://sms.example.org/base/in/twilio/status", "is the base address alone"),
        ("https://sms.example.org/in/kannel", "is the base address alone"),
        ("https://sms.example.org/console/", "is the base address alone"),
        ("https://ani:secret@sms.example.org", "holds a user or a password"),
        ("https://ani@sms.example.org", "holds a user or a password"),
    ],
)
def test_a_base_address_has_no_path(address: str, fault: str) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load({"SMSGW_PUBLIC_URL": address})
    assert f"SMSGW_PUBLIC_URL: {fault}" in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://sms.example.org",
        "http://127.0.0.1:8000",
        "https://[::1]:8443",
        "https://sms.example.org/base/inbox",
        "HTTPS://SMS.example.org",
        "https://xn--sms-example.org/a%20b",
        "http://sms_gateway:8000",
    ],
)
def test_a_valid_address_is_accepted(address: str) -> None:
    assert settings.load({"SMSGW_PUBLIC_URL": f"{address}/"}).public_url == address


def test_the_demo_allows_a_carrier_on_loopback() -> None:
    assert settings.load(TWILIO | {"SMSGW_DEMO": "1", "TWILIO_API_BASE": "http://127.0.0.1:9"}).demo


@pytest.mark.parametrize("address", ["https://ledger.example/api/", "http://127.0.0.1:8080"])
def test_a_ledger_may_be_a_service(address: str) -> None:
    made = settings.load(SERVICE | {"LEDGER_URL": address})
    assert made.ledger_url == address.rstrip("/")
    with pytest.raises(SettingsError):
        _ = made.participant_ledger_url
    shown = {name: value for name, value, _ in settings.rows(made)}
    assert shown["LEDGER_API_SECRET"] == "********"


def test_printed_settings_are_masked_and_described() -> None:
    secrets = {"SMSGW_SECRET_KEY": "k" * 32, "REDIS_URL": "redis://u:hidden@h/0"}
    secrets |= {"LEDGER_URL": "postgresql://h/x?sslmode=require&sslpassword=hidden"}
    shown = settings.rows(settings.load(TWILIO | secrets))
    text = "\n".join(value for _, value, _ in shown)
    assert "sslpassword=********" in text
    for secret in ("kkkk", "hidden", "new", "old"):
        assert secret not in text
    assert all(meaning for _, _, meaning in shown)


def test_an_embedded_installation_keeps_a_key_of_its_own(tmp_path: Path) -> None:
    made = settings.load({"SMSGW_HOME": str(tmp_path)})
    key = secret_key(made)
    assert len(key) >= 32
    assert secret_key(made) == key
    assert (tmp_path / "instance" / "secret_key").stat().st_mode & 0o777 == 0o600
