"""The manifests of deploy/kubernetes/ and the compose file are what their programs read, and run
each process as it has to be run."""

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from smsgw import settings
from smsgw.cli.run import procfile
from tests.support.programs import PATH, missing, required

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
VERSION = "1.37"  # of the schemas
NOBODY = 65534
COMMANDS = {name: command.split() for name, command in procfile().items()}
COMMANDS["migrate"] = COMMANDS.pop("release")
SECRETS = {
    "DATABASE_URL": "postgresql://smsgw@db/smsgw",
    "REDIS_URL": "redis://:password@queue/0",
    "SMSGW_SECRET_KEY": "k" * 32,
    "SMSGW_METRICS_TOKEN": "a token of metrics",
    "TWILIO_AUTH_TOKEN": "token",
}


def manifests() -> Iterator[dict[str, Any]]:
    for file in sorted(KUBERNETES.glob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())


RESOURCES = [each for each in manifests() if each["kind"] != "Kustomization"]
PODS = {
    each["metadata"]["name"].removeprefix("smsgw-"): each["spec"]["template"]["spec"]
    for each in RESOURCES
    if each["kind"] in {"Deployment", "Job"}
}


def resource(kind: str, name: str) -> dict[str, Any]:
    (found,) = [
        each for each in RESOURCES if (each["kind"], each["metadata"]["name"]) == (kind, name)
    ]
    return found


@pytest.mark.parametrize("each", RESOURCES, ids=lambda each: each["metadata"]["name"])
def test_kubernetes_knows_each_field(each: dict[str, Any]) -> None:
    if importlib.util.find_spec("kubernetes_validate") is None:
        missing("kubernetes", "no schemas of Kubernetes here: make deployment")
    import kubernetes_validate

    kubernetes_validate.validate(each, VERSION, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(each | {"sepc": {}}, VERSION, strict=True)


def test_every_manifest_is_applied() -> None:
    (kustomization,) = [each for each in manifests() if each["kind"] == "Kustomization"]
    files = {file.name for file in KUBERNETES.glob("*.yaml")}
    assert {*kustomization["resources"], "kustomization.yaml"} == files


@pytest.mark.parametrize("name", PODS)
def test_a_pod_may_do_nothing_that_it_need_not(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == NOBODY
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["volumes"][0]["secret"]["defaultMode"] & 0o007 == 0
    assert container["resources"]["limits"].keys() == {"memory"}


def test_each_process_of_the_procfile_has_a_pod() -> None:
    """The image's own command is web's."""
    given = {name: pod["containers"][0].get("args") for name, pod in PODS.items()}
    assert given == {**COMMANDS, "web": None}
    containerfile = (DEPLOY / "container" / "Containerfile").read_text()
    (command,) = [
        yaml.safe_load(line.removeprefix("CMD "))
        for line in containerfile.splitlines()
        if line.startswith("CMD ")
    ]
    assert [*command[:-1], f'"{command[-1]}"'] == COMMANDS["web"]


def test_pods_are_probed_and_have_time_to_end() -> None:
    (web,) = PODS["web"]["containers"]
    probed = {
        name: web[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "liveness", "readiness")
    }
    assert probed == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert all(web[f"{name}Probe"]["timeoutSeconds"] == 5 for name in probed)
    waits = int(web["lifecycle"]["preStop"]["exec"]["command"][1])
    assert PODS["web"]["terminationGracePeriodSeconds"] >= 20 + waits
    assert all(PODS[name]["terminationGracePeriodSeconds"] >= 20 for name in ("worker", "clock"))


def test_there_is_one_clock_and_a_job_that_migrates() -> None:
    clock = resource("Deployment", "smsgw-clock")["spec"]
    assert (clock["replicas"], clock["strategy"]) == (1, {"type": "Recreate"})
    assert PODS["migrate"]["restartPolicy"] == "Never"
    web = resource("Deployment", "smsgw-web")["spec"]
    assert web["replicas"] > 1
    assert web["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_service_finds_the_pods_of_web() -> None:
    service = resource("Service", "smsgw")["spec"]
    labels = resource("Deployment", "smsgw-web")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    (port,) = PODS["web"]["containers"][0]["ports"]
    assert service["ports"][0]["targetPort"] == port["name"]


def test_the_settings_of_the_pods_are_settings(tmp_path: Path) -> None:
    given = resource("ConfigMap", "smsgw")["data"]
    settings.load(_with_files(given, "/run/secrets/smsgw/", tmp_path, lambda name: name))


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
    return loaded


def test_compose_accepts_its_file() -> None:
    program = required("docker-compose", "docker-compose")
    environ = {"PATH": PATH, "SMSGW_PUBLIC_URL": "https://sms.example.org"}
    environ |= {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_FROM": "+15005550006"}
    command = [program, "-f", DEPLOY / "container" / "compose.yaml", "config", "--quiet"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_compose_runs_each_process_as_nobody_over_a_read_only_root() -> None:
    services = compose()["services"]
    ours = {name: services[name] for name in COMMANDS}
    for each in ours.values():
        assert (each["user"], each["read_only"]) == ("65534:65534", True)
        assert each["cap_drop"] == ["ALL"]
        assert each["stop_grace_period"] == "30s"
    commands = {name: each.get("command") for name, each in ours.items()}
    assert commands == {**COMMANDS, "web": None}
    assert [name for name, each in services.items() if "ports" in each] == ["proxy"]


def test_the_settings_of_compose_are_settings(tmp_path: Path) -> None:
    given = compose()["services"]["web"]["environment"]
    known = {"SMSGW_PUBLIC_URL": "https://sms.example.org", "TWILIO_ACCOUNT_SID": "AC1"}
    given |= known | {"TWILIO_FROM": "+15005550006"}
    settings.load(
        _with_files(
            given, "/run/secrets/", tmp_path, lambda name: name.lower().removeprefix("smsgw_")
        )
    )


def _with_files(given: dict[str, str], mounted: str, folder: Path, key_of: Any) -> dict[str, str]:
    """Writes each secret where the settings look for it."""
    for name, value in SECRETS.items():
        assert given[f"{name}_FILE"] == f"{mounted}{key_of(name)}"
        (folder / key_of(name)).write_text(value)
    return {name: value.replace(mounted, f"{folder}/") for name, value in given.items()}
