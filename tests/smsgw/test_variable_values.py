import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from smsgw import settings, variable_values
from smsgw.carriers.http_api import carrier as http_api
from smsgw.carriers.kannel import KannelSettings
from smsgw.operations import startup
from tests.support.commands import smsgw
from tests.support.twilio_api import ALL_CARRIERS, TWILIO

SECRET = "k" * 32


def file(folder: Path, content: str | bytes, mode: int = 0o600) -> str:
    """Returns the path of a new file in a folder that others may not enter."""
    folder.chmod(0o700)
    made = folder / f"value-{len(list(folder.iterdir()))}"
    made.write_bytes(content.encode() if isinstance(content, str) else content)
    made.chmod(mode)
    return str(made)


def faults(environ: dict[str, str]) -> list[str]:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(environ)
    return str(caught.value).splitlines()


def test_every_setting_can_be_in_a_file(tmp_path: Path) -> None:
    """Editors end a file with a line break, and some begin it with a mark."""
    given = ALL_CARRIERS | {
        "DATABASE_URL": "postgresql://u:p@h/x",
        "LEDGER_URL": "postgresql://u:q@h/y",
        "REDIS_URL": "rediss://:r@h/0",
        "SMSGW_SECRET_KEY": SECRET,
        "SMSGW_OLD_SECRET_KEY": "o" * 32,
        "PORT": "8001",
    }
    files = {f"{name}_FILE": file(tmp_path, f"\ufeff{value}\n") for name, value in given.items()}
    loaded, wanted = settings.load(files), settings.load(given)
    assert loaded.of_carriers.keys() == wanted.of_carriers.keys()
    assert settings.rows(loaded) == settings.rows(wanted)
    assert loaded == wanted


def test_a_file_of_the_http_carrier_may_name_variables_in_files(tmp_path: Path) -> None:
    given = ALL_CARRIERS | {"INFOBIP_API_KEY_FILE": file(tmp_path, "key of a file")}
    del given["INFOBIP_API_KEY"]
    found = settings.load(given).of(http_api.HttpSettings).file
    assert found is not None
    assert "INFOBIP_API_KEY" in found.variables
    given["INFOBIP_API_KEY_FILE"] += "-is-absent"
    assert "INFOBIP_API_KEY_FILE names" in "\n".join(faults(given))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty; write the value into it, or unset the variable"),
        (" \n\ufeff", "is empty"),
        ("k" * 16_385, "holds more than 16,384 octets; it is to hold the value alone"),
        (b"\xff\xfek\0", "is not UTF-8; save it as UTF-8"),
    ],
)
def test_a_file_that_holds_no_value_is_refused(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    path = file(tmp_path, content)
    (fault,) = faults({"SMSGW_SECRET_KEY_FILE": path})
    assert fault.startswith(f"SMSGW_SECRET_KEY: SMSGW_SECRET_KEY_FILE names {path}, which {says}")


def test_what_lies_in_a_file_is_checked_as_ever(tmp_path: Path) -> None:
    assert faults({"SMSGW_SECRET_KEY_FILE": file(tmp_path, "short-secret")}) == [
        "SMSGW_SECRET_KEY: needs 32 characters or more"
    ]
    (fault,) = faults({"KANNEL_PASSWORD_FILE": file(tmp_path, "one\ntwo")})
    assert fault.startswith("KANNEL_PASSWORD: holds a line break")


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe can be read once, and each process reads the settings; and it would be waited for."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused = {
        str(tmp_path / "absent"): "cannot be read (No such file or directory) by user",
        str(tmp_path): "cannot be read (Is a directory)",
        str(pipe): "is no file",
        "secrets/key": "is no whole path; begin it with /",
        "/dev/null/key": "cannot be read (Not a directory)",
    }
    for path, says in refused.items():
        (fault,) = faults({"DATABASE_URL_FILE": path})
        assert says in fault


def test_a_value_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, SECRET)
    assert faults({"SMSGW_SECRET_KEY": SECRET, "SMSGW_SECRET_KEY_FILE": path}) == [
        "SMSGW_SECRET_KEY: is given twice; unset SMSGW_SECRET_KEY or SMSGW_SECRET_KEY_FILE"
    ]
    assert settings.load({"SMSGW_SECRET_KEY": " ", "SMSGW_SECRET_KEY_FILE": path}).secret_key


def test_a_file_that_others_may_change_is_refused(tmp_path: Path) -> None:
    (fault,) = faults({"SMSGW_PUBLIC_URL_FILE": file(tmp_path, "https://x.example", 0o602)})
    assert "everybody on this machine may change; run chmod o-w on it" in fault


def test_a_secret_that_others_may_read_is_reported(tmp_path: Path) -> None:
    """Every folder above it is open too; the address carriers call is no secret."""
    key = file(tmp_path, SECRET, 0o644)
    given = {
        "SMSGW_SECRET_KEY_FILE": key,
        "SMSGW_PUBLIC_URL_FILE": file(tmp_path, "https://x.example", 0o644),
        "SMSGW_HOME": str(tmp_path),
    }
    assert settings.load(given).exposed_files == {}  # the folder is closed
    opened = [each for each in tmp_path.parents if each.stat().st_uid == os.geteuid()]
    before = {each: each.stat().st_mode for each in opened}
    for each in (tmp_path, *opened):
        each.chmod(each.stat().st_mode | 0o001)
    try:
        assert settings.load(given).exposed_files == {"SMSGW_SECRET_KEY_FILE": key}
        assert smsgw(tmp_path, "migrate", **given).returncode == 0
        (line,) = [
            each
            for each in smsgw(tmp_path, "doctor", **given).stdout.splitlines()
            if " files" in each
        ]
        with capture_logs() as logged:
            startup.opened(settings.load(given)).close()
    finally:
        for each, mode in before.items():
            each.chmod(mode)
    assert (
        line == f"FIX  files: others on this machine may read {key}; chmod o-r, or the folder o-x"
    )
    assert "others on this machine may read a secret" in [each["event"] for each in logged]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("SMSGW_HOLIDAY", "is no setting; did you mean SMSGW_HOLIDAYS?"),
        ("SMSGW_SECRET_KEYFILE", "is no setting; did you mean SMSGW_SECRET_KEY_FILE?"),
        ("SMSGW_DATABASE_URL", "is no setting; did you mean DATABASE_URL?"),
        ("SMSGW_PORT", "is no setting; did you mean PORT?"),
        ("TWILIO_TOKEN", "is no setting; did you mean TWILIO_AUTH_TOKEN?"),
        ("KANNEL_FORM", "is no setting; did you mean KANNEL_FROM?"),
        ("TWILIO_FORM", "is no setting; did you mean TWILIO_FROM?"),
        ("smsgw_home", "is no setting; did you mean SMSGW_HOME?"),
        ("SMSGW_XYZZY", "is no setting; unset it"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest(name: str, says: str) -> None:
    assert faults({name: "1"}) == [f"{name}: {says}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMSGW_SERVICE_HOST", "10.0.0.7"),
        ("SMSGW_SERVICE_PORT", "8000"),
        ("SMSGW_SERVICE_PORT_HTTP", "8000"),
        ("SMSGW_PORT", "tcp://10.0.0.7:8000"),
        ("SMSGW_PORT_8000_TCP", "tcp://10.0.0.7:8000"),
        ("SMSGW_PORT_8000_TCP_ADDR", "10.0.0.7"),
        ("SMSGW_WEB_SERVICE_HOST", "10.0.0.7"),
        ("KANNEL_SERVICE_HOST", "10.0.0.8"),
        ("KANNEL_PORT_13013_TCP_PROTO", "tcp"),
    ],
)
def test_a_variable_of_a_kubernetes_service_says_what_to_switch_off(name: str, value: str) -> None:
    assert faults({name: value}) == [
        f"{name}: was set by Kubernetes for a service; set enableServiceLinks: false in the pod"
    ]


def test_names_that_others_read_are_known() -> None:
    settings.load(dict.fromkeys(variable_values.OF_TWILIO, "x"))
    settings.load({"SMSGW_TEST_REDIS_URL": "x", "SMSGW_REQUIRE_KANNEL": "1"})
    settings.load({"SMTP_FROM": "x", "KANNELS": "2", "TWILIO": "x"})


def test_a_fault_of_a_file_is_told_beside_others(tmp_path: Path) -> None:
    told = faults(TWILIO | {"TWILIO_FRM": "x", "DATABASE_URL_FILE": "/absent", "PORT": "x"})
    assert [each.partition(":")[0] for each in told] == ["DATABASE_URL", "PORT", "TWILIO_FRM"]


def test_a_password_of_a_file_is_not_printed(tmp_path: Path) -> None:
    made = settings.load({"KANNEL_PASSWORD_FILE": file(tmp_path, "what is hidden")})
    assert made.of(KannelSettings).password
    assert "hidden" not in "".join(value for _, value, _ in settings.rows(made))
