"""nginx accepts deploy/nginx/smsgw.conf, serves what is for others, and logs no text."""

import json
import socket
import subprocess
from pathlib import Path

import pytest
import requests

from tests.support.http_stub import Handler, WebStub, serving, web_stub
from tests.support.nginx import Nginx, command, running, written
from tests.support.processes import free_port

SECRET = "RAHASIA-19012345678"
AWAY = 502


def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    made = written(tmp_path, [free_port()])
    done = subprocess.run(command(made, "-t"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def asked(made: Nginx, path: str, method: str = "GET", **more: object) -> int:
    url = f"{made.url}{path}"
    return requests.request(method, url, verify=made.certificate, timeout=20, **more).status_code


@pytest.mark.parametrize("path", ["/", "/metrics", "/readyz", "/healthz", "/IN/twilio"])
def test_what_is_not_for_others_is_not_passed_on(tmp_path: Path, path: str) -> None:
    with web_stub() as stub, running(tmp_path, [int(stub.url.rpartition(":")[2])]) as made:
        assert asked(made, path) == 404
        assert stub.paths == []


def test_no_log_holds_a_text_or_a_query(tmp_path: Path) -> None:
    """nginx's own error log quotes the request where nobody answers, and where it is no request."""
    with running(tmp_path, [free_port()]) as made:
        assert asked(made, f"/in/kannel?text={SECRET}&from=%2B62812") == AWAY
        assert asked(made, "/in/twilio", "POST", data={"Body": SECRET}) == AWAY
        assert asked(made, f"/in/kannel?text={SECRET * 500}") == 414
        assert asked(made, "/in/twilio", "POST", data={"Body": SECRET * 5000}) == 413
        assert asked(made, f"/console/messages?q={SECRET}") == AWAY
        assert asked(made, f"/elsewhere?text={SECRET}") == 404
        with socket.create_connection(("127.0.0.1", made.port)) as plain:
            plain.sendall(f"GET /in/kannel?text={SECRET} HTTP/1.1\r\n\r\n".encode())
            assert b"400" in plain.recv(100)
    lines = [json.loads(line) for line in made.access.splitlines()]
    assert [line["path"] for line in lines if line["status"] == AWAY] == [
        "/in/kannel", "/in/twilio", "/console/messages"
    ]  # fmt: skip
    assert "RAHASIA" not in made.logs
    assert "62812" not in made.logs


class Web(Handler):
    """Answers each POST with the only answer of its stub."""

    def post(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        (answer,) = self.server.stub.answers
        if isinstance(answer, str):
            self.reset()
        else:
            self.tell(*answer)


@pytest.mark.parametrize("fault", [(503, b""), (502, b""), "reset"])
def test_a_carriers_post_goes_to_the_next_machine_and_a_form_does_not(
    tmp_path: Path, fault: object
) -> None:
    faulty, whole = WebStub(answers=[fault]), WebStub(answers=[(200, b"")])
    with serving(faulty, Web), serving(whole, Web):
        ports = [int(each.url.rpartition(":")[2]) for each in (faulty, whole)]
        with running(tmp_path, ports) as made:
            statuses = {
                path: {asked(made, path, "POST", data={"x": "1"}) for _ in range(4)}
                for path in ("/in/twilio", "/console/login")
            }
    assert statuses == {
        "/in/twilio": {200},
        "/console/login": {200, fault[0] if isinstance(fault, tuple) else AWAY},
    }
