"""Checks who may use the console, and for how long."""

import subprocess

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from smsgw import runtime, settings
from smsgw.backoffice import accounts
from smsgw.backoffice.accounts import MAY, AccountError, Permission
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from smsgw.storage.tables.security import audit
from tests.conftest import Clock, on_sqlite
from tests.support import commands
from tests.support.accounts import PASSWORD, SHELL, add_operator
from tests.support.processes import SMSGW


def test_only_the_right_password_logs_in(rt: Runtime) -> None:
    add_operator(rt)
    with rt.reading() as tx:
        ani, nobody = accounts.find(tx, "ani"), accounts.find(tx, "nobody")
    assert accounts.verify_password(ani, PASSWORD, rt.passwords)
    assert not accounts.verify_password(ani, PASSWORD + "x", rt.passwords)
    assert not accounts.verify_password(nobody, PASSWORD, rt.passwords)
    assert PASSWORD not in ani.password


@on_sqlite
def test_guessing_from_a_hash_takes_time_and_memory(environ: dict[str, str]) -> None:
    made = runtime.build(settings.load(environ))
    hashed = accounts.hash_password(PASSWORD, made.passwords)
    made.close()
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize("password", ["short", "x" * 201, " " * 12])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(AccountError, match="needs at least"):
        accounts.hash_password(password, PasswordHasher())


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "a\nb", "<b>", "é"])
def test_invalid_names_are_refused(rt: Runtime, name: str) -> None:
    with pytest.raises(AccountError, match="1 to 40"):
        add_operator(rt, name)


def test_a_session_lasts_while_it_is_used(rt: Runtime, clock: Clock) -> None:
    ani = add_operator(rt)
    with rt.writing() as tx:
        token = accounts.log_in(tx, ani.id, ani.name)
    for _ in range(5):
        clock.moves(minutes=110)
        with rt.writing() as tx:
            assert accounts.session_operator(tx, token)[0] == ani
            accounts.touch_session(tx, token)
    clock.moves(minutes=121)
    with rt.reading() as tx:
        assert accounts.session_operator(tx, token) is None
        assert accounts.session_operator(tx, "x" * 43) is None


def test_a_session_ends_after_half_a_day(rt: Runtime, clock: Clock) -> None:
    ani = add_operator(rt)
    with rt.writing() as tx:
        token = accounts.log_in(tx, ani.id, ani.name)
    for _ in range(13):
        clock.moves(hours=1)
        with rt.writing() as tx:
            accounts.touch_session(tx, token)
    with rt.reading() as tx:
        assert accounts.session_operator(tx, token) is None


@pytest.mark.parametrize("end", ["out", "everywhere", "disabled", "password", "role"])
def test_account_changes_end_sessions(rt: Runtime, end: str) -> None:
    ani, _ = add_operator(rt), add_operator(rt, "budi")
    with rt.writing() as tx:
        token = accounts.log_in(tx, ani.id, ani.name)
    with rt.writing() as tx:
        match end:
            case "out":
                accounts.log_out(tx, token)
            case "everywhere":
                accounts.log_out_everywhere(tx, ani.id)
            case "disabled":
                accounts.disable(tx, "ani", SHELL)
            case "password":
                hashed = accounts.hash_password(PASSWORD + "2", rt.passwords)
                accounts.set_password(tx, "ani", hashed, SHELL)
            case "role":
                accounts.set_role(tx, "ani", Role.VIEWER, SHELL)
    with rt.reading() as tx:
        assert accounts.session_operator(tx, token) is None


def test_an_invitation_works_once_and_for_a_day(rt: Runtime, clock: Clock) -> None:
    ani = add_operator(rt)
    with rt.writing() as tx:
        first, held = (
            accounts.invite(tx, ani.id, "shell:tests"),
            accounts.invite(tx, ani.id, "shell:tests"),
        )
    with rt.writing() as tx:
        assert accounts.redeem_invitation(tx, first) is None
        assert accounts.redeem_invitation(tx, held).name == "ani"
        assert accounts.redeem_invitation(tx, held) is None
        late = accounts.invite(tx, ani.id, "shell:tests")
    clock.moves(hours=25)
    with rt.writing() as tx:
        assert accounts.redeem_invitation(tx, late) is None


def test_a_disabled_operator_cannot_log_in(rt: Runtime) -> None:
    ani, _ = add_operator(rt), add_operator(rt, "budi")
    with rt.writing() as tx:
        token = accounts.invite(tx, ani.id, "operator:ani")
        accounts.disable(tx, "ani", SHELL)
        assert accounts.redeem_invitation(tx, token) is None
        row = accounts.find(tx, "ani")
    assert not accounts.verify_password(row, PASSWORD, rt.passwords)
    with rt.writing() as tx:
        accounts.enable(tx, "ani", SHELL)
        row = accounts.find(tx, "ani")
    assert accounts.verify_password(row, PASSWORD, rt.passwords)


def test_the_last_admin_cannot_be_removed(rt: Runtime) -> None:
    add_operator(rt)
    with rt.writing() as tx:
        with pytest.raises(AccountError, match="the only admin"):
            accounts.disable(tx, "ani", SHELL)
        with pytest.raises(AccountError, match="the only admin"):
            accounts.set_role(tx, "ani", Role.AGENT, SHELL)
        accounts.set_role(tx, "ani", Role.ADMIN, SHELL)


def test_each_role_has_its_permissions() -> None:
    assert MAY[Role.VIEWER] == {Permission.LOOK}
    assert Permission.HELP in MAY[Role.AGENT]
    assert Permission.HELP not in MAY[Role.EDITOR] | MAY[Role.PUBLISHER]
    assert Permission.PUBLISH not in MAY[Role.EDITOR]
    assert MAY[Role.ADMIN] == set(Permission)


@on_sqlite
def test_the_commands_manage_operators(rt: Runtime, environ: dict[str, str]) -> None:
    def called(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return commands.called(environ, "operators", *arguments, stdin=stdin)

    assert called("add", "budi", "--role", "agent", stdin=PASSWORD + "\n").returncode == 0
    again = called("add", "budi", "--role", "agent", stdin=PASSWORD + "\n")
    assert (again.returncode, "operator budi already exists" in again.stderr) == (1, True)
    weak = called("add", "cici", "--role", "agent", stdin="short\n")
    assert (weak.returncode, "12 characters" in weak.stderr) == (1, True)
    assert called("add", "cici", "--role", "king").returncode == 2
    listed = subprocess.run([SMSGW, "operators", "list"], env=environ, stdout=subprocess.PIPE)
    assert listed.stdout.startswith(b"budi  agent  ")
    assert called("reset", "budi", stdin=PASSWORD + "2\n").returncode == 0
    with rt.reading() as tx:
        assert accounts.verify_password(accounts.find(tx, "budi"), PASSWORD + "2", rt.passwords)
    assert called("disable", "budi").returncode == 0
    assert "disabled" in called("list").stdout
    assert "no operator nobody" in called("disable", "nobody").stderr
    with rt.reading() as tx:
        acts = list(tx.connection.execute(select(audit.c.act)).scalars())
    assert acts == ["operator added", "password set", "operator disabled"]
